import { setTimeout as sleep } from 'node:timers/promises';
import { delegationVariable, hasEnded, type ProcessId } from './facts.js';
import { lineageLimits } from './limits.js';
import { openProc, type Proc, type Stat } from './proc.js';
import type { Subreaper } from './subreaper.js';
import type { TreeWatch } from './subtree.js';

/** A process that runs, and what it calls itself. */
export type Running = ProcessId & { readonly name: string };

export interface Ending {
  /** Asked anew until nothing is in it: whoever ends may have started another one meanwhile. */
  readonly running: () => readonly Running[];
  /** Gets no SIGTERM: a sandbox that would kill everything in it at once, for example. */
  readonly spared?: number;
  /** From SIGTERM to SIGKILL. */
  readonly graceMs?: number;
}

/**
 * SIGTERM to all, SIGKILL after `graceMs` to those that are still there. Resolves when nothing runs any more, or with
 * what cannot be ended: processes of another user, or some that hang within the kernel. Never rejects.
 */
export async function endProcesses({ running, spared, graceMs }: Ending): Promise<readonly Running[]> {
  const grace = graceMs ?? lineageLimits.endGraceMs;
  const startedAt = performance.now();
  const asked = new Set<string>();
  // Twice, because who moves within the tree while it is walked can be missed once.
  for (let quiet = 0; quiet < 2; ) {
    const left = running();
    const elapsed = performance.now() - startedAt;
    if (elapsed > grace + lineageLimits.killWaitMs && left.length > 0) return left;
    for (const each of left) {
      const key = `${each.pid} ${each.startTicks}`;
      if (elapsed >= grace) signal(each, 'SIGKILL');
      else if (!asked.has(key) && each.pid !== spared) {
        signal(each, 'SIGTERM');
        // Who is stopped could not act on it.
        signal(each, 'SIGCONT');
      }
      asked.add(key);
    }
    quiet = left.length === 0 ? quiet + 1 : 0;
    await sleep(lineageLimits.endPollMs);
  }
  return [];
}

/** To that very process, not to one that has its pid since. */
function signal({ pid, startTicks }: ProcessId, name: NodeJS.Signals): void {
  try {
    if (pid > 1 && openProc().stat(pid)?.startTicks === startTicks) process.kill(pid, name);
  } catch {
    // It has ended since, or it is another user's: whether it is still there is seen by the next look.
  }
}

/**
 * What a program has started, itself included. With a subreaper these are its descendants and every orphan that came to
 * this process; else those that were seen below it while it ran (`seen`), and those that name `delegation` in their
 * environment. Without /proc: nothing. What Node itself has started beside the program is not in it.
 */
export function startedBy(options: {
  readonly pid: number;
  readonly subreaper: Subreaper;
  readonly seen: TreeWatch | undefined;
  readonly delegation: string;
  readonly proc?: Proc;
}): () => readonly Running[] {
  const { pid, subreaper, seen, delegation } = options;
  const proc = options.proc ?? openProc();
  return () => {
    const found = new Map<number, Stat>();
    const add = (stat: Stat | undefined, parent: number): void => {
      if (stat?.parent === parent && stat.pid !== process.pid) found.set(stat.pid, stat);
    };
    // A map's walk comes to what is added on the way.
    const addBelow = (): void => {
      for (const above of found.keys())
        for (const each of proc.children(above) ?? []) if (!found.has(each)) add(proc.stat(each), above);
    };
    add(proc.stat(pid), process.pid);
    addBelow();
    // Behind the program's own: who lost its parent meanwhile has come here.
    const others = subreaper.kind === 'reaping' ? subreaper.adopted() : marked(proc, seen, delegation);
    for (const each of others) if (!found.has(each.pid)) add(each, each.parent);
    addBelow();
    return [...found.values()].filter((each) => !hasEnded(each));
  };
}

function* marked(proc: Proc, seen: TreeWatch | undefined, delegation: string): Generator<Stat> {
  for (const { pid, startTicks } of seen?.processes() ?? []) {
    const stat = proc.stat(pid);
    if (stat?.startTicks === startTicks) yield stat;
  }
  for (const pid of proc.pids()) {
    if (proc.environmentVariable(pid, delegationVariable) !== delegation) continue;
    const stat = proc.leader(pid) === pid ? proc.stat(pid) : undefined;
    if (stat !== undefined) yield stat;
  }
}
