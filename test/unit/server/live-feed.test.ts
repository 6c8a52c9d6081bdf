import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { LiveItem } from '../../../gateway-core/contract/api.js';
import type { AuditEventInput } from '../../../gateway-core/contract/events.js';
import { feedLimits } from '../../../gateway-core/server/live-feed.js';
import { me, newWorld, type World } from './feed-setup.js';

const other = 'demo/engineer';
const longText = 'x'.repeat(60_000);

let world: World;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval'] });
  world = newWorld();
});
afterEach(() => {
  vi.useRealTimers();
});

const kinds = (items: readonly LiveItem[]): string[] => items.map(({ kind }) => kind);
const texts = (items: readonly LiveItem[]): string[] =>
  items.flatMap((item) => (item.kind === 'statement' ? [item.statement.text] : []));

/** A session with one statement that is told with its end. */
function work(number: number, principal: string, text: string): void {
  const session = world.started(number, principal);
  world.decided(session, 1, text);
  world.ended(session, 1);
  world.sessionEnded(session);
}

describe('who may not see a session', () => {
  it('never gets a line of it: no statement, no count, no hint to read again', async () => {
    const early = world.started(1, other);
    world.decided(early, 1, 'select secret_a');
    const reader = world.open();
    world.ended(early, 1);
    world.decided(early, 2, 'select secret_b');
    work(2, other, 'select secret_c');
    work(3, me, 'select mine');
    vi.advanceTimersByTime(feedLimits.countMs);
    world.sessionEnded(early);
    const items = await reader.read();
    expect(kinds(items)).toEqual(['beat', 'session', 'statement', 'statement', 'session']);
    expect(reader.bytes()).not.toMatch(/secret|engineer/);
    expect(reader.bytes()).not.toContain(early);
  });

  it('gets nothing of it after being too slow either', async () => {
    const reader = world.open();
    const session = world.started(1, other);
    for (let seq = 1; seq <= feedLimits.waitingMax * 2; seq += 1)
      world.decided(session, seq, 'select secret');
    expect(kinds(await reader.read())).toEqual(['beat']);
  });

  it('gets nothing when the question itself fails', async () => {
    const reader = world.open({
      maySee: () => {
        throw new Error('the policy engine is broken');
      },
    });
    work(1, me, 'select mine');
    expect(kinds(await reader.read())).toEqual(['beat']);
  });

  it('reads nothing that waited from the time before the rights went', async () => {
    let may = true;
    const reader = world.open({ maySee: () => may, isOwn: () => true });
    work(1, other, 'select secret');
    may = false;
    world.feed.rightsChanged();
    work(2, other, 'select secret');
    expect(kinds(await reader.read())).toEqual(['rights', 'resync']);
    expect(reader.bytes()).not.toContain('secret');
  });
});

