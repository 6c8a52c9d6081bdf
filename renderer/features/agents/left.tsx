import { useSyncExternalStore } from 'react';
import { useKnown } from '../../ui/app-state.js';
import { secondsText } from '../../ui/time.js';

const secondMs = 1000;
/** From here on the time left is said louder. */
const soonMs = 60_000;

const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;
let now = Math.floor(Date.now() / secondMs);

/** One clock for all rows. */
function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    now = Math.floor(Date.now() / secondMs);
    for (const each of listeners) each();
  }, secondMs);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** Milliseconds until then by the gateway's clock, which ends it. */
export function useLeftMs(until: string | undefined): number | undefined {
  const second = useSyncExternalStore(subscribe, () => now);
  const skewMs = useKnown(({ app }) => app?.gateway?.clockSkewMs ?? 0);
  if (until === undefined) return undefined;
  return Math.max(0, Date.parse(until) - (second * secondMs - skewMs));
}

/** The remaining time, counting down. */
export function Left({ until }: { readonly until: string | undefined }) {
  const ms = useLeftMs(until);
  if (ms === undefined || until === undefined) return null;
  return (
    <time
      dateTime={until}
      data-soon={ms < soonMs ? '' : undefined}
      title={`Ends at ${new Date(until).toLocaleTimeString()}`}
    >
      {ms === 0 ? 'over' : secondsText(ms)}
    </time>
  );
}
