import { factsOf, hasEnded, type ProcessFacts, type ProcessId } from './facts.js';
import { lineageLimits } from './limits.js';
import type { Proc, Stat } from './proc.js';

export interface TreeEvent {
  /** `changed`: it executes another program now. */
  readonly kind: 'started' | 'changed' | 'ended';
  /** As it was last seen. */
  readonly process: ProcessFacts;
}

export interface TreeWatch {
  /** Those that run now, the root first; empty when all have ended. */
  processes(): readonly ProcessFacts[];
  /** No more events. */
  stop(): void;
}

interface Member {
  stat: Stat;
  exe: string | undefined;
  facts: ProcessFacts;
}

export type WatchTree = (rootPid: number, report: (event: TreeEvent) => void) => TreeWatch;

export interface TreeWatches {
  readonly watch: WatchTree;
  /** All processes of all trees, youngest first: likely holders of the next connection. */
  readonly pids: () => Iterable<number>;
}

/**
 * Whoever was once seen below the root stays in its tree until it ends, also when the root has ended or a double fork
 * took it elsewhere. A process that lives for less than a poll may never be seen.
 */
export function openTreeWatches(proc: Proc): TreeWatches {
  const trees = new Set<Tree>();
  return {
    watch: (rootPid, report) => {
      const tree = new Tree(proc, rootPid, report);
      trees.add(tree);
      tree.poll();
      // Keeps no program running.
      const timer = setInterval(() => tree.poll(), lineageLimits.pollMs).unref();
      const stop = (): void => {
        clearInterval(timer);
        trees.delete(tree);
      };
      return { processes: () => tree.processes(), stop };
    },
    pids: function* () {
      for (const tree of trees)
        yield* tree
          .processes()
          .map(({ pid }) => pid)
          .reverse();
    },
  };
}

class Tree {
  readonly #proc: Proc;
  readonly #report: (event: TreeEvent) => void;
  /** In the order in which they were found. */
  readonly #members = new Map<number, Member>();

  constructor(proc: Proc, rootPid: number, report: (event: TreeEvent) => void) {
    this.#proc = proc;
    this.#report = report;
    this.#add(rootPid, undefined);
  }

  processes(): readonly ProcessFacts[] {
    return [...this.#members.values()].map(({ facts }) => facts);
  }

  poll(): void {
    // Of the dead first: their pids may be somebody else's.
    for (const [pid, member] of this.#members) this.#look(pid, member);
    // A map's walk comes to what is added on the way.
    for (const [pid, { stat }] of this.#members) {
      for (const child of this.#proc.children(pid) ?? childrenByParent(this.#proc, pid))
        this.#add(child, stat);
    }
  }

  #look(pid: number, member: Member): void {
    const stat = this.#proc.stat(pid);
    if (stat === undefined || stat.startTicks !== member.stat.startTicks || hasEnded(stat)) {
      this.#members.delete(pid);
      this.#report({ kind: 'ended', process: member.facts });
      return;
    }
    const exe = this.#proc.executable(pid);
    if (stat.name !== member.stat.name || exe !== member.exe) {
      member.exe = exe;
      member.facts = factsOf(this.#proc, stat);
      this.#report({ kind: 'changed', process: member.facts });
    }
    member.stat = stat;
  }

  #add(pid: number, parent: Stat | undefined): void {
    if (this.#members.has(pid) || this.#members.size >= lineageLimits.treeProcessesMax) return;
    const stat = this.#proc.stat(pid);
    if (stat === undefined || hasEnded(stat)) return;
    // The child may have ended since it was listed, and its pid be somebody else's.
    if (parent !== undefined && stat.parent !== parent.pid) return;
    const facts = factsOf(this.#proc, stat);
    this.#members.set(pid, { stat, exe: this.#proc.executable(pid), facts });
    this.#report({ kind: 'started', process: facts });
  }
}

/** For kernels that list no children. */
function childrenByParent(proc: Proc, parent: number): readonly number[] {
  return [...proc.pids()].filter((pid) => proc.stat(pid)?.parent === parent);
}

/** Whether that very process is among `processes`, as it is for itself and for everything below it. */
export function isWithin(processes: readonly ProcessId[], root: ProcessId): boolean {
  return processes.some(({ pid, startTicks }) => pid === root.pid && startTicks === root.startTicks);
}