describe('a session', () => {
  it('that becomes visible is told from then on, and no more once it is not', async () => {
    let may = false;
    const reader = world.open({ maySee: () => may, isOwn: () => true });
    const session = world.started(1, other);
    world.decided(session, 1, 'select before');
    may = true;
    world.feed.rightsChanged();
    world.decided(session, 2, 'select while');
    const seen = await reader.read();
    expect(kinds(seen)).toEqual(['rights', 'statement']);
    expect(texts(seen)).toEqual(['select while']);
    may = false;
    world.feed.rightsChanged();
    world.decided(session, 3, 'select after');
    vi.advanceTimersByTime(feedLimits.countMs);
    expect(kinds(await reader.read())).toEqual(['rights']);
  });

  it('is asked for once while policy has no clock in it, and every time when it has', () => {
    const maySee = vi.fn(() => true);
    world.open({ maySee });
    work(1, me, 'select 1');
    expect(maySee).toHaveBeenCalledTimes(1);
    world.policies.useTime = true;
    work(2, me, 'select 2');
    expect(maySee).toHaveBeenCalledTimes(1 + 4);
  });

  it('is told in the order of its events, each statement when it is decided and when it ended', async () => {
    const reader = world.open();
    const session = world.started(1, me);
    world.decided(session, 1, 'select 1');
    world.ended(session, 1);
    world.decided(session, 2, 'select 2');
    world.ended(session, 2);
    world.sessionEnded(session);
    const items = await reader.read();
    expect(kinds(items)).toEqual(['beat', 'session', ...Array<string>(4).fill('statement'), 'session']);
    expect(items.flatMap((item) => (item.kind === 'statement' ? [item.statement.durationMs] : []))).toEqual([
      0, 1.5, 0, 1.5,
    ]);
    expect(items.at(-1)).toMatchObject({ session: { state: 'ended', statements: 1, endCause: 'client' } });
  });

  it('tells its count of statements, at most so often', async () => {
    const reader = world.open();
    const session = world.started(1, me);
    for (let seq = 1; seq <= 50; seq += 1) world.decided(session, seq, 'select 1', 'denied');
    vi.advanceTimersByTime(feedLimits.countMs);
    const counts = (await reader.read()).flatMap((item) =>
      item.kind === 'session' ? [item.session.statements] : [],
    );
    expect(counts).toEqual([0, 50]);
  });

  it('whose statement began before anybody read tells who may see it to read again', async () => {
    const session = world.started(1, me);
    world.decided(session, 1, 'select 1');
    const reader = world.open();
    world.ended(session, 1);
    expect(kinds(await reader.read())).toEqual(['beat', 'resync']);
  });

  it('whose end cannot be kept is forgotten, and told as something to read again', async () => {
    const reader = world.open();
    const session = world.started(1, me);
    world.decided(session, 1, 'select 1');
    const end = { kind: 'session.ended', session } as Parameters<typeof world.feed.missed>[0];
    world.feed.missed(end);
    world.ended(session, 1);
    expect(kinds(await reader.read())).toEqual(['beat', 'session', 'statement', 'resync']);
    expect(world.feed.running.statements).toBe(0);
  });
});

describe('statements of others', () => {
  it('are told only once it is on record that somebody reads along', async () => {
    let durable: () => void = () => undefined;
    const noteOthers = vi.fn(
      () =>
        new Promise<void>((resolve) => {
          durable = resolve;
        }),
    );
    const reader = world.open({ maySee: () => true, noteOthers });
    const session = world.started(1, other);
    world.decided(session, 1, 'select early');
    world.ended(session, 1);
    expect(kinds(await reader.read())).toEqual(['beat', 'session']);
    durable();
    expect(kinds(await reader.read())).toEqual(['resync']);
    world.decided(session, 2, 'select late');
    expect(texts(await reader.read())).toEqual(['select late']);
    expect(noteOthers).toHaveBeenCalledTimes(1);
    expect(reader.bytes()).not.toContain('early');
  });

  it('are not told when that cannot be put on record: the feed ends', async () => {
    const reader = world.open({ maySee: () => true, noteOthers: () => Promise.reject(new Error('full')) });
    world.decided(world.started(1, other), 1, 'select 1');
    expect(texts(await reader.rest())).toEqual([]);
  });

  it('are not on record as read when the person has only their own', async () => {
    const reader = world.open({ maySee: () => true });
    work(1, me, 'select 1');
    expect(texts(await reader.read())).toEqual(['select 1', 'select 1']);
    expect(reader.notes()).toBe(0);
  });
});

