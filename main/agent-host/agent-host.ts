import { z } from 'zod';
import { BridgeError } from '../../gateway-core/contract/bridge/app.js';
import type { CallName } from '../../gateway-core/contract/bridge/calls.js';
import type { ToAgent } from '../../gateway-core/contract/bridge/wire.js';
import { BridgeFailure } from '../ipc/failure.js';
import { inTurn } from './in-turn.js';

export const agentHostLimits = {
  /** From one end to the next start; doubled at each end. */
  firstDelayMs: 100,
  delayMsMax: 10_000,
  /** An agent that ran so long was well: the next delay is the first again. */
  wellAfterMs: 30_000,
  /** How long closing waits for tunnels and sessions to end in order. */
  closingTimeoutMs: 5000,
} as const;

/** The agent process as the host sees it: a forked Node process, or a utility process of Electron. */
export interface AgentProcess {
  /** May throw when the process is gone: `onExit` tells anyway. */
  send(message: ToAgent): void;
  onMessage(hear: (message: unknown) => void): void;
  /** Called once, also when the process could not be started. */
  onExit(hear: (how: string) => void): void;
  /** Asks it to end in order. */
  end(): void;
  /** Ends it at once. */
  kill(): void;
}

export type AgentState = 'running' | 'starting' | 'stopped';

export interface AgentHost {
  readonly state: AgentState;
  /** Starts the first process. Before that nothing is told, so that whoever listens may use the host in its turn. */
  start(): void;
  /** @throws BridgeFailure what the agent said, or `agent-stopped` */
  call(name: CallName, input: unknown): Promise<unknown>;
  /** Sends a message that has no answer; dropped while there is no agent. */
  tell(message: ToAgent): void;
  /** Ends the agent in order and does not start it again. */
  close(): Promise<void>;
}

export interface AgentHostOptions {
  readonly fork: () => AgentProcess;
  /** The first message to each new process. */
  readonly start: () => ToAgent;
  readonly onState: (state: AgentState) => void;
  readonly onEvent: (name: string, payload: unknown) => void;
  readonly complain: (what: string, cause?: unknown) => void;
}

const FromAgent = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('result'), id: z.number().int(), output: z.unknown() }),
  z.object({ kind: z.literal('error'), id: z.number().int(), error: BridgeError }),
  z.object({ kind: z.literal('event'), name: z.string(), payload: z.unknown() }),
]);

interface Waiting {
  readonly resolve: (output: unknown) => void;
  readonly reject: (failure: BridgeFailure) => void;
}

/**
 * Keeps one agent process alive. When it ends, calls that wait for it fail with a clear error (they may have run, so
 * none is sent twice), and a new one is started, later each time.
 */
export function createAgentHost(options: AgentHostOptions): AgentHost {
  const waiting = new Map<number, Waiting>();
  let state: AgentState = 'stopped';
  let current: AgentProcess | undefined;
  let nextId = 1;
  let delayMs: number = agentHostLimits.firstDelayMs;
  let timer: NodeJS.Timeout | undefined;
  let closing: Promise<void> | undefined;
  let ended: () => void = () => undefined;

  const become = (next: AgentState): void => {
    if (state === next) return;
    state = next;
    options.onState(next);
  };
  const start = (): void => {
    timer = undefined;
    const startedAtMs = performance.now();
    const process = forkOr(options.fork);
    current = process;
    become('starting');
    const messages = inTurn((message) => {
      if (current !== process) return;
      become('running');
      hear(message);
    });
    process.onMessage(messages.take);
    process.onExit((how) => {
      if (current !== process) return;
      messages.flush();
      current = undefined;
      become('stopped');
      failAll();
      if (closing !== undefined) return ended();
      options.complain(`the agent process ended (${how}); it is started again in ${delayMs} ms`);
      if (performance.now() - startedAtMs > agentHostLimits.wellAfterMs)
        delayMs = agentHostLimits.firstDelayMs;
      timer = setTimeout(start, delayMs);
      delayMs = Math.min(delayMs * 2, agentHostLimits.delayMsMax);
    });
    post(process, options.start());
  };
  const hear = (message: unknown): void => {
    const parsed = FromAgent.safeParse(message);
    if (!parsed.success) return options.complain('a message of the agent had another shape');
    const { data } = parsed;
    if (data.kind === 'event') return options.onEvent(data.name, data.payload);
    const call = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.kind === 'result') call?.resolve(data.output);
    else call?.reject(new BridgeFailure(data.error));
  };
  const failAll = (): void => {
    for (const { reject } of waiting.values()) reject(stoppedMeanwhile());
    waiting.clear();
  };
  return {
    get state() {
      return state;
    },
    start: () => {
      if (current === undefined && timer === undefined && closing === undefined) start();
    },
    call: (name, input) =>
      new Promise((resolve, reject) => {
        if (current === undefined) return reject(notRunning());
        const id = nextId++;
        waiting.set(id, { resolve, reject });
        if (post(current, { kind: 'call', id, name, input })) return;
        waiting.delete(id);
        reject(notRunning());
      }),
    tell: (message) => {
      if (current !== undefined) post(current, message);
    },
    close: () => {
      closing ??= new Promise((resolve) => {
        clearTimeout(timer);
        if (current === undefined) return resolve();
        const kill = setTimeout(() => current?.kill(), agentHostLimits.closingTimeoutMs);
        ended = () => {
          clearTimeout(kill);
          resolve();
        };
        current.end();
      });
      return closing;
    },
  };
}

/** False when the message was not taken: the process is gone, and its exit follows. */
function post(process: AgentProcess, message: ToAgent): boolean {
  try {
    process.send(message);
    return true;
  } catch {
    return false;
  }
}

/** A process that cannot be started is one that ended at once: the same way leads on. */
function forkOr(fork: () => AgentProcess): AgentProcess {
  try {
    return fork();
  } catch {
    const nothing = (): void => undefined;
    return {
      send: nothing,
      onMessage: nothing,
      onExit: (hear) => setImmediate(() => hear('it could not be started')),
      end: nothing,
      kill: nothing,
    };
  }
}

function notRunning(): BridgeFailure {
  return new BridgeFailure({
    code: 'agent-stopped',
    message: 'the agent process is not running; it is being started again',
    action: 'try again in a moment',
  });
}

function stoppedMeanwhile(): BridgeFailure {
  return new BridgeFailure({
    code: 'agent-stopped',
    message: 'the agent process ended before it answered, so nobody knows whether this was done',
    action: 'look before you try again',
  });
}
