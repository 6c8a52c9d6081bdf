import { EventEmitter } from 'node:events';
import type { IpcMain } from 'electron';
import { describe, expect, it } from 'vitest';
import { defaultPreferences } from '../../../gateway-core/contract/bridge/app.js';
import type { Handlers } from '../../../gateway-core/contract/bridge/calls.js';
import { bridgeChannels } from '../../../gateway-core/contract/bridge/wire.js';
import { createDispatcher } from '../../../main/ipc/dispatcher.js';
import { bridgeWindows } from '../../../main/window/ipc.js';
import { eventually } from '../../eventually.js';
import { FakeContents } from './electron-fakes.js';

/** A host with one call, over a fake of Electron's IPC. */
function setup() {
  const ipcMain = new EventEmitter();
  const complaints: string[] = [];
  const ran: unknown[] = [];
  const pending: (() => void)[] = [];
  const host = {
    'preferences.get': () => {
      ran.push('preferences.get');
      return new Promise((resolve) => pending.push(() => resolve(defaultPreferences)));
    },
  } as unknown as Handlers<'host'>;
  const dispatcher = createDispatcher({
    host,
    agent: { call: (name) => Promise.resolve(ran.push(name)) },
    complain: (what) => complaints.push(what),
  });
  bridgeWindows(ipcMain as unknown as IpcMain, dispatcher, (what) => complaints.push(what));
  const say = (contents: FakeContents, message: unknown, senderFrame: unknown = contents.mainFrame): void =>
    void ipcMain.emit(bridgeChannels.toHost, { sender: contents, senderFrame }, message);
  const call = (id: number, name = 'preferences.get'): unknown => ({ kind: 'call', id, name, input: {} });
  const answer = (): void => {
    for (const each of pending.splice(0)) each();
  };
  return { dispatcher, complaints, ran, say, call, answer };
}

const answered = (contents: FakeContents): Promise<unknown[]> =>
  eventually(() => {
    expect(contents.sent.length).toBeGreaterThan(0);
    return contents.sent.map(({ message }) => message);
  });

describe('the bridge over Electron’s IPC', () => {
  it('answers the top frame of the app’s own page, and that window alone', async () => {
    const { say, call, answer } = setup();
    const [asking, other] = [new FakeContents(), new FakeContents()];
    say(asking, call(7));
    answer();
    const expected = { kind: 'result', id: 7, output: defaultPreferences };
    expect(await answered(asking)).toEqual([expected]);
    expect(asking.sent[0]?.channel).toBe(bridgeChannels.toRenderer);
    expect(other.sent).toEqual([]);
  });

  it.each([
    'https://throughline/',
    'https://example.com/',
    'app://other/',
    'app://throughline.example.com/',
    'app://throughline:8080/',
    'app://person@throughline/',
    'file:///app/index.html',
    'about:blank',
    'data:text/html,x',
    '',
  ])('a page of %j is not heard', (url) => {
    const { say, call, ran, complaints, dispatcher } = setup();
    const contents = new FakeContents();
    contents.mainFrame.url = url;
    say(contents, call(1));
    expect([ran, contents.sent, dispatcher.windows()]).toEqual([[], [], 0]);
    expect(complaints).toHaveLength(1);
  });

  it('a frame within the page is not heard, nor one that is gone, nor another window’s', () => {
    const { say, call, ran, complaints, dispatcher } = setup();
    const contents = new FakeContents();
    const frames = [{ url: 'app://throughline/' }, null, new FakeContents().mainFrame];
    for (const frame of frames) say(contents, call(1), frame);
    expect([ran, contents.sent, dispatcher.windows()]).toEqual([[], [], 0]);
    expect(complaints).toHaveLength(frames.length);
  });

  it.each(['no.such', '', 'toString', 'constructor', '__proto__', 'hasOwnProperty', 'preferences.get '])(
    'a call of the name %j is refused and runs nothing',
    async (name) => {
      const { say, call, ran } = setup();
      const contents = new FakeContents();
      say(contents, call(1, name));
      const [refusal] = await answered(contents);
      expect(refusal).toMatchObject({ kind: 'error', id: 1, error: { code: 'invalid-request' } });
      expect(ran).toEqual([]);
    },
  );

  it.each([
    null,
    'text',
    [],
    { kind: 'hello', key: 'x'.repeat(43) },
    { kind: 'call', id: -1, name: 'preferences.get', input: {} },
    { kind: 'call', id: 1, name: 'preferences.get', input: {}, more: 1 },
    { kind: 'result', id: 1, output: {} },
  ])('a page that sends %j is heard no more until it is loaded anew', async (message) => {
    const { say, call, answer, ran, complaints, dispatcher } = setup();
    const contents = new FakeContents();
    say(contents, message);
    say(contents, call(2));
    say(contents, message);
    expect([ran, contents.sent, dispatcher.windows()]).toEqual([[], [], 0]);
    expect(complaints).toHaveLength(1);
    contents.emit('did-navigate');
    say(contents, call(3));
    answer();
    expect(await answered(contents)).toMatchObject([{ kind: 'result', id: 3 }]);
  });

  it.each(['did-navigate', 'render-process-gone', 'destroyed'])(
    'what was asked before %s is not answered to what comes after it',
    async (name) => {
      const { say, call, answer, dispatcher } = setup();
      const contents = new FakeContents();
      say(contents, call(1));
      contents.emit(name);
      expect(dispatcher.windows()).toBe(0);
      answer();
      say(contents, call(1));
      answer();
      expect(await answered(contents)).toHaveLength(1);
      expect(dispatcher.windows()).toBe(1);
    },
  );

  it('a window that is gone is sent nothing', () => {
    const { say, call, dispatcher } = setup();
    const contents = new FakeContents();
    say(contents, call(1));
    contents.destroyed = true;
    dispatcher.broadcast('resync', {});
    expect(contents.sent).toEqual([]);
  });

  it('loading a page over and over leaves nothing behind', () => {
    const { say, call, dispatcher } = setup();
    const contents = new FakeContents();
    for (let round = 0; round < 20; round += 1) {
      say(contents, call(1));
      contents.emit('did-navigate');
    }
    expect(contents.eventNames()).toEqual([]);
    expect(dispatcher.windows()).toBe(0);
  });
});
