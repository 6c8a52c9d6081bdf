import { z } from 'zod';
import { type CallName, calls, type Handlers } from '../../contract/bridge/calls.js';
import type { ToRenderer } from '../../contract/bridge/wire.js';
import { ThroughlineError } from '../../contract/errors.js';
import { openInBrowser } from '../client/browser.js';
import { openState } from '../client/state.js';
import { toBridgeError } from './failure.js';
import { type AgentService, createAgentService } from './index.js';

/**
 * The agent as a process of its own: forked by Node (browser host) or by Electron (utility process). Messages are
 * those of contract/bridge/wire.ts; the first one is `start`. It ends when its host is gone or says so.
 */
interface Port {
  post(message: ToRenderer): void;
  hear(receive: (message: unknown) => void): void;
}

const FromHost = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('start'), version: z.string(), platform: z.string() }),
  z.object({ kind: z.literal('preferences'), exportDirectory: z.string(), tunnels: z.array(z.string()) }),
  z.object({ kind: z.literal('call'), id: z.number().int(), name: z.string(), input: z.unknown() }),
]);

function hostPort(): Port {
  const { parentPort } = process as { parentPort?: ElectronPort };
  if (parentPort !== undefined) {
    return {
      post: (message) => parentPort.postMessage(message),
      hear: (receive) => parentPort.on('message', ({ data }) => receive(data)),
    };
  }
  process.on('disconnect', () => void end());
  return {
    // The host is gone when this fails: `disconnect` says so.
    post: (message) => void process.send?.(message, undefined, undefined, () => undefined),
    hear: (receive) => void process.on('message', receive),
  };
}

interface ElectronPort {
  postMessage(message: unknown): void;
  on(name: 'message', hear: (event: { data: unknown }) => void): void;
}

let service: AgentService | undefined;
const port = hostPort();

port.hear((message) => {
  const parsed = FromHost.safeParse(message);
  if (!parsed.success) return;
  const { data } = parsed;
  if (data.kind === 'start') return start(data);
  if (data.kind === 'preferences') return service?.prefer(data);
  void answer(data.id, data.name, data.input).then((reply) => port.post(reply));
});
process.on('SIGTERM', () => void end());
process.on('SIGINT', () => undefined);

function start({ version, platform }: { version: string; platform: string }): void {
  service ??= createAgentService({
    version,
    platform,
    state: openState(),
    emit: (name, payload) => port.post({ kind: 'event', name, payload }),
    openBrowser: openInBrowser,
  });
  service.start().catch((error: unknown) => {
    const { message, action } = toBridgeError(error);
    const text = action === undefined ? message : `${message}: ${action}`;
    port.post({ kind: 'event', name: 'notice', payload: { level: 'error', title: 'The agent', text } });
  });
}

async function answer(id: number, name: string, input: unknown): Promise<ToRenderer> {
  try {
    const output = await run(name, input);
    return { kind: 'result', id, output };
  } catch (error) {
    if (!(error instanceof ThroughlineError)) {
      const { name: type, stack } = error instanceof Error ? error : new Error('unknown');
      process.stderr.write(
        `throughline agent: ${name} failed: ${type} ${stack?.split('\n')[1]?.trim() ?? ''}\n`,
      );
    }
    return { kind: 'error', id, error: toBridgeError(error) };
  }
}

async function run(name: string, input: unknown): Promise<unknown> {
  if (service === undefined) throw new ThroughlineError('busy', 'the agent is starting');
  const known = Object.hasOwn(calls, name) ? (name as CallName) : undefined;
  if (known === undefined || calls[known].at !== 'agent') {
    throw new ThroughlineError('invalid-request', 'there is no such call');
  }
  const parsed = calls[known].input.safeParse(input);
  if (!parsed.success) throw new ThroughlineError('invalid-request', 'the input has another shape');
  const handlers = service.handlers as Record<string, (input: unknown) => Promise<unknown>>;
  return handlers[known as keyof Handlers<'agent'>]?.(parsed.data);
}

async function end(): Promise<void> {
  await service?.close().catch(() => undefined);
  process.exit(0);
}
