import {
  type CallName,
  calls,
  type EventName,
  type EventPayload,
  events,
  type Handlers,
} from '../../gateway-core/contract/bridge/calls.js';
import { FromRenderer, type ToRenderer, wireLimits } from '../../gateway-core/contract/bridge/wire.js';
import { BridgeFailure, isExpected, toBridgeError } from './failure.js';
import { plainSize } from './measure.js';

/** Input bytes of one window's calls that are not answered yet. */
export const openBytesMax = 2 * wireLimits.messageBytesMax;
/** Notices that are kept for the next window while there is none. */
const noticesKeptMax = 20;

/** Where calls of the agent go. Rejects with a BridgeFailure, also when there is no agent. */
export interface AgentPort {
  call(name: CallName, input: unknown): Promise<unknown>;
}

/** One window, or one tab. */
export interface WindowLink {
  /**
   * Takes a message as it came. `violation`: no page of ours sends such a thing; the host should cut the window off.
   * Every call that can be answered is answered, also one that is refused.
   */
  receive(message: unknown): 'taken' | 'violation';
  /** Answers of calls that still run are thrown away from now on. */
  close(): void;
}

export interface Dispatcher {
  attach(send: (message: ToRenderer) => void): WindowLink;
  /** Tells every window. A payload that does not fit its schema is a bug: it is logged and not told. */
  broadcast<N extends EventName>(name: N, payload: EventPayload<N>): void;
  /** The same for an event that came from outside this process: also the name is checked. */
  relay(name: string, payload: unknown): void;
  windows(): number;
}

export interface DispatcherOptions {
  readonly host: Handlers<'host'>;
  readonly agent: AgentPort;
  /** One line about a bug; never content of a call. */
  readonly complain: (what: string, cause?: unknown) => void;
}

interface Window {
  readonly send: (message: ToRenderer) => void;
  readonly open: Map<number, number>;
  bytes: number;
  closed: boolean;
  /** It called once already, so it listens. */
  listening: boolean;
}

/**
 * The one door between a renderer and everything else, the same for both hosts. The renderer is not trusted: names are
 * own properties of the map of calls, inputs fit their schema and size, open calls are counted. What comes back is
 * checked as well, and errors are told without anything of the inside.
 */
export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const windows = new Set<Window>();
  const unheard: ToRenderer[] = [];
  const relay = (name: string, payload: unknown): void => {
    if (!Object.hasOwn(events, name)) return options.complain(`an event of no known name was dropped`);
    const parsed = events[name as EventName].safeParse(payload);
    if (!parsed.success) return options.complain(`an event ${name} of another shape was dropped`);
    const message: ToRenderer = { kind: 'event', name, payload: parsed.data };
    for (const window of windows) window.send(message);
    if (windows.size === 0 && name === 'notice' && unheard.length < noticesKeptMax) unheard.push(message);
  };
  const hear = (window: Window, message: unknown): 'taken' | 'violation' => {
    const result = receive(options, window, message);
    if (!window.listening) for (const notice of unheard.splice(0)) window.send(notice);
    window.listening = true;
    return result;
  };
  return {
    attach: (send) => {
      const window: Window = { send, open: new Map(), bytes: 0, closed: false, listening: false };
      windows.add(window);
      return {
        receive: (message) => hear(window, message),
        close: () => {
          window.closed = true;
          windows.delete(window);
        },
      };
    },
    broadcast: relay,
    relay,
    windows: () => windows.size,
  };
}

function receive(options: DispatcherOptions, window: Window, message: unknown): 'taken' | 'violation' {
  const parsed = FromRenderer.safeParse(message);
  // A second hello is as wrong as a message of no shape.
  if (!parsed.success || parsed.data.kind !== 'call') return 'violation';
  const { id, name, input } = parsed.data;
  if (window.open.has(id)) return 'violation';
  const accepted = accept(window, name, input);
  if (accepted instanceof BridgeFailure) {
    window.send({ kind: 'error', id, error: accepted.error });
    return 'taken';
  }
  window.open.set(id, accepted.bytes);
  window.bytes += accepted.bytes;
  void answer(options, accepted).then((result) => {
    window.open.delete(id);
    window.bytes -= accepted.bytes;
    if (!window.closed) window.send({ ...result, id });
  });
  return 'taken';
}

interface Accepted {
  readonly name: CallName;
  readonly input: unknown;
  readonly bytes: number;
}

function accept(window: Window, name: string, input: unknown): Accepted | BridgeFailure {
  if (!Object.hasOwn(calls, name)) return refused('invalid-request', 'there is no such call');
  if (window.open.size >= wireLimits.callsMax) return tooMany;
  const bytes = plainSize(input, wireLimits.messageBytesMax);
  if (bytes === undefined) return refused('too-large', `the input of ${name} is too large, or no plain data`);
  if (window.bytes + bytes > openBytesMax) return tooMany;
  const parsed = calls[name as CallName].input.safeParse(input);
  if (!parsed.success) return refused('invalid-request', `the input of ${name} has another shape`);
  return { name: name as CallName, input: parsed.data, bytes };
}

const tooMany = refused('busy', 'too many calls of this window are not answered yet');

function refused(code: string, message: string): BridgeFailure {
  return new BridgeFailure({ code, message });
}

type Answer =
  | { readonly kind: 'result'; readonly output: unknown }
  | { readonly kind: 'error'; readonly error: BridgeFailure['error'] };

async function answer(options: DispatcherOptions, { name, input }: Accepted): Promise<Answer> {
  try {
    const value = await run(options, name, input);
    const output = calls[name].output.safeParse(value);
    if (output.success) return { kind: 'result', output: output.data };
    options.complain(`the answer to ${name} has another shape`);
    throw refused('internal', `the answer to ${name} has another shape`);
  } catch (cause) {
    if (!isExpected(cause)) options.complain(`${name} broke`, cause);
    return { kind: 'error', error: toBridgeError(cause) };
  }
}

async function run(options: DispatcherOptions, name: CallName, input: unknown): Promise<unknown> {
  if (calls[name].at === 'agent') return options.agent.call(name, input);
  const handlers = options.host as Readonly<
    Record<string, ((input: unknown) => Promise<unknown>) | undefined>
  >;
  const handler = Object.hasOwn(handlers, name) ? handlers[name] : undefined;
  if (handler === undefined) throw refused('internal', `nobody here answers ${name}`);
  return handler(input);
}
