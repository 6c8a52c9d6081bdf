import type { GatewayRecorder } from './recorder.js';
import type { Sealer } from './sealer/index.js';

/** How often old recordings are looked for. Short enough that a clock that jumps is met the same day. */
const everyMs = 6 * 3600 * 1000;

/** Removes recordings that are older than `retentionMs`, now and from time to time. Returns how to stop. */
export function keepRetention(options: {
  readonly sealer: Pick<Sealer, 'removeBefore' | 'caughtUp'>;
  readonly retentionMs: number;
  readonly recorder: GatewayRecorder;
  readonly now: () => number;
}): () => void {
  const { sealer, retentionMs, recorder, now } = options;
  const remove = (): void => {
    sealer
      .caughtUp()
      .then(() => sealer.removeBefore(now() - retentionMs))
      .catch((error: unknown) => recorder.complain('old recordings could not be removed', error));
  };
  const first = setTimeout(remove, 1000);
  const timer = setInterval(remove, everyMs);
  return () => {
    clearTimeout(first);
    clearInterval(timer);
  };
}
