import { afterEach, describe, expect, it } from 'vitest';
import { serviceLimits } from '../../../../gateway-core/agent/service/limits.js';
import { Replays } from '../../../../gateway-core/agent/service/replays.js';
import type { ReplayItem } from '../../../../gateway-core/contract/api.js';
import { SessionId } from '../../../../gateway-core/contract/ids.js';

const limits = serviceLimits as { -readonly [N in keyof typeof serviceLimits]: number };
const real = { ...serviceLimits };
afterEach(() => void Object.assign(limits, real));

const statement = (seq: number, text: string): ReplayItem => ({
  kind: 'statement',
  atMs: seq * 10,
  seq,
  text,
  decision: 'allowed',
});
const row = (seq: number, ...values: (string | null)[]): ReplayItem => ({
  kind: 'row',
  atMs: seq * 10 + 1,
  seq,
  values,
});
const outcome = (seq: number, more: Partial<Extract<ReplayItem, { kind: 'outcome' }>> = {}): ReplayItem => ({
  kind: 'outcome',
  atMs: seq * 10 + 2,
  seq,
  state: 'ok',
  ...more,
});
const end: ReplayItem = { kind: 'end', atMs: 1000, endCause: 'client' };

/** A recording as it comes over the network; `taken` counts what was read of it. */
function recording(items: readonly ReplayItem[]): {
  items: AsyncGenerator<ReplayItem>;
  taken: () => number;
  ended: () => boolean;
} {
  let taken = 0;
  let ended = false;
  async function* read(): AsyncGenerator<ReplayItem> {
    try {
      for (const item of items) {
        taken += 1;
        yield await Promise.resolve(item);
      }
    } finally {
      ended = true;
    }
  }
  return { items: read(), taken: () => taken, ended: () => ended };
}

const shop: readonly ReplayItem[] = [
  {
    kind: 'session',
    session: SessionId.parse(`ses_${'0'.repeat(26)}`),
    connection: 'shop-db',
    principal: 'demo/anna',
    chain: [] as unknown as Extract<ReplayItem, { kind: 'session' }>['chain'],
    startedAt: '2026-11-21T10:00:00.000Z',
  },
  statement(1, 'select "Name" from t'),
  { kind: 'columns', atMs: 11, seq: 1, columns: ['Name'] },
  row(1, 'Anna "the" \\ first', null),
  outcome(1, { tag: 'SELECT 1', rows: 1 }),
  { kind: 'problem', code: 'hole', text: 'a part is missing' },
  statement(2, 'delete from t'),
  outcome(2, { state: 'error', error: 'permission denied' }),
  end,
];

describe('a replay', () => {
  it('tells what happened, and gives each item as it was recorded', async () => {
    const replays = new Replays();
    const head = await replays.open(recording(shop).items);
    expect(head).toMatchObject({ items: shop.length, durationMs: 1000, live: false, cut: false });
    expect(head.statements).toEqual([
      { item: 1, atMs: 10, seq: 1, text: 'select "Name" from t', decision: 'allowed', rows: 1, shows: true },
      {
        item: 6,
        atMs: 20,
        seq: 2,
        text: 'delete from t',
        decision: 'allowed',
        error: 'permission denied',
        shows: false,
      },
    ]);
    expect(head.problems).toEqual([{ code: 'hole', text: 'a part is missing' }]);
    expect(replays.items(head.replay, 0, 1000)).toEqual(shop);
    expect(replays.items(head.replay, 3, 1)).toEqual([shop[3]]);
    expect(replays.items(head.replay, 100, 1)).toEqual([]);
  });

  it('of a session that still runs says so', async () => {
    expect(await new Replays().open(recording(shop.slice(0, -1)).items)).toMatchObject({
      live: true,
      cut: false,
    });
  });

  it('finds what people see, whatever its case, and no names of fields', async () => {
    const replays = new Replays();
    const { replay } = await replays.open(recording(shop).items);
    const found = async (text: string): Promise<number[]> => (await replays.find(replay, text)).items;
    expect(await found('ANNA')).toEqual([0, 3]);
    expect(await found('"the" \\')).toEqual([3]);
    expect(await found('name')).toEqual([1, 2]);
    expect(await found('denied')).toEqual([7]);
    expect(await found('kind')).toEqual([]);
    expect(await found('atMs')).toEqual([]);
    expect(await found('null')).toEqual([]);
  });

  it('holds no more items than its bound, stops reading there, and says that it was cut', async () => {
    limits.replayItemsMax = 5;
    const source = recording(shop);
    const head = await new Replays().open(source.items);
    // Whether the session has ended is not known, so nobody is told to come again for more.
    expect(head).toMatchObject({ items: 5, cut: true, live: false, problems: [] });
    expect(head.statements).toHaveLength(1);
    expect(source.taken()).toBe(6);
    expect(source.ended()).toBe(true);
  });

  it('holds no more bytes than its bound', async () => {
    limits.replayBytesMax = 10_000;
    const replays = new Replays();
    const rows = Array.from({ length: 100 }, (_, index) => row(index, 'x'.repeat(1000)));
    const head = await replays.open(recording(rows).items);
    expect(head.cut).toBe(true);
    expect(JSON.stringify(replays.items(head.replay, 0, 1000)).length).toBeLessThan(10_100);
  });

  it('finds no more than a bounded number of items, and says so', async () => {
    limits.replayHitsMax = 3;
    const replays = new Replays();
    const rows = Array.from({ length: 4 }, (_, index) => row(index, 'same'));
    const { replay } = await replays.open(recording(rows).items);
    expect(await replays.find(replay, 'same')).toEqual({ items: [0, 1, 2], cut: true });
    limits.replayHitsMax = 4;
    expect(await replays.find(replay, 'same')).toEqual({ items: [0, 1, 2, 3], cut: false });
  });

  it('is closed when it is the oldest of too many, and when it is asked to be', async () => {
    limits.replaysMax = 2;
    const replays = new Replays();
    const heads = [];
    for (let count = 0; count < 3; count += 1) heads.push(await replays.open(recording(shop).items));
    const [first, second, third] = heads.map(({ replay }) => replay);
    expect(() => replays.items(first ?? '', 0, 1)).toThrow('this replay is closed');
    expect(replays.items(second ?? '', 0, 1)).toHaveLength(1);
    replays.close(second ?? '');
    expect(() => replays.items(second ?? '', 0, 1)).toThrow('this replay is closed');
    expect(replays.items(third ?? '', 0, 1)).toHaveLength(1);
  });

  it('that is still read when all are closed is not kept: a sign-out leaves none', async () => {
    const replays = new Replays();
    const opening = replays.open(recording(shop).items);
    replays.closeAll();
    await expect(opening).rejects.toMatchObject({ code: 'not-found' });
  });

  it('whose recording breaks off is an error, not half a replay', async () => {
    async function* broken(): AsyncGenerator<ReplayItem> {
      yield await Promise.resolve(statement(1, 'select 1'));
      throw new Error('cut off');
    }
    await expect(new Replays().open(broken())).rejects.toThrow('cut off');
  });
});
