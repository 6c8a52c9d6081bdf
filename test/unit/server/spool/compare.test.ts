import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EndCause } from '../../../../gateway-core/contract/events.js';
import { wireBlockBytes } from '../../../../gateway-core/contract/local-record.js';
import type { RecordedResult } from '../../../../gateway-core/server/sealer/two-sides.js';
import { compareSides, needsBlocks, type Verdict } from '../../../../gateway-core/server/spool/compare.js';
import { closed, device, gap, hashed, ids, opened, shown, sideOf, wire } from './setup.js';

const session = ids.next(1_700_000_000_000, device);
const bytesOf = (length: number, seed = 0): Buffer =>
  Buffer.from(Uint8Array.from({ length }, (_, n) => (n * 13 + (n >> 9) + seed) & 0xff));

interface Streams {
  readonly up: Uint8Array;
  readonly down: Uint8Array;
}

/** What each side has seen, and what is made of it. */
function compare(
  gateway: Streams & { cause?: EndCause; stopped?: boolean },
  desktop: Streams & { cause?: 'client' | 'gateway' | 'fault'; unended?: boolean; blocksOf?: Streams },
): Verdict {
  const ours = { up: hashed(gateway.up), down: hashed(gateway.down) };
  const theirs = { up: hashed(desktop.up), down: hashed(desktop.down) };
  const blocks = desktop.blocksOf;
  const given = blocks === undefined ? theirs : { up: hashed(blocks.up), down: hashed(blocks.down) };
  const side = sideOf(session, [
    opened(session),
    ...(given.up.hashes.length > 0 ? [wire(session, 'up', 0, given.up.hashes)] : []),
    ...(given.down.hashes.length > 0 ? [wire(session, 'down', 0, given.down.hashes)] : []),
    ...(desktop.unended === true
      ? []
      : [closed(session, theirs.up.sum, theirs.down.sum, desktop.cause ?? 'client')]),
  ]);
  if (side === undefined) throw new Error('no records');
  const sums = gateway.stopped === true ? undefined : { up: ours.up.sum, down: ours.down.sum };
  const kept = (hashes: string[]): Uint8Array => Uint8Array.from(Buffer.from(hashes.join(''), 'hex'));
  const needed = needsBlocks(sums, side);
  return compareSides(
    {
      cause: gateway.cause ?? 'client',
      wire: sums,
      blocks: needed
        ? { up: kept(ours.up.hashes), down: kept(ours.down.hashes), incomplete: false }
        : undefined,
      results: new Map(),
    },
    side,
  );
}

const block = wireBlockBytes;
const up = bytesOf(3 * block + 100);
const down = bytesOf(5 * block + 9, 7);

