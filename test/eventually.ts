import { vi } from 'vitest';

/** Waits until `check` passes. Only a test that would fail anyway waits so long: machines are noisy. */
export const eventually = <T>(check: () => T | Promise<T>): Promise<T> =>
  vi.waitFor(check, { timeout: 60_000 });
