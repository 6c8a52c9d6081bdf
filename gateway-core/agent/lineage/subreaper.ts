import type { ChildProcess } from 'node:child_process';
import { type Channel, channel } from 'node:diagnostics_channel';
import { lineageLimits } from './limits.js';
import { loadNative, type Native } from './native.js';
import { openProc, type Proc, type Stat } from './proc.js';

/** What came of it. `stop` gives the orphans back to pid 1; for tests, and for those who go on without children. */
export type Subreaper =
  | { readonly kind: 'reaping'; stop(): void }
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
  const reaper = new Reaper(proc, native);
  if (!native.prctl(setChildSubreaper, 1)) {
    reaper.stop();
    return { kind: 'unsupported', reason: 'the kernel refused prctl(PR_SET_CHILD_SUBREAPER)' };
  }
  return {
    kind: 'reaping',
    stop: () => {
      native.prctl(setChildSubreaper, 0);
      reaper.stop();
    },
  };
}

/** Two readings of the same process have the same key. */
function keyOf({ pid, startTicks }: Stat): string {
  return `${pid} ${startTicks}`;
}

class Reaper {
  readonly #proc: Proc;
  readonly #native: Native;
  /** Children from before there were orphans: nobody but this program can have started them. */
  readonly #earlier: ReadonlySet<string>;
  readonly #started = new Set<ChildProcess>();
  readonly #channel: Channel = channel('child_process');
  readonly #timer: NodeJS.Timeout;
  /** Dead children, and how often each was seen to be. */
  #dead = new Map<string, number>();

  constructor(proc: Proc, native: Native) {
    this.#proc = proc;
    this.#native = native;
    this.#earlier = new Set(this.#children().map(keyOf));
    this.#channel.subscribe(this.#onChild);
    this.#timer = setInterval(() => this.#reap(), lineageLimits.pollMs).unref();
  }

  stop(): void {
    this.#channel.unsubscribe(this.#onChild);
    clearInterval(this.#timer);
  }

  readonly #onChild = (message: unknown): void => {
    const child = (message as { process?: ChildProcess } | undefined)?.process;
    if (child === undefined) return;
    this.#started.add(child);
    child.once('exit', () => this.#started.delete(child));
    child.once('error', () => {
      if (child.pid === undefined) this.#started.delete(child);
    });
  };

  /** INVARIANT: what Node started is never waited for here, however long Node leaves it. */
  #reap(): void {
    const own = new Set([...this.#started].map(({ pid }) => pid));
    const dead = new Map<string, number>();
    for (const stat of this.#children()) {
      const key = keyOf(stat);
      if (stat.state !== 'Z' || stat.threads > 1 || own.has(stat.pid) || this.#earlier.has(key)) continue;
      const looks = (this.#dead.get(key) ?? 0) + 1;
      if (looks < looksMin || !this.#native.reap(stat.pid)) dead.set(key, looks);
    }
    this.#dead = dead;
  }

  #children(): Stat[] {
    return (this.#proc.children(process.pid) ?? []).flatMap((pid) => {
      const stat = this.#proc.stat(pid);
      return stat?.parent === process.pid ? [stat] : [];
    });
  }
}
