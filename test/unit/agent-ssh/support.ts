import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSshEngine, type SshEngine } from '../../../gateway-core/agent/ssh/index.js';
import type { SshEngineOptions } from '../../../gateway-core/agent/ssh/options.js';
import type { CallInput, EventName, EventPayload } from '../../../gateway-core/contract/bridge/calls.js';
import { type SshTarget, type SshTargetOptions, startSshTarget } from '../../ssh-target/server.js';

export const connection = 'shop-host' as CallInput<'ssh.open'>['connection'];
export const size = { columns: 80, rows: 24 };

export interface World {
  readonly engine: SshEngine;
  readonly target: SshTarget;
  /** What windows were told, in order. */
  readonly told: { readonly name: EventName; readonly payload: unknown }[];
  readonly directory: string;
  last<N extends EventName>(name: N): EventPayload<N> | undefined;
  /** The first from now on that `is`, as soon as it is told: at the next look it may be over. */
  next<N extends EventName>(name: N, is: (payload: EventPayload<N>) => boolean): Promise<void>;
  close(): Promise<void>;
}

/** The engine, with a target behind it as the gateway would be. */
export async function startWorld(
  options: SshTargetOptions = {},
  given: Partial<SshEngineOptions> = {},
): Promise<World> {
  const target = await startSshTarget(options);
  const directory = mkdtempSync(join(tmpdir(), 'throughline-ssh-'));
  const told: World['told'] = [];
  const listeners = new Set<(name: EventName, payload: unknown) => void>();
  const engine = createSshEngine({
    openStream: () => target.stream(),
    hostKeys: () => [target.hostKey],
    sessionOf: () => 'ses_01HZZZZZZZZZZZZZZZZZZZZZZZ',
    emit: (name, payload) => {
      told.push({ name, payload });
      for (const each of listeners) each(name, payload);
    },
    exportDirectory: () => directory,
    ...given,
  });
  return {
    engine,
    target,
    told,
    directory,
    last: <N extends EventName>(name: N) =>
      told.findLast((each) => each.name === name)?.payload as EventPayload<N> | undefined,
    next: (name, is) =>
      new Promise((resolve) => {
        const listener = (each: EventName, payload: unknown): void => {
          if (each !== name || !is(payload as Parameters<typeof is>[0])) return;
          listeners.delete(listener);
          resolve();
        };
        listeners.add(listener);
      }),
    close: async () => {
      await engine.close();
      await target.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Reads as a window does, until the text is there. Returns all that came. */
export async function readUntil(world: World, key: string, wanted: string, from = 0): Promise<string> {
  let text = '';
  let at = from;
  while (!text.includes(wanted)) {
    const piece = await world.engine.handlers['ssh.read']({ key, from: at });
    const bytes = Buffer.from(piece.data, 'base64');
    text += bytes.toString('utf8');
    at = piece.from + bytes.length;
    if (piece.ended) break;
  }
  return text;
}

export const type = (world: World, key: string, text: string): Promise<unknown> =>
  world.engine.handlers['ssh.write']({ key, text, binary: false });
