import type { ChildProcess } from 'node:child_process';
import { channel } from 'node:diagnostics_channel';
import { type EventEmitter, errorMonitor } from 'node:events';
import { lineageLimits } from './limits.js';
import { loadNative, type Native } from './native.js';
import { openProc, type Proc, type Stat } from './proc.js';

/** What came of it. `stop` gives the orphans back to pid 1; for tests, and for those who go on without children. */
export type Subreaper =
  | {
      readonly kind: 'reaping';
      /** Children of this process that Node has not started: those whose parents have ended. */
      adopted(): readonly Stat[];
      stop(): void;
    }
  | { readonly kind: 'unsupported'; readonly reason: string };

/** PR_SET_CHILD_SUBREAPER: prctl(2). */
const setChildSubreaper = 36;
/** Node's own children are asked for their exit status in the same turn in which they end; two looks are many turns. */
const looksMin = 2;

/**
 * From now on, a process below this one whose parent ends becomes this one's child, not pid 1's: a double fork stays
 * within the tree. Those are reaped here when they end. Children that Node started are left to Node: their exit status
 * arrives as ever. Main thread only; children of worker threads are told apart by the time that they take alone.
 */
export async function becomeSubreaper(): Promise<Subreaper> {
  if (process.platform !== 'linux') return { kind: 'unsupported', reason: 'only Linux has it' };
  const native = await loadNative();
  if (native === undefined)
    return { kind: 'unsupported', reason: 'the package koffi, which calls the C library, is not there' };
  const proc = openProc();
  if (proc.children(process.pid) === undefined)
    return { kind: 'unsupported', reason: 'this kernel does not list the children of a process' };
  const own = (nodes ??= new NodesChildren(childrenOf(proc)));
  if (!native.prctl(setChildSubreaper, 1))
    return { kind: 'unsupported', reason: 'the kernel refused prctl(PR_SET_CHILD_SUBREAPER)' };
  const reaper = new Reaper(proc, native, own);
  return {
    kind: 'reaping',
    adopted: () => childrenOf(proc).filter((child) => !own.has(child)),
    stop: () => {
      native.prctl(setChildSubreaper, 0);
      reaper.stop();
    },
  };
}

function childrenOf(proc: Proc): Stat[] {
  return (proc.children(process.pid) ?? []).flatMap((pid) => {
    const stat = proc.stat(pid);
    return stat?.parent === process.pid ? [stat] : [];
  });
}

/** Two readings of the same process have the same key. */
function keyOf({ pid, startTicks }: Stat): string {
  return `${pid} ${startTicks}`;
}

/** Which children Node has started, from before the first orphan on. */
class NodesChildren {
  /** Children from before there were orphans: nobody but this program can have started them. */
  readonly #earlier: ReadonlySet<string>;
  readonly #running = new Set<ChildProcess>();

  constructor(earlier: readonly Stat[]) {
    this.#earlier = new Set(earlier.map(keyOf));
    channel('child_process').subscribe((message) => this.#add(message));
  }

  has(child: Stat): boolean {
    return this.#earlier.has(keyOf(child)) || [...this.#running].some(({ pid }) => pid === child.pid);
  }

  /** Node tells of a child before it starts it, so a pid comes later or, where that fails, never. */
  #add(message: unknown): void {
    const child = (message as { process?: ChildProcess } | undefined)?.process;
    if (child === undefined) return;
    this.#running.add(child);
    child.once('exit', () => this.#running.delete(child));
    // Only watched: whether an error has a handler is the program's affair.
    (child as EventEmitter).on(errorMonitor, () => {
      if (child.pid === undefined) this.#running.delete(child);
    });
  }
}

/** One for the process, and for good: what it has not seen it cannot tell apart. */
let nodes: NodesChildren | undefined;

class Reaper {
  readonly #proc: Proc;
  readonly #native: Native;
  readonly #nodes: NodesChildren;
  readonly #timer: NodeJS.Timeout;
  /** Dead children, and how often each was seen to be. */
  #dead = new Map<string, number>();

  constructor(proc: Proc, native: Native, own: NodesChildren) {
    this.#proc = proc;
    this.#native = native;
    this.#nodes = own;
    this.#timer = setInterval(() => this.#reap(), lineageLimits.pollMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** INVARIANT: what Node started is never waited for here, however long Node leaves it. */
  #reap(): void {
    const dead = new Map<string, number>();
    for (const stat of childrenOf(this.#proc)) {
      if (stat.state !== 'Z' || stat.threads > 1 || this.#nodes.has(stat)) continue;
      const key = keyOf(stat);
      const looks = (this.#dead.get(key) ?? 0) + 1;
      if (looks < looksMin || !this.#native.reap(stat.pid)) dead.set(key, looks);
    }
    this.#dead = dead;
  }
}
