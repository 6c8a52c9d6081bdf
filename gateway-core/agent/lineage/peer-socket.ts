import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Ends } from './ends.js';
import { lineageLimits } from './limits.js';
import type { Native } from './native.js';
import { lookUpSocket, type SocketEntry } from './sock-diag.js';
import { peerInTables } from './tables.js';

/** The socket at the other end: who created it, and the inode by which its holders are found. */
export interface PeerSocket {
  readonly uid: number;
  readonly inode: string;
}

/** What a socket is in while its other end can be an accepted one: established, or closing but not closed. */
const connectedStates: ReadonlySet<number> = new Set([1, 4, 5, 8, 9, 11]);

/**
 * The peer of an accepted loopback connection, by sock_diag where there is a `native`, else from the kernel's tables.
 * Undefined when it cannot be established: it has closed its socket, or ours is not connected to it any more.
 */
export async function findPeerSocket(
  ends: Ends,
  native: Native | undefined,
): Promise<PeerSocket | undefined> {
  const exact = native === undefined ? undefined : askKernel(native, ends);
  return exact === undefined ? searchTables(ends) : peerOfEntry(exact.entry);
}

/**
 * Undefined if the kernel does not even show our own end.
 * INVARIANT: our own end is asked for last. It cannot come back once it is gone, so it was there when the peer was
 * found, and nothing else can be connected to it.
 */
function askKernel(native: Native, ends: Ends): { entry: SocketEntry | undefined } | undefined {
  const entry = lookUpSocket(native, ends.remote, ends.local);
  const own = lookUpSocket(native, ends.local, ends.remote);
  return own?.inode === ends.inode ? { entry } : undefined;
}

async function searchTables(ends: Ends): Promise<PeerSocket | undefined> {
  for (let attempt = 1; ; attempt++) {
    const tcp = await tcpTable();
    // An IPv6 socket can reach an IPv4 listener by a mapped address: then its end stands in the other table.
    const entry = peerInTables([tcp], ends) ?? peerInTables([tcp, await tcp6Table()], ends);
    if (entry !== undefined || attempt === lineageLimits.attemptsMax) return peerOfEntry(entry);
    // The table is not read in one piece: a row can move past the reader.
    await sleep(lineageLimits.retryDelayMs);
  }
}

/** A socket that its process has closed belongs to nobody: the kernel then shows inode 0 and uid 0. */
export function peerOfEntry(entry: SocketEntry | undefined): PeerSocket | undefined {
  if (entry === undefined || entry.inode === '0' || !connectedStates.has(entry.state)) return undefined;
  return { uid: entry.uid, inode: entry.inode };
}

/**
 * One reading answers everyone who asked before it began: a table takes milliseconds to read, and a hundred
 * connections at once would take a hundred descriptors. A kernel without IPv6 has no tcp6.
 */
function openTable(path: string): () => Promise<string> {
  let current: Promise<unknown> = Promise.resolve();
  let next: Promise<string> | undefined;
  return () => {
    next ??= current.then(() => {
      next = undefined;
      const reading = readFile(path, 'latin1').catch(() => '');
      current = reading;
      return reading;
    });
    return next;
  };
}

const tcpTable = openTable('/proc/net/tcp');
const tcp6Table = openTable('/proc/net/tcp6');
