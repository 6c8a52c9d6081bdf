import type { Socket } from 'node:net';
import { ancestorsOf, isChainUnchanged } from './ancestors.js';
import { type Ends, endsOf } from './ends.js';
import { factsOf, hasEnded, type ProcessFacts, type Recognise } from './facts.js';
import { type HolderSearch, type Holding, openHolderSearch } from './holders.js';
import { lineageLimits } from './limits.js';
import { loadNative } from './native.js';
import { findPeerSocket, type PeerSocket } from './peer-socket.js';
import type { Proc } from './proc.js';

/** Which process is at the other end of a connection, and below which others it runs. */
export type Attribution =
  | {
      readonly kind: 'attributed';
      readonly bootId: string;
      readonly uid: number;
      /** Leaf first, up to and without pid 1 (which is there only as the leaf itself). */
      readonly processes: readonly ProcessFacts[];
      /** Whether the very same process still holds the very same socket. Ask right before forwarding. */
      stillHolds(): boolean;
    }
  | { readonly kind: 'unattributed'; readonly reason: Unattributed };

export type Unattributed =
  /** There is no look-up here. */
  | 'platform'
  /** The socket is another user's than the one who runs this. */
  | 'other-user'
  /** The other end has closed, or its process has ended. */
  | 'gone'
  /** Somebody holds it whom this user may not look at, or who is not shown here (another pid namespace). */
  | 'unreadable'
  /** Several processes that are not each other's ancestors hold it, or the ancestry is too deep or will not rest. */
  | 'ambiguous';

export interface AttributeOptions {
  readonly proc: Proc;
  /** Likely holders besides those of the last connections. */
  readonly hints: () => Iterable<number>;
  /** The other end of a socket. Instead of the kernel's, for tests. */
  readonly peerOf?: (ends: Ends) => Promise<PeerSocket | undefined>;
  readonly endsOf?: (socket: Socket) => Promise<Ends | undefined>;
}

/**
 * An accepted, paused loopback socket in, never an exception out. Reads nothing from the socket. `recognise`: which of
 * the processes are known agents.
 */
export type Attribute = (socket: Socket, recognise?: Recognise) => Promise<Attribution>;

export function openAttribution(options: AttributeOptions): Attribute {
  const { proc } = options;
  const recent = openRecent();
  const search = openHolderSearch(proc, function* () {
    yield* recent.pids();
    yield* options.hints();
  });
  const peerOf = options.peerOf ?? (async (ends) => findPeerSocket(ends, await loadNative()));
  const findEnds = options.endsOf ?? endsOf;
  return async (socket, recognise) => {
    if (process.platform !== 'linux') return unattributed('platform');
    const ends = await findEnds(socket);
    const bootId = proc.bootId();
    if (bootId === undefined) return unattributed('unreadable');
    if (ends === undefined) return unattributed('gone');
    let last: Unattributed = 'gone';
    for (let attempt = 1; attempt <= lineageLimits.attemptsMax; attempt++) {
      // Each time anew: that a socket's holder cannot be found is often because it has just let go of it.
      const peer = await peerOf(ends);
      if (peer === undefined) return unattributed('gone');
      if (peer.uid !== process.geteuid?.()) return unattributed('other-user');
      const found = await attributeTo(proc, search, peer, recognise);
      if ('processes' in found) {
        recent.add(found.processes);
        return { kind: 'attributed', bootId, uid: peer.uid, ...found };
      }
      last = found.reason;
      if (found.final) break;
    }
    return unattributed(last);
  };
}

function unattributed(reason: Unattributed): Attribution {
  return { kind: 'unattributed', reason };
}

interface Attributed {
  readonly processes: readonly ProcessFacts[];
  stillHolds(): boolean;
}

interface Failed {
  readonly reason: Unattributed;
  /** Else something may have changed meanwhile: ask again. */
  readonly final: boolean;
}

export const failures: Readonly<
  Record<'ambiguous' | 'nobody' | 'gone' | 'changed' | 'too-deep' | 'hidden', Failed>
> = {
  ambiguous: { reason: 'ambiguous', final: true },
  nobody: { reason: 'unreadable', final: false },
  gone: { reason: 'gone', final: false },
  changed: { reason: 'ambiguous', final: false },
  'too-deep': { reason: 'ambiguous', final: true },
  hidden: { reason: 'unreadable', final: false },
};

async function attributeTo(
  proc: Proc,
  search: HolderSearch,
  peer: PeerSocket,
  recognise: Recognise | undefined,
): Promise<Attributed | Failed> {
  const found = await search.find(peer.inode);
  if (found.kind !== 'held') return failures[found.kind];
  const ancestry = ancestorsOf(proc, found.by.pid);
  if (ancestry.kind !== 'chain') return failures[ancestry.kind];
  const { chain } = ancestry;
  const processes = chain.map((stat) => factsOf(proc, stat, recognise));
  // The facts were read between two readings of who is who, so they are those processes' facts.
  if (!isChainUnchanged(proc, chain)) return failures.changed;
  const startTicks = chain[0]?.startTicks ?? '';
  const stillHolds = (): boolean => holds(proc, found.by, startTicks, peer.inode);
  return stillHolds() ? { processes, stillHolds } : failures.gone;
}

/** INVARIANT: the start time is read after the descriptor: whoever had the pid then has it still. */
function holds(proc: Proc, { pid, descriptor }: Holding, startTicks: string, inode: string): boolean {
  const target = `socket:[${inode}]`;
  const held =
    proc.descriptor(pid, descriptor) === target ||
    // Moved to another number, as a shell does when it redirects.
    (proc.descriptors(pid) ?? []).some((name) => proc.descriptor(pid, name) === target);
  const stat = proc.stat(pid);
  return held && stat?.startTicks === startTicks && !hasEnded(stat);
}

/** The leaves of the last connections and their parents: who connected once does so again. */
function openRecent(): { pids(): Iterable<number>; add(processes: readonly ProcessFacts[]): void } {
  const pids = new Set<number>();
  return {
    pids: () => [...pids].reverse(),
    add: (processes) => {
      for (const { pid } of processes.slice(0, 2).reverse()) {
        pids.delete(pid);
        pids.add(pid);
      }
      for (const pid of pids) {
        if (pids.size <= lineageLimits.recentMax) break;
        pids.delete(pid);
      }
    },
  };
}
