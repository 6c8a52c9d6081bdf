/**
 * The time of a replay. A session's real time has hours in which nothing happens; with `skipIdle` every gap between
 * two marks is played in at most `gapMsMax`. Both directions are exact at the marks and linear between them.
 */
export const gapMsMax = 2000;

export interface Timeline {
  /** Length when played at speed 1. */
  readonly lengthMs: number;
  /** From play time to the session's own time. */
  toSession(playMs: number): number;
  /** And back. */
  toPlay(sessionMs: number): number;
}

/**
 * @param marksMs times at which something happened, from the session's start; any order
 * @param durationMs the session's length
 */
export function timeline(marksMs: readonly number[], durationMs: number, skipIdle: boolean): Timeline {
  // Not Math.max of all of them: a session has more marks than a call may have arguments.
  const end = marksMs.reduce((latest, at) => Math.max(latest, at), Math.max(durationMs, 0));
  const session = [...new Set([0, ...marksMs.filter((at) => at > 0 && at < end), end])].sort((a, b) => a - b);
  const play: number[] = [0];
  for (let index = 1; index < session.length; index++) {
    const gapMs = (session[index] ?? 0) - (session[index - 1] ?? 0);
    play.push((play[index - 1] ?? 0) + (skipIdle ? Math.min(gapMs, gapMsMax) : gapMs));
  }
  return {
    lengthMs: play.at(-1) ?? 0,
    toSession: (playMs) => translate(play, session, playMs),
    toPlay: (sessionMs) => translate(session, play, sessionMs),
  };
}

function translate(from: readonly number[], to: readonly number[], value: number): number {
  const last = from.length - 1;
  if (value <= 0 || last <= 0) return 0;
  if (value >= (from[last] ?? 0)) return to[last] ?? 0;
  const index = lastAtOrBefore(from, value);
  const start = from[index] ?? 0;
  const length = (from[index + 1] ?? start) - start;
  const share = length === 0 ? 0 : (value - start) / length;
  const low = to[index] ?? 0;
  return low + share * ((to[index + 1] ?? low) - low);
}

/** The index of the last entry that is not above `value`; -1 when all are. `sorted` ascends. */
export function lastAtOrBefore(sorted: readonly number[], value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? 0) <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
