import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** What time is for the spool: injected, so that a test can turn it. */
export interface SpoolClock {
  nowMs(): number;
  /** Monotonic, milliseconds. */
  monoMs(): number;
  /** Which run of the machine `monoMs` counts in. */
  readonly boot: string;
  /** Resolves after `ms`, or at once when `signal` aborts. Does not keep the process. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

/** The clocks of every record. */
export function stamp(clock: SpoolClock): { at: string; monoMs: number; boot: string } {
  return { at: new Date(clock.nowMs()).toISOString(), monoMs: clock.monoMs(), boot: clock.boot };
}

/** Linux counts `hrtime` from the machine's start, and names that start; elsewhere it is this process'. */
export function systemClock(): SpoolClock {
  return {
    nowMs: () => Date.now(),
    monoMs: () => Number(process.hrtime.bigint() / 1000n) / 1000,
    boot: bootId() ?? randomUUID(),
    wait: (ms, signal) => sleep(ms, undefined, { signal, ref: false }).catch(() => undefined),
  };
}

function bootId(): string | undefined {
  try {
    const text = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return /^[0-9a-f-]{36}$/.test(text) ? text : undefined;
  } catch {
    return undefined;
  }
}
