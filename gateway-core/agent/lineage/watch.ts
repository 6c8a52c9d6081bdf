import { hasEnded } from './facts.js';
import { lineageLimits } from './limits.js';
import { openProc, type Proc } from './proc.js';

export interface ProcessWatch {
  /** Resolves when that very process has ended; never after `stop`. Never rejects. */
  readonly gone: Promise<void>;
  stop(): void;
}

interface Watched {
  readonly pid: number;
  readonly startTicks: string;
  readonly resolve: () => void;
}

/** One timer for all. It keeps no program running. */
export function openProcessWatches(proc: Proc): (pid: number, startTicks: string) => ProcessWatch {
  const watched = new Set<Watched>();
  let timer: NodeJS.Timeout | undefined;
  const remove = (each: Watched): void => {
    watched.delete(each);
    if (watched.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
  const check = (each: Watched): void => {
    const stat = proc.stat(each.pid);
    if (stat !== undefined && stat.startTicks === each.startTicks && !hasEnded(stat)) return;
    remove(each);
    each.resolve();
  };
  const checkAll = (): void => {
    for (const each of watched) check(each);
  };
  return (pid, startTicks) => {
    let resolve = (): void => undefined;
    const gone = new Promise<void>((settle) => {
      resolve = settle;
    });
    const each = { pid, startTicks, resolve };
    watched.add(each);
    timer ??= setInterval(checkAll, lineageLimits.pollMs).unref();
    check(each);
    return { gone, stop: () => remove(each) };
  };
}

/**
 * Tells when the process with this pid and this start time has ended, at most a quarter of a second late. A process
 * that took over its pid is another one.
 */
export const watchProcess = openProcessWatches(openProc());
