import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseLeaf } from '../../../gateway-core/audit/leaf.js';
import { SessionLedger } from '../../../gateway-core/audit/sessions.js';
import type { AuditEvent } from '../../../gateway-core/contract/events.js';
import {
  decided,
  ended,
  event,
  leafOf,
  outcome,
  sessionEvents,
  sessionId,
  started,
  stopped,
} from './support.js';

/** Codes of the findings, in order. */
function codes(events: readonly AuditEvent[], positions: readonly (number | undefined)[] = []): string[] {
  const ledger = new SessionLedger();
  return events.flatMap((one, i) => {
    const leaf = parseLeaf(leafOf(one, positions.length === 0 ? i : positions[i]));
    if (leaf === undefined) throw new Error('the event makes no leaf');
    return ledger.accept(leaf)?.code ?? [];
  });
}

describe('the sequence of a session', () => {
  it('whole sessions have no finding, also when they interleave', () => {
    expect(codes(sessionEvents(40))).toEqual([]);
    expect(
      codes([
        started(1),
        started(2),
        decided(2, 1),
        decided(1, 1),
        decided(1, 2),
        outcome(2, 1),
        outcome(1, 2),
        ended(2, 1),
        outcome(1, 1),
        ended(1, 2),
      ]),
    ).toEqual([]);
  });

  it('a denied statement counts, and needs no outcome', () => {
    expect(codes([started(1), decided(1, 1, 'denied'), decided(1, 2), outcome(1, 2), ended(1, 2)])).toEqual(
      [],
    );
    expect(codes([started(1), decided(1, 1, 'denied'), outcome(1, 1), ended(1, 1)])).toEqual([]);
  });

  it('a held statement is decided once more under its number, and then not again', () => {
    const held = [started(1), decided(1, 1, 'held')];
    expect(codes([...held, decided(1, 1, 'approved'), outcome(1, 1), ended(1, 1)])).toEqual([]);
    expect(codes([...held, decided(1, 1, 'refused'), ended(1, 1)])).toEqual([]);
    expect(codes([...held, decided(1, 1, 'refused'), decided(1, 1, 'approved')])).toEqual([
      'statement-repeated',
    ]);
    expect(codes([...held, decided(1, 1, 'allowed')])).toEqual(['statement-repeated']);
    expect(codes([started(1), decided(1, 1), decided(1, 1)])).toEqual(['statement-repeated']);
    expect(codes([started(1), decided(1, 1), decided(1, 1, 'denied')])).toEqual(['statement-repeated']);
    expect(codes([started(1), decided(1, 1), decided(1, 1, 'interrupted'), ended(1, 1)])).toEqual([]);
  });

  it('a session cut off by a restart has open statements and no finding', () => {
    expect(codes([started(1), decided(1, 1), ended(1, 1), started(2)])).toEqual([]);
  });

  it('what the sealer adds after the end is no finding', () => {
    const sealed = event({
      kind: 'recording.sealed',
      session: sessionId(1),
      segment: 0,
      bytes: 1,
      sha256: 'aa',
    });
    const revoked = event({
      kind: 'session.revoked',
      session: sessionId(1),
      by: [{ id: 'a', kind: 'person', name: 'A', assurance: 'proven' }],
      reason: 'r',
    });
    expect(codes([started(1), ended(1, 0), sealed, revoked])).toEqual([]);
  });

  it.each([
    ['a missing statement', [started(1), decided(1, 2)], ['statement-missing']],
    ['a gap is told once', [started(1), decided(1, 1), decided(1, 3), decided(1, 4)], ['statement-missing']],
    ['statements missing before the end', [started(1), decided(1, 1), ended(1, 2)], ['statement-missing']],
    ['an outcome without a decision', [started(1), outcome(1, 1)], ['outcome-without-decision']],
    ['a second outcome', [started(1), decided(1, 1), outcome(1, 1), outcome(1, 1)], ['outcome-repeated']],
    ['a statement before the start', [decided(1, 1)], ['event-without-session']],
    ['an outcome before the start', [outcome(1, 1)], ['event-without-session']],
    ['an end before the start', [ended(1, 0)], ['event-without-session']],
    ['a statement after the end', [started(1), ended(1, 0), decided(1, 1)], ['event-after-session-end']],
    [
      'an outcome after the end',
      [started(1), decided(1, 1), ended(1, 1), outcome(1, 1)],
      ['event-after-session-end'],
    ],
    ['a second end', [started(1), ended(1, 0), ended(1, 0)], ['event-after-session-end']],
    ['a second start', [started(1), started(1)], ['session-started-again']],
    ['a start after the end', [started(1), ended(1, 0), started(1)], ['session-started-again']],
  ])('%s is found', (_, events, expected) => {
    expect(codes(events)).toEqual(expected);
  });

  it('journal positions strictly increase; events without one are passed over', () => {
    const events = [stopped(), stopped(), stopped(), stopped()];
    expect(codes(events, [0, undefined, 1, 5])).toEqual([]);
    expect(codes(events, [3, undefined, 3, 4])).toEqual(['position-order']);
    expect(codes(events, [3, 4, 2, 5])).toEqual(['position-order']);
    expect(codes([stopped(), started(1), decided(1, 1), ended(1, 1)], [3, 2, 4, 5])).toEqual([
      'position-order',
    ]);
  });

  it('leaving out any one event of a whole session is found, but for outcomes', () => {
    const whole = [
      started(1),
      decided(1, 1),
      outcome(1, 1),
      decided(1, 2),
      outcome(1, 2),
      decided(1, 3),
      ended(1, 3),
    ];
    fc.assert(
      fc.property(fc.nat(whole.length - 1), (left) => {
        const kind = whole[left]?.kind;
        const found = codes(whole.filter((_, i) => i !== left));
        if (kind === 'statement.ended' || kind === 'session.ended') expect(found).toEqual([]);
        else expect(found).not.toEqual([]);
      }),
    );
  });
});
