import { z } from 'zod';
import { call } from '../bridge/index.js';
import { drafts, useDrafts } from '../ui/drafts.js';

/** What is restored after a restart or a crash. The dock's layout is dockview's own JSON, checked by dockview. */
const Workspace = z.object({
  v: z.literal(1),
  section: z.string().max(64).optional(),
  layout: z.unknown(),
  drafts: z.record(z.string().max(200), z.string()),
});
export type Workspace = z.infer<typeof Workspace>;

const saveAfterMs = 300;

/** Reads the workspace; undefined where there is none or it cannot be read. Drafts are put back before any tab opens. */
export async function loadWorkspace(): Promise<Workspace | undefined> {
  const { text } = await call('workspace.load', {});
  if (text === '') return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const parsed = Workspace.safeParse(value);
  if (!parsed.success) return undefined;
  drafts.restore(parsed.data.drafts);
  return parsed.data;
}

/** Saves a moment after each change, and at once when the page is hidden. Returns how to tell of a change. */
export function keepWorkspace(
  current: () => { readonly layout: unknown; readonly section: string },
  failed: (cause: unknown) => void,
): { readonly changed: () => void; readonly stop: () => void } {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const save = () => {
    clearTimeout(timer);
    timer = undefined;
    const { layout, section } = current();
    const texts = Object.fromEntries(useDrafts.getState().texts);
    const text = JSON.stringify({ v: 1, section, layout, drafts: texts } satisfies Workspace);
    call('workspace.save', { text }).catch(failed);
  };
  const changed = () => {
    timer ??= setTimeout(save, saveAfterMs);
  };
  const hidden = () => {
    if (timer !== undefined) save();
  };
  const stopDrafts = useDrafts.subscribe(changed);
  document.addEventListener('visibilitychange', hidden);
  window.addEventListener('pagehide', hidden);
  return {
    changed,
    stop: () => {
      hidden();
      stopDrafts();
      document.removeEventListener('visibilitychange', hidden);
      window.removeEventListener('pagehide', hidden);
    },
  };
}
