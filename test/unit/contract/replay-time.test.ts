import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gapMsMax, lastAtOrBefore, timeline } from '../../../gateway-core/contract/replay-time.js';

const marks = fc.array(fc.integer({ min: 0, max: 10_000_000 }), { maxLength: 40 });

describe('the time of a replay', () => {
  it('without idle skipping play time is the session’s time', () => {
    fc.assert(
      fc.property(
        marks,
        fc.integer({ min: 1, max: 10_000_000 }),
        fc.nat(10_000_000),
        (at, duration, time) => {
          const line = timeline(at, duration, false);
          const inside = Math.min(time, line.lengthMs);
          expect(line.toSession(inside)).toBeCloseTo(inside, 3);
        },
      ),
    );
  });

  it('a session with a million statements has a time', () => {
    const many = Array.from({ length: 1_000_000 }, (_, index) => index);
    expect(timeline(many, 10, true).lengthMs).toBe(999_999);
  });

  it('no gap is played longer than the limit', () => {
    fc.assert(
      fc.property(marks, fc.integer({ min: 1, max: 10_000_000 }), (at, duration) => {
        const line = timeline(at, duration, true);
        const sorted = [0, ...[...at].sort((a, b) => a - b), Math.max(duration, ...at)];
        for (let index = 1; index < sorted.length; index++) {
          const gap = line.toPlay(sorted[index] ?? 0) - line.toPlay(sorted[index - 1] ?? 0);
          expect(gap).toBeGreaterThanOrEqual(0);
          expect(gap).toBeLessThanOrEqual(gapMsMax + 1e-6);
        }
      }),
    );
  });

  it('both directions undo each other and never run backwards', () => {
    fc.assert(
      fc.property(
        marks,
        fc.integer({ min: 1, max: 10_000_000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (at, duration, share) => {
          const line = timeline(at, duration, true);
          const play = share * line.lengthMs;
          expect(line.toPlay(line.toSession(play))).toBeCloseTo(play, 3);
          expect(line.toSession(play + 1)).toBeGreaterThanOrEqual(line.toSession(play));
        },
      ),
    );
  });

  it('a session without length has one moment', () => {
    const line = timeline([], 0, true);
    expect([line.lengthMs, line.toSession(50), line.toPlay(50)]).toEqual([0, 0, 0]);
  });
});

describe('lastAtOrBefore', () => {
  it('agrees with a search from the end', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -5, max: 50 })),
        fc.integer({ min: -10, max: 60 }),
        (all, value) => {
          const sorted = [...all].sort((a, b) => a - b);
          expect(lastAtOrBefore(sorted, value)).toBe(sorted.findLastIndex((each) => each <= value));
        },
      ),
    );
  });
});
