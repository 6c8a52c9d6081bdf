import { readlink } from 'node:fs/promises';
import type { Socket } from 'node:net';
import type { End } from './sock-diag.js';

/** Both ends of an accepted loopback connection. */
export interface Ends {
  readonly local: End;
  readonly remote: End;
  /** Of our own end: proves that what the kernel shows is this very socket, not a later one on the same ports. */
  readonly inode: string;
}

/** Undefined once the socket is closed, and where the platform does not tell. Reads nothing from the socket. */
export async function endsOf(socket: Socket): Promise<Ends | undefined> {
  const { localAddress, localPort, remoteAddress, remotePort } = socket;
  // libuv's handle shows its descriptor on every POSIX system; without it nothing is known about the socket.
  const handle: unknown = Reflect.get(socket, '_handle');
  const descriptor = (handle as { fd?: unknown } | null | undefined)?.fd;
  if (localAddress === undefined || localPort === undefined) return undefined;
  if (remoteAddress === undefined || remotePort === undefined) return undefined;
  if (typeof descriptor !== 'number' || descriptor < 0) return undefined;
  const link = await readlink(`/proc/self/fd/${descriptor}`).catch(() => '');
  const inode = /^socket:\[(\d+)\]$/.exec(link)?.[1];
  if (inode === undefined) return undefined;
  return {
    local: { address: localAddress, port: localPort },
    remote: { address: remoteAddress, port: remotePort },
    inode,
  };
}