describe('two sides of a session', () => {
  it('that saw the same bytes are corroborated, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.nat(3 * block), fc.nat(3 * block), (one, other) => {
        const streams = { up: bytesOf(one), down: bytesOf(other, 3) };
        expect(compare(streams, streams)).toEqual({ verdict: 'corroborated', difference: undefined });
      }),
      { numRuns: 40 },
    );
  });

  it('differ when a single byte does, and the first block that does is named', () => {
    fc.assert(
      fc.property(fc.nat(up.length - 1), fc.boolean(), (position, inUp) => {
        const changed = Buffer.from(inUp ? up : down);
        changed[position] = (changed[position] ?? 0) ^ 1;
        const desktop = inUp ? { up: changed, down } : { up, down: changed };
        const { verdict, difference } = compare({ up, down }, desktop);
        expect(verdict).toBe('different');
        expect(difference).toContain(
          `${inUp ? 'up' : 'down'}: block ${Math.floor(position / block)} (from byte`,
        );
      }),
      { numRuns: 40 },
    );
  });

  it.each<[string, EndCause, 'client' | 'gateway' | 'fault']>([
    ['the gateway revoked it', 'revoked', 'gateway'],
    ['the network broke', 'client', 'fault'],
    ['the target closed it', 'target', 'gateway'],
  ])(
    'are corroborated when the end was cut and the shorter is the beginning of the longer: %s',
    (_, cause, said) => {
      const { verdict, difference } = compare(
        { up: up.subarray(0, 2 * block + 5), down, cause },
        { up, down: down.subarray(0, 4 * block), cause: said },
      );
      expect(verdict).toBe('corroborated');
      expect(difference).toContain(`up: the desktop sent ${up.length} bytes, the gateway read the first`);
      expect(difference).toContain('2 blocks of them compared');
      expect(difference).toContain('4 blocks of them compared');
    },
  );

  it('are corroborated when the client left before it had read everything', () => {
    expect(compare({ up, down }, { up, down: down.subarray(0, block + 1) }).verdict).toBe('corroborated');
  });

  it('differ when the gateway read less of a client that left in order: a last statement is not forgotten', () => {
    const { verdict, difference } = compare({ up: up.subarray(0, up.length - 60), down }, { up, down });
    expect(verdict).toBe('different');
    expect(difference).toContain(`the gateway read only ${up.length - 60}`);
  });

  it('differ when one side has what the other could not have seen, however the end was', () => {
    const more = compare(
      { up, down, cause: 'revoked' },
      { up: up.subarray(0, 2 * block), down, cause: 'fault' },
    );
    expect(more.verdict).toBe('different');
    expect(more.difference).toContain('the desktop sent only');
    const got = compare(
      { up, down: down.subarray(0, block), cause: 'fault' },
      { up, down, cause: 'gateway' },
    );
    expect(got.verdict).toBe('different');
    expect(got.difference).toContain('the gateway wrote only');
  });

  it('differ when the end was cut and a block before it is not the same', () => {
    const changed = Buffer.from(down);
    changed[block + 3] = 0;
    const { verdict, difference } = compare(
      { up, down: changed, cause: 'revoked' },
      { up, down: down.subarray(0, 3 * block + 1), cause: 'gateway' },
    );
    expect(verdict).toBe('different');
    expect(difference).toContain('down: block 1');
  });

  it('are not corroborated when not one block could be compared', () => {
    const gateway = {
      up: bytesOf(50),
      down: bytesOf(3000),
      cause: 'gateway-restart' as const,
      stopped: true,
    };
    const { verdict, difference } = compare(gateway, { up: bytesOf(50), down: bytesOf(2000) });
    expect(verdict).toBe('gateway-only');
    expect(difference).toContain('one side has no end');
  });

  it('are held against each other block by block, but not corroborated, when the gateway stopped in the middle', () => {
    const gateway = { up: up.subarray(0, 2 * block), down: down.subarray(0, 3 * block), stopped: true };
    const cause = 'gateway-restart' as const;
    const found = compare({ ...gateway, cause }, { up, down, cause: 'gateway' });
    expect(found.verdict).toBe('gateway-only');
    expect(found.difference).toContain('the first 3 blocks are the same');
    const other = { up, down: bytesOf(down.length, 8), cause: 'gateway' as const };
    expect(compare({ ...gateway, cause }, other).verdict).toBe('different');
  });

  it('differ when the desktop’s blocks are not those of its own sum', () => {
    const { verdict, difference } = compare(
      { up, down },
      { up, down, blocksOf: { up: bytesOf(up.length, 9), down } },
    );
    expect(verdict).toBe('different');
    expect(difference).toContain('do not add up');
  });

  it('without an end at the desktop are gateway-only when what there is fits, and different when it does not', () => {
    const whole = { up: up.subarray(0, 2 * block), down: down.subarray(0, 2 * block), unended: true };
    expect(compare({ up, down }, whole)).toMatchObject({ verdict: 'gateway-only' });
    const other = { ...whole, down: bytesOf(2 * block, 99) };
    expect(compare({ up, down }, other)).toMatchObject({ verdict: 'different' });
  });
});

