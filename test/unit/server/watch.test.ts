import { describe, expect, it } from 'vitest';
import { watchLimits } from '../../../gateway-core/server/watch/limits.js';
import { randomOf, seedOfRun } from '../../sim/random.js';
import { agentOf, newTerminal, personOf, screenOf, WatchWorld } from './watch-setup.js';

const seed = seedOfRun();
const aTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const closedOf = (items: readonly { kind: string }[]): unknown => items.find(({ kind }) => kind === 'closed');

describe('before anything is shown', () => {
  it('that somebody watches is durable before the first byte goes out', async () => {
    const world = new WatchWorld();
    const session = world.session();
    world.shell(session);
    world.held = true;
    let opened = false;
    const watching = world.watch(session).then((watch) => {
      opened = true;
      return watch;
    });
    for (let turn = 0; turn < 5; turn += 1) await aTurn();
    expect(opened).toBe(false);
    expect(world.events('session.watched')).toMatchObject([
      { told: true, by: personOf('demo/admin', 'Ada Admin') },
    ]);
    world.release();
    expect(await (await watching).until(([first]) => first)).toMatchObject({ kind: 'beat' });
  });

  it('what cannot be put on record is not shown, and nothing of the session is held on to', async () => {
    const world = new WatchWorld();
    const session = world.session();
    world.failing = true;
    await expect(world.watch(session)).rejects.toMatchObject({ code: 'not-recordable' });
    expect(world.told).toEqual([]);
    expect(world.watches.watchers).toBe(0);
  });

  it('the person is told who watches, in their terminal, too, until it is over', async () => {
    const world = new WatchWorld();
    const session = world.session();
    const watch = await world.watch(session);
    expect(world.told.at(-1)).toEqual([
      { principal: 'demo/admin', name: 'Ada Admin', since: '2026-11-21T08:00:00.000Z' },
    ]);
    expect(world.watches.of(session.id)).toEqual(world.told.at(-1));
    await watch.cancel();
    expect(world.told.at(-1)).toEqual([]);
    expect(world.events('session.unwatched')).toMatchObject([{ why: 'left' }]);
    expect(world.notices).toEqual([
      'throughline: Ada Admin watches this session since 08:00 UTC',
      'throughline: Ada Admin no longer watches this session (08:00 UTC)',
    ]);
  });

  it('whoever watches their own session is not announced to themselves; an agent of theirs is', async () => {
    const world = new WatchWorld();
    const session = world.session();
    await world.watch(session, { chain: personOf('demo/engineer') });
    expect(world.watches.of(session.id)).toEqual([]);
    await world.watch(session, { chain: agentOf('demo/engineer', 'claude') });
    expect(world.watches.of(session.id)).toMatchObject([{ name: 'claude of engineer' }]);
    expect(world.events('session.watched')).toMatchObject([{ told: false }, { told: true }]);
  });

  it('a name that would steer a terminal is written without what steers it', async () => {
    const world = new WatchWorld();
    const session = world.session();
    await world.watch(session, { chain: personOf('demo/admin', 'Eve\x1b]0;x\x07\r\n\u202e\u2028') });
    expect(world.notices[0]).toBe(
      'throughline: Eve?]0;x????? watches this session since 08:00 UTC'.replace('?????', '?????'),
    );
    expect(world.notices[0]).not.toMatch(/[\p{C}\p{Zl}]/u);
  });
});

