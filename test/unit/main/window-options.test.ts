import type { BrowserWindow } from 'electron';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { windowOptions } from '../../../main/window/options.js';
import { fittingState, type WindowState, watchState } from '../../../main/window/window-state.js';
import { FakeWindow } from './electron-fakes.js';

const state: WindowState = { bounds: { width: 1000, height: 700 }, maximized: false };
const options = (packaged: boolean) =>
  windowOptions({ preload: '/app/preload.cjs', icon: '/app/icon.png', state, dark: true, packaged });

describe('the window', () => {
  it.each([true, false])('shows a page that is not trusted (packed: %s)', (packaged) => {
    expect(options(packaged).webPreferences).toEqual({
      preload: '/app/preload.cjs',
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      nodeIntegrationInWorker: false,
      nodeIntegrationInSubFrames: false,
      webSecurity: true,
      allowRunningInsecureContent: false,
      experimentalFeatures: false,
      webviewTag: false,
      navigateOnDragDrop: false,
      spellcheck: false,
      devTools: !packaged,
    });
  });

  it('is shown when there is something to see, in the colour of the page to come', () => {
    const { show, backgroundColor } = options(true);
    expect([show, backgroundColor]).toEqual([false, '#16181d']);
    const light = windowOptions({ preload: '', icon: '', state, dark: false, packaged: true });
    expect(light.backgroundColor).toBe('#ffffff');
  });
});

const left = { x: 0, y: 0, width: 1920, height: 1080 };
const right = { x: 1920, y: 0, width: 1280, height: 1024 };
const above = { x: 0, y: -1080, width: 1920, height: 1080 };
const defaults = { bounds: { width: 1360, height: 860 }, maximized: false };
const at = (x: number, y: number, width = 1000, height = 700): WindowState => ({
  bounds: { x, y, width, height },
  maximized: false,
});

describe('where the window stands', () => {
  it.each([at(0, 0), at(100, 50), at(2000, 100), at(-800, 100), at(0, 900), at(1500, 0)])(
    'a place that is seen is kept: %j',
    (kept) => expect(fittingState(kept, [left, right])).toEqual(kept),
  );

  it('a place on a display above the first one is seen, too', () => {
    expect(fittingState(at(10, -1000), [left, above])).toEqual(at(10, -1000));
  });

  it.each([
    at(5000, 100),
    at(-990, 100),
    at(100, -500),
    at(100, 1070),
    at(2_000_000_000, 0),
    at(2500, 100),
    at(Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER),
  ])('a place that nobody would see is given up, the size is kept: %j', (kept) => {
    expect(fittingState({ ...kept, maximized: true }, [left])).toEqual({
      bounds: { width: 1000, height: 700 },
      maximized: true,
    });
  });

  it('it is never larger than the displays together', () => {
    expect(fittingState(at(0, 0, 20_000, 20_000), [left]).bounds).toEqual({ ...left });
    expect(fittingState(at(0, 0, 20_000, 900), [left, right]).bounds).toMatchObject({
      width: 3200,
      height: 900,
    });
    const sizeOnly = { bounds: { width: 9000, height: 9000 }, maximized: false };
    expect(fittingState(sizeOnly, [left]).bounds).toEqual({ width: 1920, height: 1080 });
    expect(fittingState(sizeOnly, []).bounds).toEqual({ width: 9000, height: 9000 });
  });

  it.each([
    undefined,
    null,
    {},
    [],
    'x',
    { bounds: {}, maximized: false },
    at(0, 0, 0, 0),
    at(0, 0, -5, 700),
    at(0, 0, 1e9, 700),
    at(0.5, 0),
    at(Number.NaN, 0),
    at(Number.POSITIVE_INFINITY, 0),
    at(1e300, 0),
    { bounds: { x: '1', y: 0, width: 1000, height: 700 }, maximized: false },
    { bounds: { width: 1000, height: 700 }, maximized: 'yes' },
  ])('what is no place is the default: %j', (kept) => {
    expect(fittingState(kept, [left])).toEqual(defaults);
  });
});

describe('what is kept of the window’s place', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function watched() {
    const window = new FakeWindow({});
    const kept: WindowState[] = [];
    watchState(window as unknown as BrowserWindow, (next) => kept.push(next));
    return { window, kept };
  }

  it('many moves are kept once, with the last place', () => {
    const { window, kept } = watched();
    for (let x = 0; x < 50; x += 1) {
      window.bounds = { ...window.bounds, x };
      window.emit('move');
      window.emit('resize');
    }
    expect(kept).toEqual([]);
    vi.runAllTimers();
    expect(kept).toEqual([{ bounds: { x: 49, y: 20, width: 1000, height: 700 }, maximized: false }]);
  });

  it('closing keeps the place at once, and nothing is asked of a window that is gone', () => {
    const { window, kept } = watched();
    window.emit('move');
    window.close();
    expect(kept).toHaveLength(1);
    window.emit('move');
    vi.runAllTimers();
    expect(kept).toHaveLength(1);
  });
});