describe('a desktop’s record', () => {
  const sum = hashed(Buffer.from('x')).sum;

  it('that says two things about one block or one end contradicts itself', () => {
    const [a, b] = [hashed(Buffer.from('a')), hashed(Buffer.from('b'))];
    const blocks = sideOf(session, [wire(session, 'up', 0, a.hashes), wire(session, 'up', 0, b.hashes)]);
    expect(blocks?.contradictions).toHaveLength(1);
    const ends = sideOf(session, [closed(session, a.sum, sum), closed(session, b.sum, sum)]);
    expect(ends?.contradictions).toHaveLength(1);
    const same = sideOf(session, [closed(session, a.sum, sum), closed(session, a.sum, sum)]);
    expect(same?.contradictions).toEqual([]);
  });

  it('is made of the session’s own records only, says where they stand and what was lost between them', () => {
    const other = ids.next(1_700_000_000_001, device);
    const side = sideOf(session, [
      gap(5),
      opened(other),
      opened(session),
      gap(3),
      wire(other, 'up', 0, hashed(Buffer.from('z')).hashes),
      closed(session, sum, sum),
      gap(9),
    ]);
    expect(side).toMatchObject({
      count: 2,
      records: { segment: 3, first: 2, last: 5 },
      lost: 3,
      skewMs: -500,
    });
    expect(side?.wire.up.hashes).toHaveLength(0);
    expect(sideOf(session, [opened(other)])).toBeUndefined();
  });

  it('with a hole in its blocks counts up to the hole', () => {
    const three = hashed(bytesOf(3 * block)).hashes;
    const side = sideOf(session, [
      wire(session, 'down', 0, three.slice(0, 1)),
      wire(session, 'down', 2, three.slice(2)),
    ]);
    expect(side?.wire.down).toMatchObject({ incomplete: true });
    expect(side?.wire.down.hashes).toHaveLength(32);
  });
});

describe('results that were shown', () => {
  const rows = [Buffer.from('one'), Buffer.from('two')];
  const recorded = (given: Partial<RecordedResult>): RecordedResult => ({
    columns: 1,
    rows: 2,
    sha256: undefined,
    ...given,
  });
  const verdictOf = (record: Parameters<typeof shown>[3], results: Map<number, RecordedResult>): Verdict => {
    const { sum } = hashed(Buffer.from('x'));
    const side = sideOf(session, [shown(session, 1, rows, record), closed(session, sum, sum)]);
    if (side === undefined) throw new Error('no records');
    return compareSides({ cause: 'client', wire: { up: sum, down: sum }, blocks: undefined, results }, side);
  };
  const hash = (() => {
    const record = shown(session, 1, rows);
    return record.kind === 'shown' ? record.sha256 : '';
  })();

  it('have the rows that were recorded', () => {
    expect(verdictOf({}, new Map([[1, recorded({ sha256: hash })]])).verdict).toBe('corroborated');
    const other = verdictOf({}, new Map([[1, recorded({ sha256: '0'.repeat(64) })]]));
    expect(other).toMatchObject({
      verdict: 'different',
      difference: 'result 1: other rows were shown than are recorded',
    });
  });

  it('have their number, where the recording holds no more than that', () => {
    expect(verdictOf({}, new Map([[1, recorded({ rows: 2 })]])).verdict).toBe('corroborated');
    expect(verdictOf({}, new Map([[1, recorded({ rows: 3 })]])).verdict).toBe('different');
    expect(verdictOf({ complete: false }, new Map([[1, recorded({ rows: 3 })]])).verdict).toBe(
      'corroborated',
    );
    expect(verdictOf({ complete: false }, new Map([[1, recorded({ rows: 1 })]])).verdict).toBe('different');
    expect(verdictOf({ columns: 4 }, new Map([[1, recorded({})]])).verdict).toBe('different');
  });

  it('are passed over where the recording does not know which result it is', () => {
    expect(verdictOf({}, new Map()).verdict).toBe('corroborated');
  });
});
