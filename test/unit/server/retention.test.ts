import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseLeaf } from '../../../gateway-core/audit/leaf.js';
import type { ReplayItem, SessionView } from '../../../gateway-core/contract/api.js';
import type { AuditEventInput } from '../../../gateway-core/contract/events.js';
import { listSessions, segmentPath } from '../../../gateway-core/recording/paths.js';
import { removeSegmentsBefore } from '../../../gateway-core/recording/retention.js';
import { GatewayConfig } from '../../../gateway-core/server/config.js';
import { deletedOf, keepRetention, sayDeleted } from '../../../gateway-core/server/retention.js';
import { verifyRecordings } from '../../../gateway-core/server/sealer/verify-recordings.js';
import { sessionId } from '../../sim/sealer-journal.js';
import { SealerWorld } from '../../sim/sealer-world.js';

const dayMs = 24 * 3600 * 1000;
const hourMs = 3600 * 1000;

describe('how long recordings are kept', () => {
  it.each([
    ['1d', dayMs],
    ['90d', 90 * dayMs],
    ['12w', 84 * dayMs],
    ['99999w', 99_999 * 7 * dayMs],
  ])('%s is so many milliseconds', (text, ms) => {
    expect(GatewayConfig.parse({ retention: { recordings: text } }).retention?.recordings).toBe(ms);
  });

  it.each([
    '0d',
    '00d',
    '-1d',
    '1',
    '1h',
    '90',
    '1.5d',
    '1e3d',
    '100000d',
    '90 d',
    '90D',
    'd',
    '',
    90,
    null,
    true,
  ])('%j is refused: a mistake must not delete', (recordings) => {
    expect(GatewayConfig.safeParse({ retention: { recordings } }).success).toBe(false);
  });

  it('has no default, and no other key is taken for it', () => {
    expect(GatewayConfig.parse({}).retention).toBeUndefined();
    expect(GatewayConfig.parse({ retention: {} }).retention?.recordings).toBeUndefined();
    expect(GatewayConfig.safeParse({ retention: { recording: '90d' } }).success).toBe(false);
  });
});

describe('the clock of retention', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  function run(
    removed = { segments: 0, bytes: 0, sessions: [] as ReturnType<typeof sessionId>[] },
    desktops = { segments: 0, bytes: 0 },
  ) {
    const clock = { nowMs: Date.parse('2026-11-21T08:00:00.000Z') };
    const asked: number[] = [];
    const recorded: AuditEventInput[] = [];
    const complaints: string[] = [];
    const removeBefore = vi.fn((beforeMs: number) => {
      asked.push(beforeMs);
      return Promise.resolve(removed);
    });
    const stop = keepRetention({
      sealer: { caughtUp: () => Promise.resolve(), removeBefore },
      spool: { removeBefore: () => Promise.resolve(desktops) },
      retentionMs: 90 * dayMs,
      recorder: {
        record: (event) => {
          recorded.push(event);
          return Promise.resolve();
        },
        complain: (what) => complaints.push(what),
      },
      now: () => clock.nowMs,
    });
    return { clock, asked, recorded, complaints, removeBefore, stop };
  }

  it('looks soon after the start and then several times a day, until it is stopped', async () => {
    const { clock, asked, stop } = run();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toEqual([clock.nowMs - 90 * dayMs]);
    await vi.advanceTimersByTimeAsync(dayMs);
    expect(asked.length).toBeGreaterThanOrEqual(4);
    stop();
    const { length } = asked;
    await vi.advanceTimersByTimeAsync(dayMs);
    expect(asked).toHaveLength(length);
  });

  it('deletes by the clock of the moment: one that was set back asks for less, never for more', async () => {
    const { clock, asked } = run();
    await vi.advanceTimersByTimeAsync(60_000);
    clock.nowMs -= 365 * dayMs;
    await vi.advanceTimersByTimeAsync(7 * hourMs);
    expect(asked[1]).toBeLessThan(asked[0] ?? 0);
  });

  it('deletes what desktops recorded together with what the gateway did, and says so', async () => {
    const { recorded } = run({ segments: 3, bytes: 1000, sessions: [] }, { segments: 2, bytes: 50 });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(recorded).toMatchObject([{ kind: 'recordings.removed', segments: 5, bytes: 1050 }]);
  });

  it('puts on record what it deleted, and nothing when there was nothing', async () => {
    const nothing = run();
    const something = run({ segments: 3, bytes: 1000, sessions: [sessionId(1)] });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(nothing.recorded).toEqual([]);
    const before = new Date(something.clock.nowMs - 90 * dayMs).toISOString();
    expect(something.recorded).toEqual([
      { kind: 'recordings.removed', before, segments: 3, bytes: 1000, sessions: 1 },
    ]);
  });

  it('tells the operator when it cannot delete, and tries again', async () => {
    const { complaints, removeBefore } = run();
    removeBefore.mockRejectedValueOnce(new Error('EIO'));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(complaints).toEqual(['old recordings could not be removed']);
    await vi.advanceTimersByTimeAsync(7 * hourMs);
    expect(removeBefore).toHaveBeenCalledTimes(2);
    expect(complaints).toHaveLength(1);
  });
});

