import { describe, expect, it } from 'vitest';
import type { AuditEventInput } from '../../../../gateway-core/contract/events.js';
import type { SessionId } from '../../../../gateway-core/contract/ids.js';
import type { ComparableSession } from '../../../../gateway-core/server/sealer/two-sides.js';
import { Comparing } from '../../../../gateway-core/server/spool/comparing.js';
import type { DesktopSide } from '../../../../gateway-core/server/spool/desktop-side.js';
import { eventually } from '../../../eventually.js';
import { at, closed, device, hashed, ids, opened, sideOf } from './setup.js';

type Compared = Extract<AuditEventInput, { kind: 'session.compared' }>;
const startMs = Date.parse(at);
const one = hashed(Buffer.from('one')).sum;
const other = hashed(Buffer.from('other')).sum;
const waitMs = 3600_000;

/** A log with sessions in it, and a spool. */
function world() {
  const sessions = new Map<SessionId, ComparableSession>();
  const sides = new Map<SessionId, DesktopSide>();
  const verdicts: Compared[] = [];
  const complaints: string[] = [];
  const clock = { now: startMs };
  const none = { count: 0, last: undefined };
  const comparing = new Comparing({
    sealer: {
      caughtUp: () => Promise.resolve(),
      comparable: (id) => Promise.resolve(sessions.get(id) ?? { kind: 'unknown', compared: none }),
      keptBlocks: () => Promise.resolve({ up: new Uint8Array(), down: new Uint8Array(), incomplete: false }),
      recordedResults: () => Promise.resolve(new Map()),
      pending: (_, after) =>
        Promise.resolve(
          [...sessions.keys()].filter((id) => {
            const found = sessions.get(id);
            return id > after && found?.kind === 'session' && found.compared.count === 0 && found.ended;
          }),
        ),
    },
    spool: { side: (_, id) => Promise.resolve(sides.get(id)) },
    recorder: {
      record: (event) => {
        if (event.kind !== 'session.compared') throw new Error(event.kind);
        verdicts.push(event);
        const found = sessions.get(event.session);
        const compared = { count: 1, last: { ...event, v: 1 as const, at, node: 'n' } };
        if (found?.kind === 'session') sessions.set(event.session, { ...found, compared });
        else sessions.set(event.session, { kind: 'unknown', compared });
        return Promise.resolve();
      },
      complain: (what) => complaints.push(what),
    },
    waitMs,
    now: () => clock.now,
  });
  return {
    comparing,
    sides,
    sessions,
    verdicts,
    complaints,
    clock,
    add: (ended: boolean, sum = one): SessionId => {
      const id = ids.next(clock.now, device);
      const wire = { up: sum, down: sum };
      sessions.set(id, {
        kind: 'session',
        spool: { device, segment: 1 },
        ended: ended ? { cause: 'client', at, wire } : undefined,
        compared: none,
      });
      return id;
    },
    end: (id: SessionId): void => {
      const found = sessions.get(id);
      const ended = { cause: 'client' as const, at, wire: { up: one, down: one } };
      if (found?.kind === 'session') sessions.set(id, { ...found, ended });
      const sums = { statements: 0, bytesFromClient: 0, bytesToClient: 0 };
      comparing.hear({ kind: 'session.ended', session: id, endCause: 'client', ...sums });
    },
    record: (id: SessionId, sum = one): void => {
      const side = sideOf(id, [opened(id), closed(id, sum, sum)]);
      if (side !== undefined) sides.set(id, side);
    },
    settled: () => eventually(() => comparing.stop()),
  };
}

describe('comparing', () => {
  it('gives a verdict once both sides have ended, whichever ends first', async () => {
    const { comparing, add, end, record, verdicts, settled } = world();
    const [first, second] = [add(true), add(false)];
    for (const id of [first, second]) record(id);
    comparing.arrived(device, [first, second]);
    await eventually(() => expect(verdicts).toHaveLength(1));
    end(second);
    await eventually(() => expect(verdicts).toHaveLength(2));
    expect(verdicts).toMatchObject([
      {
        session: first,
        verdict: 'corroborated',
        device,
        records: { segment: 3, first: 0, last: 1 },
        skewMs: -500,
      },
      { session: second, verdict: 'corroborated' },
    ]);
    await settled();
  });

  it('says that sides differ in log and complaint, and says the same thing once', async () => {
    const { comparing, add, record, verdicts, complaints, settled } = world();
    const id = add(true);
    record(id, other);
    comparing.arrived(device, [id]);
    await eventually(() => expect(verdicts).toHaveLength(1));
    comparing.arrived(device, [id]);
    await comparing.sweep();
    await settled();
    expect(verdicts).toHaveLength(1);
    expect(verdicts[0]).toMatchObject({ verdict: 'different' });
    expect(complaints).toHaveLength(1);
  });

  it('waits for records that do not come, says then that it has the gateway’s word alone, and hears them later', async () => {
    const { comparing, add, record, clock, verdicts, settled } = world();
    const id = add(true);
    clock.now = startMs + waitMs - 1;
    await comparing.sweep();
    expect(verdicts).toEqual([]);
    clock.now += 1;
    await comparing.sweep();
    expect(verdicts).toMatchObject([{ verdict: 'gateway-only' }]);
    expect(verdicts[0]?.difference).toContain('60 minutes');
    record(id);
    comparing.arrived(device, [id]);
    await eventually(() => expect(verdicts).toHaveLength(2));
    expect(verdicts[1]).toMatchObject({ verdict: 'corroborated' });
    await settled();
  });

  it('finds after a restart what it had not compared', async () => {
    const { comparing, add, record, verdicts, settled } = world();
    const id = add(true);
    record(id);
    await comparing.sweep();
    expect(verdicts).toMatchObject([{ session: id, verdict: 'corroborated' }]);
    await settled();
  });

  it('gives no verdict on a stream that became no session', async () => {
    const { comparing, sessions, record, clock, verdicts, settled } = world();
    const id = ids.next(clock.now, device);
    sessions.set(id, { kind: 'unopened' });
    record(id);
    clock.now += 86_400_000;
    comparing.arrived(device, [id]);
    await settled();
    expect(verdicts).toEqual([]);
  });

  it('says desktop-only, once, of an id that was given out and stands nowhere in the log', async () => {
    const { comparing, record, clock, verdicts, complaints, settled } = world();
    const id = ids.next(clock.now, device);
    clock.now += 600_000;
    record(id);
    comparing.arrived(device, [id]);
    await eventually(() => expect(verdicts).toHaveLength(1));
    comparing.arrived(device, [id]);
    await settled();
    expect(verdicts).toMatchObject([{ session: id, verdict: 'desktop-only', device }]);
    expect(complaints).toHaveLength(1);
  });
});
