import { readFile, readlink } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { endianness } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/** Who holds the other end of a loopback socket. */
export type Peer =
  | { readonly kind: 'user'; readonly uid: number }
  /** The look-up works here, but this socket's owner could not be established: treat it as somebody else. */
  | { readonly kind: 'unknown' }
  /** This platform has no look-up. */
  | { readonly kind: 'unsupported' };

export type PeerLookUp = (socket: Socket) => Promise<Peer>;

const attemptsMax = 3;
const retryDelayMs = 5;

/**
 * The user at the other end of an accepted loopback socket, from the kernel's socket tables (proc(5),
 * /proc/net/tcp). Linux only. Reads nothing from the socket.
 */
export const lookUpPeer: PeerLookUp = async (socket) => {
  if (process.platform !== 'linux') return { kind: 'unsupported' };
  const ends = await endsOf(socket).catch(() => undefined);
  if (ends === undefined) return { kind: 'unknown' };
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    const uid = await findOwner(ends);
    if (uid !== undefined) return { kind: 'user', uid };
    // The table is not read in one piece: a row can move past the reader.
    if (attempt < attemptsMax) await sleep(retryDelayMs);
  }
  return { kind: 'unknown' };
};

interface Ends {
  readonly local: { address: string; port: number };
  readonly remote: { address: string; port: number };
  /** Of our own end: proves that a row in the table is this very socket, not a later one on the same ports. */
  readonly inode: string;
}

async function endsOf(socket: Socket): Promise<Ends | undefined> {
  const { localAddress, localPort, remoteAddress, remotePort } = socket;
  // libuv's handle shows its descriptor on every POSIX system; without it the socket counts as unknown.
  const handle: unknown = Reflect.get(socket, '_handle');
  const descriptor = (handle as { fd?: unknown } | null | undefined)?.fd;
  if (localAddress === undefined || localPort === undefined) return undefined;
  if (remoteAddress === undefined || remotePort === undefined || typeof descriptor !== 'number')
    return undefined;
  const inode = /^socket:\[(\d+)\]$/.exec(await readlink(`/proc/self/fd/${descriptor}`))?.[1];
  if (inode === undefined) return undefined;
  return {
    local: { address: localAddress, port: localPort },
    remote: { address: remoteAddress, port: remotePort },
    inode,
  };
}

async function findOwner(ends: Ends): Promise<number | undefined> {
  const tcp = await table('/proc/net/tcp');
  // An IPv6 socket can reach an IPv4 listener by a mapped address: then its end stands in the other table.
  return ownerInTables([tcp], ends) ?? ownerInTables([tcp, await table('/proc/net/tcp6')], ends);
}

/** A kernel without IPv6 has no tcp6. */
function table(path: string): Promise<string> {
  return readFile(path, 'latin1').catch(() => '');
}

/**
 * The uid of the peer of `ends`, as the tables say it; undefined when either end is not there.
 * INVARIANT: both ends of the same connection are in the same reading, so the row that names the user belongs to
 * the socket that was accepted, and not to one that got its port after it was reset.
 */
export function ownerInTables(tables: readonly string[], ends: Ends): number | undefined {
  const locals = hexForms(ends.local);
  const remotes = hexForms(ends.remote);
  const pairs = locals.flatMap((local) => remotes.map((remote) => ({ local, remote })));
  const rows = (pick: (pair: { local: string; remote: string }) => string): Row[] =>
    pairs.flatMap((pair) => tables.flatMap((text) => row(text, pick(pair))));
  const own = rows(({ local, remote }) => `${local} ${remote} `);
  const peer = rows(({ local, remote }) => `${remote} ${local} `);
  const [found, another] = peer;
  if (!own.some(({ inode }) => inode === ends.inode)) return undefined;
  if (found === undefined || another !== undefined) return undefined;
  // A socket that its process has closed belongs to nobody: the kernel then prints inode 0 and uid 0.
  return found.inode === '0' ? undefined : found.uid;
}

interface Row {
  readonly uid: number;
  readonly inode: string;
}

/** sl local remote state tx:rx timer retransmit uid timeout inode ... */
function row(text: string, addresses: string): Row[] {
  const at = text.indexOf(`: ${addresses}`);
  if (at === -1) return [];
  const [, , , , , , uid, , inode] =
    text
      .slice(at + 2, at + 400)
      .split('\n', 1)[0]
      ?.trim()
      .split(/\s+/) ?? [];
  if (uid === undefined || inode === undefined || !/^\d+$/.test(uid) || !/^\d+$/.test(inode)) return [];
  return [{ uid: Number(uid), inode }];
}

/** An address as the tables write it: 32-bit words in the machine's byte order; IPv4 also in its IPv6-mapped form. */
function hexForms({ address, port }: { address: string; port: number }): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const v4 = /^(?:::ffff:)?(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (v4 !== undefined) {
    const word = hexWords(v4.split('.').map(Number));
    return [word, `${hexWords([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255])}${word}`].map(
      (hex) => `${hex}${suffix}`,
    );
  }
  return address === '::1' ? [`${hexWords([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])}${suffix}`] : [];
}

function hexWords(bytes: readonly number[]): string {
  let hex = '';
  for (let at = 0; at < bytes.length; at += 4) {
    const word = bytes.slice(at, at + 4);
    if (endianness() === 'LE') word.reverse();
    hex += word.map((byte) => byte.toString(16).toUpperCase().padStart(2, '0')).join('');
  }
  return hex;
}