describe(`what is shown, seed ${seed}`, () => {
  it('is nothing that is not durable yet', async () => {
    const world = new WatchWorld();
    const session = world.session();
    world.shell(session);
    const watch = await world.watch(session);
    await watch.until((items) => items.find(({ kind }) => kind === 'screen'));
    world.held = true;
    world.show(session, 'secret so far');
    const next = watch.until((items) => items.find(({ kind }) => kind === 'terminal'));
    let came = false;
    void next.then(() => {
      came = true;
    });
    for (let turn = 0; turn < 20; turn += 1) await aTurn();
    expect(came).toBe(false);
    world.release();
    expect(await next).toMatchObject({ data: 'secret so far' });
  });

  it('is the screen of whoever works there, whenever one begins to watch and however output is cut', async () => {
    const random = randomOf(seed);
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
    const pieces = [
      'hello ',
      '\r\nready> ',
      '\x1b[31mred\x1b[0m',
      '\x1b[2J\x1b[H',
      '\x1b[?1049h\x1b[2J\x1b[3;5Hwhole',
      '\x1b[?1049l',
      '\x1b[2;6r\x1b[6;1H',
      '\r\n\r\n',
      '\x1b[r',
      '\x1b[5;20Hthere',
      'a line that is longer than the terminal has columns, by some',
      '\x1b7moved\x1b8',
      '\x1b[K',
      '日本 é 🙂',
      '\t.\b\b',
    ];
    for (let round = 0; round < 12; round += 1) {
      const world = new WatchWorld();
      const session = world.session();
      world.shell(session);
      const reference = newTerminal(40, 10);
      const say = (count: number): void => {
        for (let each = 0; each < count; each += 1) {
          const text = pick(pieces);
          reference.write(text);
          const bytes = Buffer.from(text);
          // Cut between two characters: where the recording is joined with what comes, a half one is lost.
          const cut = Math.floor(random() * bytes.length);
          const isInside = ((bytes[cut] ?? 0) & 0xc0) === 0x80;
          world.show(session, isInside ? bytes : bytes.subarray(0, cut));
          if (!isInside) world.show(session, bytes.subarray(cut));
        }
      };
      say(5 + Math.floor(random() * 30));
      const opening = world.watch(session);
      say(Math.floor(random() * 10));
      const watch = await opening;
      say(Math.floor(random() * 10));
      await aTurn();
      say(5);
      await watch.untilScreen(await screenOf(reference));
      await watch.cancel();
    }
  });

  it('follows the size of the terminal', async () => {
    const world = new WatchWorld();
    const session = world.session();
    world.shell(session);
    world.show(session, 'before');
    const watch = await world.watch(session);
    await watch.until((items) => items.find(({ kind }) => kind === 'screen'));
    world.recorder.content(session.id, 1, 'terminal-size', Buffer.from('60x12'));
    world.show(session, ' after');
    const reference = newTerminal(60, 12);
    reference.write('before after');
    await watch.untilScreen(await screenOf(reference));
  });

  it('is also what a program without a terminal says, and how it ended', async () => {
    const world = new WatchWorld();
    const session = world.session();
    const watch = await world.watch(session);
    world.decided(session, 1, 'make', 'exec');
    await aTurn();
    world.show(session, 'compiling\n', 1, 'stdout');
    world.show(session, 'a warning\n', 1, 'stderr');
    world.ended(session, 1);
    await watch.until((items) => items.find(({ kind }) => kind === 'outcome'));
    expect(watch.items.slice(1)).toMatchObject([
      { kind: 'statement', text: 'make', command: 'exec' },
      { kind: 'output', stream: 'stdout', text: 'compiling\n', cut: false },
      { kind: 'output', stream: 'stderr', text: 'a warning\n', cut: false },
      { kind: 'outcome', state: 'ok' },
    ]);
  });

  it('never is the raw stream, and nothing of other sessions', async () => {
    const world = new WatchWorld();
    const [session, other] = [world.session(1), world.session(2)];
    world.shell(session);
    const watch = await world.watch(session);
    world.show(other, 'of somebody else');
    world.show(session, 'hashes', 0, 'wire');
    world.show(session, 'mine');
    await watch.until((items) => items.find((item) => 'data' in item && item.data.includes('mine')));
    expect(JSON.stringify(watch.items)).not.toMatch(/somebody else|hashes/);
  });
});

describe('a watcher who is slow', () => {
  it('misses what is too much, is told so, and gets the screen as it is', async () => {
    const world = new WatchWorld();
    const session = world.session();
    world.shell(session);
    const watch = await world.watch(session);
    const other = await world.watch(session);
    await watch.until((items) => items.find(({ kind }) => kind === 'screen'));
    const reference = newTerminal(40, 10);
    const line = 'x'.repeat(30_000);
    for (let round = 0; round < 40; round += 1) {
      const text = `${line}\r\nline ${round}\r\n`;
      reference.write(text);
      world.show(session, text);
      // Somebody else reads along: it was told to both.
      await other.until((items) =>
        items.slice(-3).find((item) => 'data' in item && item.data.endsWith(`line ${round}\r\n`)),
      );
    }
    expect(other.of('missed')).toEqual([]);
    const before = watch.bytes;
    await watch.untilScreen(await screenOf(reference));
    expect(watch.of('missed').length).toBeGreaterThan(0);
    // All that waited is within its bound, not the 1.2 MB that were shown.
    expect(watch.bytes - before).toBeLessThan(watchLimits.waitingCharactersMax + 200_000);
  });

  it('costs a flood no more than its last part: the picture says that it may not be whole', async () => {
    const world = new WatchWorld();
    const session = world.session();
    world.shell(session);
    const watch = await world.watch(session);
    await watch.until((items) => items.find(({ kind }) => kind === 'screen'));
    const reference = newTerminal(40, 10);
    const block = Buffer.from('flood of lines\r\n'.repeat(2000));
    for (let round = 0; round < 100; round += 1) world.show(session, block);
    world.show(session, 'the end');
    reference.write(Buffer.concat([block, Buffer.from('the end')]));
    await watch.untilScreen(await screenOf(reference));
    expect(watch.of('screen').at(-1)).toMatchObject({ whole: false });
    expect(watch.bytes).toBeLessThan(200_000);
  });
});