describe('a credential that turned up elsewhere', () => {
  const misused = (principal: string) =>
    ({
      kind: 'credential.misused',
      misuse: 'shared',
      delegation: 'dlg_01J9ZQ4T3V8M6K2N5P7R9S1W0X',
      chain: [{ id: principal, kind: 'person', name: principal, assurance: 'proven' }],
      verdict: 'denied',
    }) as unknown as AuditEventInput;

  it('is told to its person and to who looks after people, and to nobody else', async () => {
    const readers = [
      world.open(),
      world.open({ ownPrincipal: 'demo/admin', looksAfterPeople: () => true }),
      world.open({ ownPrincipal: other }),
    ];
    world.feed.hear(misused(me));
    const read = await Promise.all(readers.map((each) => each.read()));
    expect(read.map(kinds)).toEqual([['beat', 'misuse'], ['beat', 'misuse'], ['beat']]);
  });
});

describe('a slow reader', () => {
  it('loses what waited, is told so once, and then gets what comes', async () => {
    const reader = world.open();
    const session = world.started(1, me);
    for (let seq = 1; seq <= feedLimits.waitingMax * 3; seq += 1) world.decided(session, seq, 'select 1');
    expect(kinds(await reader.read())).toEqual(['resync']);
    world.decided(session, 20_000, 'select later');
    expect(texts(await reader.read())).toEqual(['select later']);
  });

  it('never has more than a bound waiting, however long the statements are', async () => {
    const reader = world.open();
    const session = world.started(1, me);
    const fits = Math.floor(feedLimits.waitingCharactersMax / (longText.length + 1000));
    for (let seq = 1; seq <= fits; seq += 1) world.decided(session, seq, longText, 'denied');
    expect(texts(await reader.read())).toHaveLength(fits);
    for (let seq = 1; seq <= fits * 3; seq += 1) world.decided(session, seq, longText, 'denied');
    expect(kinds(await reader.read())).toEqual(['resync']);
  });

  it('gets a line that is longer than what may wait, if it waits alone', async () => {
    const reader = world.open();
    const session = world.started(1, me);
    await reader.read();
    const text = 'x'.repeat(feedLimits.waitingCharactersMax + 1);
    world.decided(session, 1, text, 'denied');
    expect(texts(await reader.read())).toEqual([text]);
  });

  it('does not hold up another one', async () => {
    world.open();
    const quick = world.open({ signIn: 'sgn_2' });
    const session = world.started(1, me);
    for (let seq = 1; seq <= feedLimits.waitingMax * 2; seq += 1) {
      world.decided(session, seq, 'select 1');
      if (seq % 1000 === 0) expect(texts(await quick.read())).toHaveLength(1000);
    }
    expect(quick.bytes()).not.toContain('resync');
  });
});

describe('statements that have not ended', () => {
  it('are forgotten with their session, when they were refused, and when nobody reads any more', async () => {
    const reader = world.open();
    const session = world.started(1, me);
    world.decided(session, 1, 'select 1');
    world.decided(session, 2, 'drop table', 'denied');
    world.decided(session, 3, 'drop table', 'refused');
    world.decided(session, 4, 'drop table', 'timed-out');
    expect(world.feed.running).toEqual({ statements: 1, characters: 8 });
    world.sessionEnded(session);
    expect(world.feed.running).toEqual({ statements: 0, characters: 0 });
    world.decided(world.started(2, me), 1, 'select 1');
    expect(world.feed.running.statements).toBe(1);
    await reader.cancel();
    expect(world.feed.running).toEqual({ statements: 0, characters: 0 });
  });

  it('are held up to a bound of their texts; past it their end is told as something to read again', async () => {
    const reader = world.open();
    const session = world.started(1, me);
    const count = Math.ceil(feedLimits.runningCharactersMax / longText.length) + 10;
    for (let seq = 1; seq <= count; seq += 1) world.decided(session, seq, longText);
    expect(world.feed.running.characters).toBeLessThanOrEqual(feedLimits.runningCharactersMax);
    await reader.read();
    world.ended(session, count);
    world.ended(session, 1);
    expect(kinds(await reader.read())).toEqual(['resync', 'statement']);
  });

  it('that were held and then approved are told with each decision, from their first moment', async () => {
    const reader = world.open();
    const session = world.started(1, me);
    world.decided(session, 1, 'delete from orders', 'held');
    world.clock.nowMs += 60_000;
    world.decided(session, 1, 'delete from orders', 'approved');
    world.ended(session, 1);
    const statements = (await reader.read()).flatMap((item) =>
      item.kind === 'statement' ? [item.statement] : [],
    );
    expect(statements.map(({ decision }) => decision)).toEqual(['held', 'approved', 'approved']);
    expect(new Set(statements.map(({ startedAt }) => startedAt)).size).toBe(1);
  });
});

