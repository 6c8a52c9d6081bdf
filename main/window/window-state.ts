import type { BrowserWindow, Rectangle } from 'electron';
import { z } from 'zod';

const Bounds = z.object({
  x: z.number().int(),
  y: z.number().int(),
  width: z.number().int().min(200).max(20_000),
  height: z.number().int().min(200).max(20_000),
});
const WindowState = z.object({ bounds: Bounds.partial({ x: true, y: true }), maximized: z.boolean() });
/** Where the window stands. Without a place it is centred. */
export type WindowState = z.infer<typeof WindowState>;

const defaults: WindowState = { bounds: { width: 1360, height: 860 }, maximized: false };
/** How much of the title bar has to be on a display, so that the window can be moved back. */
const visibleMin = 100;

/** What was kept, if the window would be seen there, and no larger than what there is: displays come and go. */
export function fittingState(kept: unknown, displays: readonly Rectangle[]): WindowState {
  const parsed = WindowState.safeParse(kept);
  if (!parsed.success) return defaults;
  const { bounds, maximized } = parsed.data;
  const { x, y } = bounds;
  const across = Math.max(...displays.map((each) => each.x + each.width)) - least(displays, 'x');
  const down = Math.max(...displays.map((each) => each.y + each.height)) - least(displays, 'y');
  const width = displays.length === 0 ? bounds.width : Math.min(bounds.width, across);
  const height = displays.length === 0 ? bounds.height : Math.min(bounds.height, down);
  const centred = { bounds: { width, height }, maximized };
  if (x === undefined || y === undefined) return centred;
  const seen = displays.some((display) => {
    const acrossX = Math.min(x + width, display.x + display.width) - Math.max(x, display.x);
    return acrossX >= visibleMin && y >= display.y - 10 && y <= display.y + display.height - visibleMin;
  });
  return seen ? { bounds: { x, y, width, height }, maximized } : centred;
}

function least(displays: readonly Rectangle[], side: 'x' | 'y'): number {
  return Math.min(...displays.map((each) => each[side]));
}

/** Tells the window's place a moment after it moved, and when it closes. */
export function watchState(
  window: Pick<BrowserWindow, 'on' | 'getNormalBounds' | 'isMaximized' | 'isDestroyed'>,
  keep: (state: WindowState) => void,
): void {
  let timer: NodeJS.Timeout | undefined;
  const now = (): void => {
    clearTimeout(timer);
    if (!window.isDestroyed()) keep({ bounds: window.getNormalBounds(), maximized: window.isMaximized() });
  };
  const later = (): void => {
    clearTimeout(timer);
    timer = setTimeout(now, 500);
  };
  window.on('resize', later);
  window.on('move', later);
  window.on('close', now);
}
