import { getHeapStatistics, setFlagsFromString } from 'node:v8';

/** Above this a heap has room enough by V8's own rule. */
const smallHeapBytes = 96 * 1024 * 1024;
const lookIntervalMs = 2000;
/** Of what lives, in percent, that a small heap may grow by before all of it is collected. 0: V8's own rule. */
const growth = { small: 400, large: 0 } as const;

/**
 * Lets the heap of a process through which streams pass grow further while it is small. What passes lies in buffers
 * beside the heap, of which V8 lets 32 MiB gather before it drops those of no use; it counts them as part of the heap,
 * so that one of 10 to 40 MB is over its limit all the time, and is marked from end to end for every 20 MB that pass:
 * half of all processor time, and more. Costs some tens of megabytes. For Node's own V8 only: Chromium's takes no flags
 * once it runs.
 */
export function keepRoomForBuffers(): void {
  if (process.versions['electron'] !== undefined) return;
  let now: number | undefined;
  const look = (): void => {
    const wanted = getHeapStatistics().used_heap_size < smallHeapBytes ? growth.small : growth.large;
    if (wanted === now) return;
    now = wanted;
    setFlagsFromString(`--heap-growing-percent=${wanted}`);
  };
  look();
  setInterval(look, lookIntervalMs).unref();
}