describe('a feed', () => {
  it('begins with a beat and beats while nothing happens', async () => {
    const reader = world.open();
    expect(kinds(await reader.read())).toEqual(['beat']);
    vi.advanceTimersByTime(feedLimits.beatMs * 3);
    expect(kinds(await reader.read())).toEqual(['beat', 'beat', 'beat']);
  });

  it('ends when its sign-in ends, without what waited, and not when another does', async () => {
    const reader = world.open();
    await reader.read();
    world.endSignIn('sgn_2');
    work(1, me, 'select 1');
    expect(texts(await reader.read())).toHaveLength(2);
    work(2, me, 'select 2');
    world.endSignIn('sgn_1');
    expect(await reader.rest()).toEqual([]);
    expect(world.feed.readers).toBe(0);
  });

  it('ends with a sign-in that ended while it was being opened', async () => {
    const reader = world.open({ isOver: () => true });
    expect(await reader.rest()).toEqual([]);
    expect(world.feed.readers).toBe(0);
  });

  it('tells nothing once its reader is over: neither what comes nor what waited', async () => {
    let over = false;
    const [first, slow] = [world.open({ isOver: () => over }), world.open({ isOver: () => over })];
    await first.read();
    work(1, me, 'select 1');
    expect(texts(await first.read())).toHaveLength(2);
    over = true;
    expect(await slow.rest()).toEqual([]);
    work(2, me, 'select 2');
    expect(await first.rest()).toEqual([]);
    expect(world.feed.readers).toBe(0);
  });

  it('tells nothing after the moment in which its sign-in runs out', async () => {
    const reader = world.open({ signInEndsAtMs: world.clock.nowMs + 60_000 });
    work(1, me, 'select 1');
    expect(texts(await reader.read())).toHaveLength(2);
    world.clock.nowMs += 60_000;
    work(2, me, 'select 2');
    expect(await reader.rest()).toEqual([]);
    expect(world.feed.readers).toBe(0);
  });

  it('ends at its life limit, also when the clock was set back', async () => {
    const reader = world.open();
    await reader.read();
    world.clock.nowMs -= 365 * 24 * 3600 * 1000;
    vi.advanceTimersByTime(feedLimits.lifeMsMax);
    await reader.rest();
    expect(world.feed.readers).toBe(0);
  });

  it('is gone with its client, timers and all', async () => {
    const reader = world.open();
    await reader.read();
    await reader.cancel();
    expect(world.feed.readers).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
    expect(reader.dropped()).toBe(false);
  });

  it('takes the connection of a client that reads nothing of its end', () => {
    const reader = world.open();
    world.endSignIn('sgn_1');
    expect(reader.dropped()).toBe(false);
    vi.advanceTimersByTime(feedLimits.goodbyeMs);
    expect(reader.dropped()).toBe(true);
  });

  it('is counted for its sign-in as long as it is open', async () => {
    const readers = [world.open(), world.open(), world.open({ signIn: 'sgn_2' })];
    expect([world.feed.readers, world.feed.readersOf('sgn_1'), world.feed.readersOf('sgn_2')]).toEqual([
      3, 2, 1,
    ]);
    await readers[0]?.cancel();
    await readers[0]?.cancel();
    expect([world.feed.readers, world.feed.readersOf('sgn_1')]).toEqual([2, 1]);
  });
});
