import { z } from 'zod';
import { BridgeError, Preferences } from './app.js';

/**
 * Envelopes of the bridge, the same over a WebSocket (browser host), Electron's IPC and the agent's channel.
 * The first message of a WebSocket is `hello` with the key that the page got for its one-time ticket.
 */
export const wireLimits = {
  /** One message, either way. */
  messageBytesMax: 64 * 1024 * 1024,
  /** Calls of one window that are not answered yet. */
  callsMax: 512,
  /** From the socket's opening to `hello`. */
  helloTimeoutMs: 5000,
} as const;

export const FromRenderer = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('hello'), key: z.string().min(20).max(100) }).strict(),
  z
    .object({
      kind: z.literal('call'),
      id: z.number().int().nonnegative(),
      name: z.string().max(64),
      input: z.unknown(),
    })
    .strict(),
]);
export type FromRenderer = z.infer<typeof FromRenderer>;

export const ToRenderer = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('welcome') }),
  z.object({ kind: z.literal('result'), id: z.number().int(), output: z.unknown() }),
  z.object({ kind: z.literal('error'), id: z.number().int(), error: BridgeError }),
  z.object({ kind: z.literal('event'), name: z.string(), payload: z.unknown() }),
]);
export type ToRenderer = z.infer<typeof ToRenderer>;

/**
 * Host to agent, over the agent's own channel. `start` is the first message; `preferences` follows it, and comes again
 * at every change. The agent answers with what ToRenderer has, less `welcome`, and ends when its channel closes.
 */
export const ToAgent = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('start'), version: z.string(), platform: z.string() }),
  Preferences.pick({ exportDirectory: true, tunnels: true }).extend({ kind: z.literal('preferences') }),
  z.object({ kind: z.literal('call'), id: z.number().int(), name: z.string(), input: z.unknown() }),
]);
export type ToAgent = z.infer<typeof ToAgent>;

/** What `preload` puts on the window in Electron; the browser host's page makes the same from a WebSocket. */
export interface BridgePort {
  send(message: FromRenderer): void;
  /** Called for every message; returns how to stop. */
  listen(receive: (message: unknown) => void): () => void;
}
export { bridgeChannels, bridgeName } from './names.js';
