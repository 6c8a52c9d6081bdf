import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import type { ReplayHead } from '../../../gateway-core/contract/bridge/work.js';
import { timeline } from '../../../gateway-core/contract/replay-time.js';

export const speeds = [0.5, 1, 2, 5, 10, 50] as const;

export interface Player {
  readonly playing: boolean;
  readonly speed: number;
  readonly skipIdle: boolean;
  /** The session's own time. */
  readonly atMs: number;
  /** Where the head stands on the bar, 0 to 1. */
  readonly share: number;
  readonly lengthMs: number;
  readonly toggle: () => void;
  readonly setSpeed: (speed: number) => void;
  readonly setSkipIdle: (skip: boolean) => void;
  readonly seek: (sessionMs: number) => void;
  readonly seekShare: (share: number) => void;
  /** Where a moment of the session stands on the bar. */
  readonly shareOf: (sessionMs: number) => number;
}

/** How often the view is drawn anew while it plays; rows come in steps anyway. */
const tickMs = 50;

/** When all of a statement's results had come: when the next one began. Undefined: it is not in this recording. */
export function endOf(head: ReplayHead, seq: number | undefined): number | undefined {
  const index = head.statements.findIndex((each) => each.seq === seq);
  const at = head.statements[index];
  if (at === undefined) return undefined;
  return Math.max(at.atMs, (head.statements[index + 1]?.atMs ?? head.durationMs + 1) - 1);
}

/**
 * Plays a session's time. The head stops at the end; playing from the end begins anew. It begins with the results of
 * the statement that was chosen, else with all there is.
 */
export function usePlayer(head: ReplayHead, chosen: number | undefined): Player {
  const [skipIdle, setSkipIdle] = useState(true);
  const [speed, setSpeed] = useState<number>(1);
  const [playing, setPlaying] = useState(false);
  const line = useMemo(
    () =>
      timeline([...head.statements.map((each) => each.atMs), ...head.activityMs], head.durationMs, skipIdle),
    [head, skipIdle],
  );
  const [atMs, setAtMs] = useState(() => endOf(head, chosen) ?? head.durationMs);
  const now = useRef(atMs);
  now.current = atMs;

  useEffect(() => {
    if (!playing) return undefined;
    let last = performance.now();
    const timer = setInterval(() => {
      const time = performance.now();
      const play = line.toPlay(now.current) + (time - last) * speed;
      last = time;
      setAtMs(line.toSession(play));
      if (play >= line.lengthMs) setPlaying(false);
    }, tickMs);
    return () => clearInterval(timer);
  }, [playing, speed, line]);

  const seek = useCallback(
    (sessionMs: number) => setAtMs(Math.min(Math.max(sessionMs, 0), head.durationMs)),
    [head],
  );
  const length = Math.max(line.lengthMs, 1);
  return {
    playing,
    speed,
    skipIdle,
    atMs,
    share: line.toPlay(atMs) / length,
    lengthMs: line.lengthMs,
    toggle: () => {
      if (!playing && line.toPlay(atMs) >= line.lengthMs) setAtMs(0);
      setPlaying(!playing);
    },
    setSpeed,
    setSkipIdle,
    seek,
    seekShare: (share) => setAtMs(line.toSession(share * length)),
    shareOf: (sessionMs) => line.toPlay(sessionMs) / length,
  };
}
