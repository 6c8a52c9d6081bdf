import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { toBridgeError } from '../../gateway-core/agent/service/failure.js';
import { createSshEngine, type SshEngine } from '../../gateway-core/agent/ssh/index.js';
import {
  type AppState,
  defaultPreferences,
  type Preferences,
} from '../../gateway-core/contract/bridge/app.js';
import type { CallName } from '../../gateway-core/contract/bridge/calls.js';
import { createKeys } from '../../main/browser-host/keys.js';
import { startBrowserServer } from '../../main/browser-host/server.js';
import { createDispatcher } from '../../main/ipc/dispatcher.js';
import { BridgeFailure } from '../../main/ipc/failure.js';
import { createHostHandlers } from '../../main/ipc/host-handlers.js';
import { rendererFiles } from '../../main/renderer-files/files.js';
import { temporaryFolder } from '../folders.js';
import { cloneRoot } from '../live/harness.js';
import { type SshTarget, type SshTargetOptions, startSshTarget } from '../ssh-target/server.js';

/** The real page and the real SSH client, with an SSH server of the test in the gateway's place. */
export interface TerminalHost {
  /** An address that opens the app, once. */
  door(): string;
  readonly target: SshTarget;
  readonly engine: SshEngine;
  readonly preferences: Preferences;
  /** Where downloads go. */
  readonly directory: string;
  /** Addresses that the system's browser was to open. */
  readonly opened: string[];
  close(): Promise<void>;
}

const session = 'ses_01HZZZZZZZZZZZZZZZZZZZZZZZ';

export async function startTerminalHost(
  options: SshTargetOptions = {},
  preferred: Partial<Preferences> = {},
): Promise<TerminalHost> {
  const target = await startSshTarget(options);
  const directory = temporaryFolder('throughline-terminal-');
  const opened: string[] = [];
  let preferences: Preferences = { ...defaultPreferences, ...preferred };
  let workspace = '';
  const engine = createSshEngine({
    openStream: () => target.stream(),
    hostKeys: () => [target.hostKey],
    sessionOf: () => session,
    emit: (name, payload) => dispatcher.broadcast(name, payload),
    exportDirectory: () => directory,
  });
  const agent = { call: (name: CallName, input: unknown) => answer(engine, name, input) };
  const dispatcher = createDispatcher({
    host: createHostHandlers({
      state: () => appState,
      preferences: {
        get: () => Promise.resolve(preferences),
        set: (change) => {
          preferences = { ...preferences, ...change };
          return Promise.resolve(preferences);
        },
      },
      preferencesChanged: (next) => dispatcher.broadcast('preferences.changed', next),
      workspace: {
        load: () => Promise.resolve(workspace),
        save: (text) => {
          workspace = text;
          return Promise.resolve();
        },
      },
      queries: {
        list: () => Promise.resolve({ directory, queries: [] }),
        read: () => Promise.resolve(''),
        write: () => Promise.reject(new Error('no queries here')),
        remove: () => Promise.resolve(),
      },
      demo: { start: () => Promise.reject(new Error('no demo here')) },
      agent,
      openExternal: (url) => {
        opened.push(url);
        return Promise.resolve();
      },
      reveal: () => Promise.resolve(),
    }),
    agent,
    complain: (what, cause) => process.stderr.write(`host: ${what} ${String(cause)}\n`),
  });
  const keys = createKeys(() => Date.now());
  const server = await startBrowserServer({
    files: rendererFiles(join(cloneRoot(), 'out', 'renderer')),
    keys,
    dispatcher,
    port: 0,
    opened: () => undefined,
    reopen: () => Promise.resolve(undefined),
    report: () => undefined,
  });
  return {
    door: () => `${server.origin}/#ticket=${keys.issueTicket()}`,
    target,
    engine,
    get preferences() {
      return preferences;
    },
    directory,
    opened,
    close: async () => {
      await server.close();
      await engine.close();
      await target.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** What the agent says besides SSH: one host, one session on it. */
function others(name: CallName): unknown {
  const lists: Partial<Record<CallName, unknown>> = {
    'connections.list': ['shop-host', 'build-host'].map((each) => ({
      name: each,
      protocol: 'ssh',
      labels: { tier: each === 'shop-host' ? 'prod' : 'test' },
      access: 'allowed',
    })),
    'sessions.list': [
      {
        id: session,
        connection: 'shop-host',
        protocol: 'ssh',
        principal: 'demo/engineer',
        chain: [
          { id: 'demo/engineer', kind: 'person', name: 'Erin Engineer', assurance: 'proven' },
          { id: 'process:1', kind: 'process', name: 'Throughline', assurance: 'observed' },
        ],
        state: 'live',
        startedAt: '2026-11-20T12:00:00.000Z',
        statements: 0,
        via: 'tunnel',
      },
    ],
  };
  return lists[name] ?? [];
}

async function answer(engine: SshEngine, name: CallName, input: unknown): Promise<unknown> {
  const handlers = engine.handlers as Readonly<
    Record<string, ((input: unknown) => Promise<unknown>) | undefined>
  >;
  const handler = handlers[name];
  if (handler === undefined) return others(name);
  try {
    return await handler(input);
  } catch (cause) {
    throw new BridgeFailure(toBridgeError(cause));
  }
}

const appState: AppState = {
  host: 'browser',
  hostReason: '',
  version: '0.0.0',
  platform: 'linux',
  agent: 'running',
  gateway: {
    url: 'https://gateway.example:7443',
    name: 'Test',
    version: '0.0.0',
    demo: false,
    reach: 'connected',
  },
  signIn: {
    state: 'signed-in',
    principal: 'demo/engineer',
    groups: ['engineering'],
    may: [],
    deviceKey: 'k'.repeat(43),
    storage: 'memory',
    noticeUnread: false,
  },
};