describe('what retention deletes', () => {
  let world: SealerWorld;
  beforeEach(() => {
    world = new SealerWorld({ segmentBytes: 400 });
  });
  afterEach(() => world.dispose());

  const texts = (count: number): string[] => Array.from({ length: count }, (_, at) => `select ${at} from t`);
  /** Milliseconds since 1970 of the record at this position. */
  const timeOf = (position: number): number => {
    const record = world.journal.records[position];
    if (record === undefined) throw new Error('there is no such record');
    return record.kind === 'event' ? Date.parse(record.event.at) : record.atMs;
  };
  const problems = (keptSinceMs: number) =>
    verifyRecordings(world.place, world.openLog(), keptSinceMs).problems.map(({ code }) => code);
  const logged = () => {
    const log = world.openLog();
    return [...log.entries(0, log.size)].map((entry) => parseLeaf(entry)?.kind);
  };

  it('is whole sessions that ended, never a leaf of the audit log, and verification holds', async () => {
    world.journal.session(sessionId(1), texts(8));
    const betweenMs = timeOf(world.journal.records.length - 1) + 1;
    world.journal.session(sessionId(2), texts(8));
    await world.live();
    const before = logged();
    const { sessions } = await removeSegmentsBefore(world.place, betweenMs);
    expect(sessions).toEqual([sessionId(1)]);
    expect([...listSessions(world.files, '/recordings')]).toEqual([sessionId(2)]);
    expect(logged()).toEqual(before);
    expect(problems(betweenMs)).toEqual([]);
    expect(problems(0)).toContain('recording-missing');
  });

  it('at a clock that was set back is nothing', async () => {
    world.journal.session(sessionId(1), texts(8));
    await world.live();
    expect(await removeSegmentsBefore(world.place, timeOf(0))).toMatchObject({ segments: 0, sessions: [] });
    expect(await removeSegmentsBefore(world.place, -dayMs)).toMatchObject({ segments: 0, sessions: [] });
  });

  it('is never the last of a session that still runs, and the sealer goes on with it', async () => {
    const session = sessionId(1);
    world.journal.started(session);
    for (const [at, text] of texts(12).entries()) {
      world.journal.decided(session, at + 1, text);
      world.journal.ended(session, at + 1);
    }
    await world.live();
    const nowMs = timeOf(world.journal.records.length - 1) + dayMs;
    expect((await removeSegmentsBefore(world.place, nowMs)).sessions).toEqual([]);
    expect([...listSessions(world.files, '/recordings')]).toEqual([session]);
    expect(problems(nowMs)).toEqual([]);
    world.journal.sessionEnded(session, 12);
    await world.live();
    expect(problems(nowMs)).toEqual([]);
  });

  it('may be the beginning of a session that ended later: verification takes that, and no more than that', async () => {
    const session = sessionId(1);
    world.journal.session(session, texts(20));
    await world.live();
    const middleMs = timeOf(Math.floor(world.journal.records.length / 2));
    const { segments } = await removeSegmentsBefore(world.place, middleMs);
    expect(segments).toBeGreaterThan(0);
    expect(problems(middleMs)).toEqual([]);
    expect(problems(0)).toContain('segment-missing');
    world.files.removeFile(segmentPath('/recordings', session, segments + 1));
    expect(problems(middleMs)).toContain('segment-missing');
  });

  it('stays excused when recordings are kept longer from then on: the log says what was deleted', async () => {
    world.journal.session(sessionId(1), texts(8));
    await world.live();
    const beforeMs = timeOf(world.journal.records.length - 1) + 1;
    const { segments, bytes, sessions } = await removeSegmentsBefore(world.place, beforeMs);
    expect(problems(0)).not.toEqual([]);
    const before = new Date(beforeMs).toISOString();
    world.journal.event({ kind: 'recordings.removed', before, segments, bytes, sessions: sessions.length });
    await world.live();
    expect(problems(0)).toEqual([]);
  });

  it('excuses no recording that somebody removed and that is younger', async () => {
    world.journal.session(sessionId(1), texts(8));
    const beforeMs = timeOf(world.journal.records.length - 1) + 1;
    world.journal.session(sessionId(2), texts(8));
    await world.live();
    for (const path of world.files.paths()) world.files.removeFile(path);
    const report = verifyRecordings(world.place, world.openLog(), beforeMs);
    expect(new Set(report.problems.map(({ where }) => where.split(' ')[0]))).toEqual(new Set([sessionId(2)]));
  });
});