describe('it ends', () => {
  it('with the session, and says how that ended; nothing is written behind its end', async () => {
    const world = new WatchWorld();
    const session = world.session();
    world.shell(session);
    const watch = await world.watch(session);
    world.show(session, 'last words');
    world.ended(session, 1);
    world.sessionEnded(session);
    await watch.rest();
    expect(watch.items.slice(-3)).toMatchObject([
      { kind: 'outcome' },
      { kind: 'end', endCause: 'client' },
      { kind: 'closed', why: 'session-ended' },
    ]);
    expect(world.events('session.unwatched')).toEqual([]);
    expect(world.watches.watchers).toBe(0);
  });

  it('when rights go: what waited is not shown any more', async () => {
    const world = new WatchWorld();
    const session = world.session();
    world.shell(session);
    let may = true;
    const watch = await world.watch(session, { refusal: (full) => (full && !may ? 'rights' : undefined) });
    await watch.until((items) => items.find(({ kind }) => kind === 'screen'));
    world.show(session, 'while it was allowed');
    await new Promise((resolve) => setTimeout(resolve, 2 * watchLimits.roundMs));
    may = false;
    world.watches.rightsChanged();
    expect(closedOf(await watch.rest())).toMatchObject({ why: 'rights' });
    expect(JSON.stringify(watch.items)).not.toContain('while it was allowed');
    expect(world.events('session.unwatched')).toMatchObject([{ why: 'rights' }]);
    expect(world.watches.of(session.id)).toEqual([]);
  });

  it('with the sign-in of whoever watches, and only theirs', async () => {
    const world = new WatchWorld();
    const session = world.session();
    world.shell(session);
    const [one, other] = [
      await world.watch(session, { signIn: 'sgn_1' }),
      await world.watch(session, { signIn: 'sgn_2' }),
    ];
    world.watches.signInEnded('sgn_1');
    expect(closedOf(await one.rest())).toMatchObject({ why: 'signed-out' });
    world.show(session, 'still shown');
    await other.until((items) => items.find((item) => 'data' in item && item.data.includes('still')));
  });

  it('when what is shown cannot be kept', async () => {
    const world = new WatchWorld();
    const session = world.session();
    world.shell(session);
    const watch = await world.watch(session);
    await watch.until((items) => items.find(({ kind }) => kind === 'screen'));
    world.failing = true;
    world.show(session, 'not kept');
    expect(closedOf(await watch.rest())).toMatchObject({ why: 'lost' });
    expect(JSON.stringify(watch.items)).not.toContain('not kept');
  });
});

describe('bounds', () => {
  it('more watchers than a sign-in may have are refused, until one leaves', async () => {
    const world = new WatchWorld();
    const session = world.session();
    const watches = [];
    for (let each = 0; each < watchLimits.watchersPerSignInMax; each += 1)
      watches.push(await world.watch(session));
    await expect(world.watch(session)).rejects.toMatchObject({ code: 'rate-limited' });
    await watches[0]?.cancel();
    await world.watch(session);
  });

  it('those who are only on their way count, too', async () => {
    const world = new WatchWorld();
    const session = world.session();
    world.held = true;
    const more = watchLimits.watchersPerSessionMax + 5;
    const opening = Array.from({ length: more }, (_, each) =>
      world.watch(session, { signIn: `sgn_${each}` }).then(
        () => 'in',
        () => 'refused',
      ),
    );
    world.release();
    const outcomes = await Promise.all(opening);
    expect(outcomes.filter((each) => each === 'in')).toHaveLength(watchLimits.watchersPerSessionMax);
  });

  it('of more terminals than are painted, those that say something are shown', async () => {
    const world = new WatchWorld();
    const session = world.session();
    const count = watchLimits.terminalsMax + 4;
    for (let seq = 1; seq <= count; seq += 1) world.shell(session, seq);
    const watch = await world.watch(session);
    await watch.until((items) => items.find(({ kind }) => kind === 'screen'));
    world.show(session, 'hidden at first', 1);
    const screen = await watch.until((items) =>
      items.find((item) => item.kind === 'screen' && item.seq === 1 && item.data.includes('hidden')),
    );
    expect(screen).toMatchObject({ columns: 40, rows: 10, whole: false });
  });
});
