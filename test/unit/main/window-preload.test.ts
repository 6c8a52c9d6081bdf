import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { bridgeChannels, bridgeName } from '../../../gateway-core/contract/bridge/names.js';
import type { BridgePort } from '../../../gateway-core/contract/bridge/wire.js';

type Hear = (event: unknown, message: unknown) => void;

/** What a sandboxed preload script has of Electron, and whatever else it would reach for. */
function electronOfAPage() {
  const exposed: Record<string, BridgePort> = {};
  const sent: unknown[][] = [];
  const listeners: [string, Hear][] = [];
  const reached: string[] = [];
  const module = {
    contextBridge: {
      exposeInMainWorld: (name: string, port: BridgePort) => {
        exposed[name] = port;
      },
    },
    ipcRenderer: {
      send: (...args: unknown[]) => void sent.push(args),
      on: (channel: string, hear: Hear) => void listeners.push([channel, hear]),
      off: (channel: string, hear: Hear) => {
        const index = listeners.findIndex(([name, each]) => name === channel && each === hear);
        if (index >= 0) listeners.splice(index, 1);
      },
    },
  };
  const electron = new Proxy(module, {
    get: (target, name) => {
      if (typeof name === 'string' && name !== 'then') reached.push(name);
      return Reflect.get(target, name) as unknown;
    },
  });
  return { electron, exposed, sent, listeners, reached };
}

const bundle = readFileSync(join(import.meta.dirname, '../../../out/desktop/preload.cjs'), 'utf8');

/** Runs the bundle as Electron's sandbox does: CommonJS, with a `require` that knows `electron` alone. */
function runBundle() {
  const page = electronOfAPage();
  const required: string[] = [];
  runInNewContext(bundle, {
    require: (name: string) => {
      required.push(name);
      if (name !== 'electron') throw new Error(`module not found: ${name}`);
      return page.electron;
    },
    module: { exports: {} },
    exports: {},
  });
  return { ...page, required };
}

async function runSource() {
  const page = electronOfAPage();
  vi.resetModules();
  vi.doMock('electron', () => page.electron);
  await import('../../../preload/preload.js');
  return page;
}

afterEach(() => {
  vi.doUnmock('electron');
});

describe.each([
  ['source', runSource],
  ['bundle', () => Promise.resolve(runBundle())],
])('the preload script (%s)', (_what, run) => {
  it('puts two functions on the page’s window and nothing more', async () => {
    const { exposed } = await run();
    expect(Object.keys(exposed)).toEqual([bridgeName]);
    const port = exposed[bridgeName] as BridgePort;
    expect(Object.keys(port).sort()).toEqual(['listen', 'send']);
    expect(Object.values(port).map((each) => typeof each)).toEqual(['function', 'function']);
  });

  it('reaches for the bridge to the page and the wire to the host, and nothing else of Electron', async () => {
    const { exposed, reached } = await run();
    const port = exposed[bridgeName];
    port?.send({ kind: 'call', id: 1, name: 'preferences.get', input: {} });
    port?.listen(() => undefined)();
    expect(new Set(reached)).toEqual(new Set(['contextBridge', 'ipcRenderer']));
  });

  it('sends on one channel, whatever the page says', async () => {
    const { exposed, sent } = await run();
    const message = { kind: 'call', id: 1, name: 'preferences.get', input: {} } as const;
    exposed[bridgeName]?.send(message);
    // A page is free to pass more than the type says.
    const port = exposed[bridgeName] as unknown as { send: (...args: unknown[]) => void };
    port.send('other', 'channel');
    expect(sent).toEqual([
      [bridgeChannels.toHost, message],
      [bridgeChannels.toHost, 'other'],
    ]);
  });

  it('hands the page what the host says, never Electron’s event, until it stops listening', async () => {
    const { exposed, listeners } = await run();
    const heard: unknown[][] = [];
    const stop = exposed[bridgeName]?.listen((...args: unknown[]) => void heard.push(args));
    expect(listeners.map(([channel]) => channel)).toEqual([bridgeChannels.toRenderer]);
    listeners[0]?.[1]({ sender: 'ipcRenderer' }, { kind: 'welcome' });
    expect(heard).toEqual([[{ kind: 'welcome' }]]);
    stop?.();
    expect(listeners).toEqual([]);
  });
});

describe('the bundle of the preload script', () => {
  it('is CommonJS that asks for electron and nothing else', () => {
    expect(runBundle().required).toEqual(['electron']);
  });
});