describe('a recording that is not there', () => {
  const session: SessionView = {
    id: sessionId(1),
    connection: 'shop-db',
    protocol: 'postgres',
    principal: 'demo/contractor',
    chain: [{ id: 'demo/contractor', kind: 'person', name: 'Contractor', assurance: 'proven' }],
    state: 'ended',
    startedAt: '2026-08-01T10:00:00.000Z',
    endedAt: '2026-08-01T12:00:00.000Z',
    statements: 1,
    via: 'tunnel',
  };
  const whole = { code: 'recording-missing', where: session.id } as const;
  const front = { code: 'segment-missing', where: `${session.id} segment 1` } as const;
  const at = (text: string): number => Date.parse(`2026-08-01T${text}:00.000Z`);

  it('was deleted by retention only when it is as old as that', () => {
    expect(deletedOf(session, [whole], at('12:01'))).toBe('whole');
    expect(deletedOf(session, [whole], at('12:00'))).toBeUndefined();
    expect(deletedOf(session, [front], at('11:00'))).toBe('beginning');
    expect(deletedOf(session, [front], at('10:00'))).toBeUndefined();
    expect(deletedOf(session, [], at('13:00'))).toBeUndefined();
    expect(deletedOf({ ...session, endedAt: undefined }, [whole], at('13:00'))).toBeUndefined();
  });

  it('is not excused by retention when it has a hole or does not fit its seal', () => {
    const hole = { code: 'segment-missing', where: `${session.id} segment 3` } as const;
    const damage = { code: 'frame-damaged', where: `${session.id} segment 1 frame 2` } as const;
    expect(deletedOf(session, [hole, damage], at('13:00'))).toBeUndefined();
  });

  it('says so in its replay, in these words, and leaves other problems as they are', async () => {
    const replayed = async (text: string, code: string): Promise<ReplayItem[]> => {
      async function* items(): AsyncGenerator<ReplayItem, void, undefined> {
        yield await Promise.resolve({ kind: 'problem', code, text } as const);
      }
      const said: ReplayItem[] = [];
      for await (const item of sayDeleted(items(), session, at('13:00'))) said.push(item);
      return said;
    };
    expect(await replayed(`${session.id}: the recording is not there`, 'recording-missing')).toEqual([
      {
        kind: 'problem',
        code: 'deleted-by-retention',
        text: 'retention has deleted this recording; the audit log still proves that the session was',
      },
    ]);
    expect(await replayed(`${session.id} segment 1: segments 1 to 2`, 'segment-missing')).toMatchObject([
      { code: 'deleted-by-retention', text: 'retention has deleted the beginning of this recording' },
    ]);
    expect(await replayed(`${session.id} segment 1: nothing`, 'segment-damaged')).toMatchObject([
      { code: 'segment-damaged' },
    ]);
  });
});
