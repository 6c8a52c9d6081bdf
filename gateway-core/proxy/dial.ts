import { connect, type Socket } from 'node:net';
import { ThroughlineError } from '../contract/errors.js';

/** A socket to a target, once it stands; what becomes of it then is for the caller to hear. Throws `target-unreachable`. */
export function dialSocket(
  endpoint: { readonly host: string; readonly port: number } | { readonly path: string },
  signal: AbortSignal,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...endpoint, noDelay: true, keepAlive: true });
    const fail = (error?: unknown): void => {
      socket.destroy();
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'no answer in time';
      reject(unreachable(`the target cannot be reached (${code})`));
    };
    const abort = (): void => fail();
    signal.addEventListener('abort', abort, { once: true });
    socket.once('error', fail);
    socket.once('connect', () => {
      signal.removeEventListener('abort', abort);
      socket.off('error', fail);
      socket.on('error', () => undefined);
      resolve(socket);
    });
  });
}

export function unreachable(message: string): ThroughlineError {
  return new ThroughlineError('target-unreachable', message, {
    action: 'try again; if it stays so, ask an admin whether the target runs',
  });
}
