import type { BridgeError } from '../../gateway-core/contract/bridge/app.js';
import {
  type CallInput,
  type CallName,
  type CallOutput,
  calls,
  type EventName,
  type EventPayload,
  events,
} from '../../gateway-core/contract/bridge/calls.js';
import { type BridgePort, bridgeName, ToRenderer } from '../../gateway-core/contract/bridge/wire.js';
import { type Link, type SocketPort, socketPort } from './websocket.js';

/** A call that failed on purpose: `error` says what happened and what to do. */
export class CallFailed extends Error {
  readonly error: BridgeError;
  constructor(error: BridgeError) {
    super(error.message);
    this.name = 'CallFailed';
    this.error = error;
  }
}

/** The error of anything that was thrown, in the shape that views show. */
export function failureOf(cause: unknown): BridgeError {
  if (cause instanceof CallFailed) return cause.error;
  return { code: 'internal', message: cause instanceof Error ? cause.message : 'something failed' };
}

interface Waiting {
  readonly name: CallName;
  readonly resolve: (output: never) => void;
  readonly reject: (error: CallFailed) => void;
}

const waiting = new Map<number, Waiting>();
const listeners = new Map<EventName, Set<(payload: never) => void>>();
let nextId = 1;

const own = (window as unknown as Record<string, BridgePort | undefined>)[bridgeName];
const socket: SocketPort | undefined = own === undefined ? socketPort() : undefined;
const port: BridgePort = own ?? (socket as SocketPort);
port.listen(receive);

/** Calls the host. @throws CallFailed with what the host says, or `disconnected` when the host went away meanwhile */
export function call<N extends CallName>(name: N, input: CallInput<N>): Promise<CallOutput<N>> {
  return new Promise<CallOutput<N>>((resolve, reject) => {
    const id = nextId++;
    waiting.set(id, { name, resolve, reject });
    port.send({ kind: 'call', id, name, input });
  });
}

/** Hears an event; returns how to stop. */
export function on<N extends EventName>(name: N, listener: (payload: EventPayload<N>) => void): () => void {
  const set = listeners.get(name) ?? new Set();
  listeners.set(name, set);
  const kept = listener as (payload: never) => void;
  set.add(kept);
  return () => set.delete(kept);
}

/** Whether the host is there. In Electron it always is. */
export function watchLink(told: (link: Link) => void): () => void {
  if (socket !== undefined) return socket.watch(told);
  told('connected');
  return () => undefined;
}

function receive(message: unknown): void {
  const parsed = ToRenderer.safeParse(message);
  if (!parsed.success) return;
  const { data } = parsed;
  switch (data.kind) {
    case 'welcome':
      return;
    case 'event':
      return hear(data.name, data.payload);
    case 'error': {
      waiting.get(data.id)?.reject(new CallFailed(data.error));
      waiting.delete(data.id);
      return;
    }
    case 'result': {
      const asked = waiting.get(data.id);
      waiting.delete(data.id);
      if (asked !== undefined) settle(asked, data.output);
    }
  }
}

function settle(asked: Waiting, value: unknown): void {
  const output = calls[asked.name].output.safeParse(value);
  if (output.success) asked.resolve(output.data as never);
  else
    asked.reject(
      new CallFailed({ code: 'internal', message: `the answer to ${asked.name} has another shape` }),
    );
}

function hear(name: string, value: unknown): void {
  if (!Object.hasOwn(events, name)) return;
  const event = name as EventName;
  const payload = events[event].safeParse(value);
  if (!payload.success) return;
  for (const each of listeners.get(event) ?? []) each(payload.data as never);
}

// What was asked before a break is not answered after it: the host may have run it, so nothing is sent twice.
socket?.watch((link) => {
  if (link !== 'lost' && link !== 'refused') return;
  const error = { code: 'disconnected', message: 'the app lost its host process', action: 'try again' };
  for (const [id, each] of waiting) {
    waiting.delete(id);
    each.reject(new CallFailed(error));
  }
});

export type { Link };
