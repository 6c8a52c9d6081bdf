import type { Socket } from 'node:net';
import { type Ends, endsOf } from '../lineage/ends.js';
import { loadNative } from '../lineage/native.js';
import { findPeerSocket, peerOfEntry } from '../lineage/peer-socket.js';
import { peerInTables } from '../lineage/tables.js';

/** Who holds the other end of a loopback socket. */
export type Peer =
  | { readonly kind: 'user'; readonly uid: number }
  /** The look-up works here, but this socket's owner could not be established: treat it as somebody else. */
  | { readonly kind: 'unknown' }
  /** This platform has no look-up. */
  | { readonly kind: 'unsupported' };

export type PeerLookUp = (socket: Socket) => Promise<Peer>;

/** The user at the other end of an accepted loopback socket, as the kernel tells. Linux only. Reads nothing from it. */
export const lookUpPeer: PeerLookUp = async (socket) => {
  if (process.platform !== 'linux') return { kind: 'unsupported' };
  const ends = await endsOf(socket);
  const peer = ends === undefined ? undefined : await findPeerSocket(ends, await loadNative());
  return peer === undefined ? { kind: 'unknown' } : { kind: 'user', uid: peer.uid };
};

/** The uid of the peer of `ends`, as the kernel's tables say it; undefined when it cannot be told from them. */
export function ownerInTables(tables: readonly string[], ends: Ends): number | undefined {
  return peerOfEntry(peerInTables(tables, ends))?.uid;
}
