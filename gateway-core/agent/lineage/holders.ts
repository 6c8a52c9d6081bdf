import { setImmediate as letOthersRun } from 'node:timers/promises';
import { type Ancestry, ancestorsOf } from './ancestors.js';
import { lineageLimits } from './limits.js';
import type { Proc } from './proc.js';

/** One descriptor of one process that is the socket which was searched for. */
export interface Holding {
  readonly pid: number;
  readonly descriptor: string;
}

export type Found =
  | { readonly kind: 'held'; readonly by: Holding }
  /** Processes of which none is an ancestor of the others. */
  | { readonly kind: 'ambiguous' }
  | { readonly kind: 'nobody' }
  /** Why its ancestors, and so whether one of them holds it, cannot be told. */
  | { readonly kind: UnknownAncestry };

type UnknownAncestry = Exclude<Ancestry['kind'], 'chain'>;

export interface HolderSearch {
  /** The process that holds the socket `inode`; of several, the ancestor of the others. */
  find(inode: string): Promise<Found>;
}

/** `hints`: processes that are likely to be holders, likeliest first. */
export function openHolderSearch(proc: Proc, hints: () => Iterable<number>): HolderSearch {
  const passes = openPasses(proc);
  return {
    find: async (inode) => {
      const hit = firstOf(proc, hints(), inode) ?? (await passes.find(inode));
      return 'kind' in hit ? hit : eldest(proc, hit, inode);
    },
  };
}

/** The descriptor by which `pid` holds the socket. */
function holding(proc: Proc, pid: number, inode: string): Holding | undefined {
  const target = `socket:[${inode}]`;
  const descriptor = proc.descriptors(pid)?.find((name) => proc.descriptor(pid, name) === target);
  return descriptor === undefined ? undefined : { pid, descriptor };
}

/** A thread has its process' descriptors, but is nobody's child and nobody's ancestor. */
function isProcess(proc: Proc, pid: number): boolean {
  return proc.leader(pid) === pid;
}

function firstOf(proc: Proc, pids: Iterable<number>, inode: string): Holding | undefined {
  let asked = 0;
  for (const pid of pids) {
    if (++asked > lineageLimits.hintsMax) return undefined;
    const hit = holding(proc, pid, inode);
    if (hit !== undefined && isProcess(proc, pid)) return hit;
  }
  return undefined;
}

/**
 * Forked children share their parent's sockets. Of a hit, its ancestors are asked, and the next of kin that would share
 * the socket if the process that opened it had left it to several children: with one of those, nobody can say who it is.
 */
function eldest(proc: Proc, hit: Holding, inode: string): Found {
  const ancestry = ancestorsOf(proc, hit.pid);
  if (ancestry.kind !== 'chain') return ancestry;
  let by = hit;
  let parent = ancestry.chain[0]?.parent ?? 0;
  for (const ancestor of ancestry.chain.slice(1)) {
    const held = holding(proc, ancestor.pid, inode);
    if (held !== undefined) [by, parent] = [held, ancestor.parent];
  }
  if (parent <= 1) return { kind: 'held', by };
  const siblings = (proc.children(parent) ?? []).filter((pid) => pid !== by.pid);
  const asked = siblings.slice(-lineageLimits.siblingsMax);
  const shared = asked.some((pid) => holding(proc, pid, inode) !== undefined);
  return shared ? { kind: 'ambiguous' } : { kind: 'held', by };
}

type Hit = Holding | { readonly kind: 'nobody' };

/**
 * One pass over all processes, youngest first, answers everyone who asked before it began, and ends when all have
 * their answer: a thousand connections at once cost a few passes, not a thousand.
 */
function openPasses(proc: Proc): { find(inode: string): Promise<Hit> } {
  let waiting = new Map<string, ((hit: Hit) => void)[]>();
  let running = false;
  const run = async (): Promise<void> => {
    running = true;
    while (waiting.size > 0) {
      const batch = waiting;
      waiting = new Map();
      await pass(proc, batch);
    }
    running = false;
  };
  return {
    find: (inode) =>
      new Promise((resolve) => {
        waiting.set(inode, [...(waiting.get(inode) ?? []), resolve]);
        if (!running) void run();
      }),
  };
}

async function pass(proc: Proc, wanted: Map<string, ((hit: Hit) => void)[]>): Promise<void> {
  let sliceStartMs = performance.now();
  const answer = (inode: string, hit: Hit): void => {
    for (const resolve of wanted.get(inode) ?? []) resolve(hit);
    wanted.delete(inode);
  };
  for (const pid of proc.pids()) {
    for (const descriptor of proc.descriptors(pid) ?? []) {
      const inode = /^socket:\[(\d+)\]$/.exec(proc.descriptor(pid, descriptor) ?? '')?.[1];
      if (inode !== undefined && wanted.has(inode) && isProcess(proc, pid))
        answer(inode, { pid, descriptor });
      if (performance.now() - sliceStartMs < lineageLimits.sliceMs) continue;
      await letOthersRun();
      sliceStartMs = performance.now();
    }
    if (wanted.size === 0) return;
  }
  for (const inode of wanted.keys()) answer(inode, { kind: 'nobody' });
}
