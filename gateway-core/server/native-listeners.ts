import { ThroughlineError } from '../contract/errors.js';
import { type GatewayConfig, parseEndpoint } from './config.js';
import { type Listener, listenNative } from './listeners.js';
import type { GatewayRecorder } from './recorder.js';
import type { SessionServer } from './sessions.js';

const defaultPorts = { postgres: 15_432, ssh: 15_422 } as const;
type Name = keyof typeof defaultPorts;

/** The listeners for standard clients, each on the port of the config, else on its own, else on any. */
export async function nativeListeners(input: {
  readonly config: GatewayConfig;
  readonly listen: { readonly host: string; readonly port: number };
  readonly sessions: () => SessionServer;
  readonly recorder: GatewayRecorder;
}): Promise<{ readonly listeners: ReadonlyMap<Name, Listener>; close(): Promise<void> }> {
  const listeners = new Map<Name, Listener>();
  const close = async (): Promise<void> => {
    await Promise.all([...listeners.values()].map((listener) => listener.close()));
  };
  try {
    for (const name of ['postgres', 'ssh'] as const) {
      const wanted = input.config.listeners[name];
      if (wanted !== 'off') listeners.set(name, await start(input, name, wanted));
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { listeners, close };
}

async function start(
  { listen, sessions, recorder }: Parameters<typeof nativeListeners>[0],
  name: Name,
  wanted: string | undefined,
): Promise<Listener> {
  const serve: Parameters<typeof listenNative>[0]['serve'] = (socket, isLoopback) =>
    name === 'postgres' ? sessions().serveNative(socket, isLoopback) : sessions().serveNativeSsh(socket);
  if (wanted !== undefined) return listenNative({ ...parseEndpoint(wanted), serve, recorder });
  const { host } = listen;
  try {
    return await listenNative({ host, port: listen.port === 0 ? 0 : defaultPorts[name], serve, recorder });
  } catch (error) {
    // Nobody asked for this very port: a second gateway on the machine takes any.
    if (error instanceof ThroughlineError && error.code === 'conflict')
      return listenNative({ host, port: 0, serve, recorder });
    throw error;
  }
}
