import type { SpoolClock } from '../../gateway-core/agent/spool/clock.js';

interface Timer {
  readonly atMs: number;
  readonly wake: () => void;
}

/** Time that passes only when a test says so; the wall's clock can jump without it. */
export class VirtualClock implements SpoolClock {
  readonly boot = '00000000-0000-4000-8000-000000000000';
  wallOffsetMs = Date.parse('2026-11-20T12:00:00.000Z');
  #monoMs = 0;
  #timers: Timer[] = [];

  nowMs(): number {
    return this.wallOffsetMs + this.#monoMs;
  }

  monoMs(): number {
    return this.#monoMs;
  }

  wait(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const aborted = (): void => {
        this.#timers = this.#timers.filter((each) => each !== timer);
        resolve();
      };
      const wake = (): void => {
        signal.removeEventListener('abort', aborted);
        resolve();
      };
      const timer = { atMs: this.#monoMs + ms, wake };
      this.#timers.push(timer);
      signal.addEventListener('abort', aborted);
    });
  }

  /** Lets `ms` pass, timer by timer, and everything that each of them starts. */
  async pass(ms: number): Promise<void> {
    const endMs = this.#monoMs + ms;
    for (;;) {
      await settled();
      const due = this.#timers.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((each) => each !== due);
      this.#monoMs = Math.max(this.#monoMs, due.atMs);
      due.wake();
    }
    this.#monoMs = endMs;
    await settled();
  }

  /** Whoever waits waits for ever: the process is gone. */
  stop(): void {
    this.#timers = [];
  }
}

/** Everything that waits for nothing but promises has run. */
export function settled(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
