import { lineageLimits } from './limits.js';
import type { Proc, Stat } from './proc.js';

/**
 * The process and its ancestors up to and without pid 1, leaf first; ends earlier at another user's parent that is not
 * shown here (another pid namespace, hidepid). `changed`: somebody ended or was given another parent meanwhile; ask
 * again. `hidden`: a parent of this very user hides, and with it who stands above it.
 */
export type Ancestry =
  | { readonly kind: 'chain'; readonly chain: readonly Stat[] }
  | { readonly kind: 'gone' | 'changed' | 'too-deep' | 'hidden' };

export function ancestorsOf(proc: Proc, pid: number): Ancestry {
  const leaf = proc.stat(pid);
  if (leaf === undefined) return { kind: 'gone' };
  const chain = [leaf];
  for (let child = leaf; child.parent > 1; ) {
    const parent = proc.stat(child.parent);
    if (parent === undefined) {
      if (!isUnchanged(proc, child)) return { kind: 'changed' };
      // Where /proc shows nobody who may not be traced (hidepid), a program can take itself out of it (PR_SET_DUMPABLE).
      if (proc.mayBeSignalled(child.parent)) return { kind: 'hidden' };
      break;
    }
    // A parent that is younger than its child is somebody else, who was given the pid of the one that ended.
    if (BigInt(parent.startTicks) > BigInt(child.startTicks)) return { kind: 'changed' };
    if (chain.some((each) => each.pid === parent.pid)) return { kind: 'changed' };
    if (chain.length === lineageLimits.processesMax) return { kind: 'too-deep' };
    chain.push(parent);
    child = parent;
  }
  return { kind: 'chain', chain };
}

/** Whether every process of the chain still is who it was, below the same parent. */
export function isChainUnchanged(proc: Proc, chain: readonly Stat[]): boolean {
  return chain.every((each) => isUnchanged(proc, each));
}

function isUnchanged(proc: Proc, before: Stat): boolean {
  const now = proc.stat(before.pid);
  return now !== undefined && now.startTicks === before.startTicks && now.parent === before.parent;
}
