import { describe, expect, it } from 'vitest';
import type { ReplayHead } from '../../../../gateway-core/contract/bridge/work.js';
import { endOf } from '../../../../renderer/ui/replay/player.js';

const head = {
  durationMs: 900,
  statements: [
    { seq: 1, atMs: 100 },
    { seq: 2, atMs: 300 },
    { seq: 4, atMs: 300 },
    { seq: 5, atMs: 800 },
  ],
} as unknown as ReplayHead;

describe('a replay', () => {
  it('begins with the results of the statement that was chosen: when the next one began', () => {
    expect([1, 2, 4, 5].map((seq) => endOf(head, seq))).toEqual([299, 300, 799, 900]);
  });

  it('of a statement that it does not hold begins where it would without one', () => {
    expect([endOf(head, 3), endOf(head, undefined)]).toEqual([undefined, undefined]);
  });
});
