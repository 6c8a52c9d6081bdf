import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { defaultPreferences } from '../../../gateway-core/contract/bridge/app.js';
import type { ToAgent, ToRenderer } from '../../../gateway-core/contract/bridge/wire.js';
import { type Core, createCore } from '../../../main/core.js';
import type { PreferencesFile } from '../../../main/settings/preferences.js';
import { eventually } from '../../eventually.js';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'throughline-core-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

interface Started {
  readonly core: Core;
  readonly log: string[];
  readonly sent: ToAgent[];
  readonly say: (message: unknown) => void;
}

/** A host whose agent is a list of what it was told. `speaks`: it answers while it is being forked; `refuses`: it is gone by then. */
function start(read: PreferencesFile['read'], speaks = false, refuses = false): Started {
  const log: string[] = [];
  const sent: ToAgent[] = [];
  let say: (message: unknown) => void = () => undefined;
  const core = createCore({
    kind: 'electron',
    reason: '',
    version: '1',
    places: { state: directory, queries: join(directory, 'queries') },
    preferencesFile: Promise.resolve({ read, write: () => undefined, setAside: () => 'aside' }),
    forkAgent: () => ({
      send: (message) => {
        sent.push(message);
        if (refuses) throw new Error('write EPIPE');
        if (speaks) say({ kind: 'event', name: 'resync', payload: {} });
      },
      onMessage: (hear) => {
        say = hear;
      },
      onExit: () => undefined,
      end: () => undefined,
      kill: () => undefined,
    }),
    demo: { node: undefined, program: '' },
    openExternal: () => Promise.resolve(),
    reveal: () => Promise.resolve(),
    log: (line) => log.push(line),
  });
  return { core, log, sent, say: (message) => say(message) };
}

describe('the core of a host', () => {
  it.each([false, true])(
    'a new agent hears the start, then the preferences, and the log has nothing to say (it speaks at once: %s)',
    async (speaks) => {
      const { sent, log } = start(
        () => ({ ...defaultPreferences, exportDirectory: '/exports', tunnels: ['shop-db'] }),
        speaks,
      );
      await eventually(() => expect(sent).toHaveLength(2));
      expect(sent).toEqual([
        { kind: 'start', version: '1', platform: process.platform },
        { kind: 'preferences', exportDirectory: '/exports', tunnels: ['shop-db'] },
      ]);
      expect(log).toEqual([]);
    },
  );

  it('an agent that is gone before it was told anything does not keep the host from starting', async () => {
    const { core, sent, log } = start(() => ({}), false, true);
    await eventually(() => expect(sent.map(({ kind }) => kind)).toEqual(['start', 'preferences']));
    expect(core.agent.state).toBe('starting');
    expect(log).toEqual([]);
  });

  it('preferences that cannot be read are told, and the agent gets the defaults', async () => {
    const { sent, log } = start(() => {
      throw new SyntaxError('no JSON');
    });
    await eventually(() => expect(sent).toHaveLength(2));
    expect(sent[1]).toEqual({ kind: 'preferences', exportDirectory: '', tunnels: [] });
    expect(log).toHaveLength(1);
    expect(log[0]).toMatch(/^Preferences: the preferences could not be read and are the defaults again/);
  });

  it('an app without a Node of its own says so, and what to do, in place of running a demo gateway', async () => {
    vi.stubEnv('THROUGHLINE_HOME', directory);
    const { core } = start(() => ({}));
    const seen: ToRenderer[] = [];
    const window = core.dispatcher.attach((message) => seen.push(message));
    window.receive({ kind: 'call', id: 1, name: 'app.useDemo', input: {} });
    const answer = await eventually(() => {
      const found = seen.find((message) => message.kind === 'error');
      expect(found).toBeDefined();
      return found;
    });
    expect(answer).toEqual({
      kind: 'error',
      id: 1,
      error: {
        code: 'not-found',
        message: 'the installed app connects to gateways and does not run one itself',
        action: 'run `npm start` in a clone, or `throughline up --demo`, and enter its address',
      },
    });
    expect(core.state.current().embedded).toBeUndefined();
    vi.unstubAllEnvs();
  });
});
