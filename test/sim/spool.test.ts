import { describe, expect, it } from 'vitest';
import { randomOf, seedOfRun } from './random.js';
import type { Restart } from './sealer-files.js';
import { type Life, SpoolWorld } from './spool-world.js';

/** Writes, waits and loses contact, as `random` says, until it is done or its disk stops. */
async function work(world: SpoolWorld, life: Life, random: () => number, steps: number): Promise<void> {
  for (let step = 0; step < steps && !world.files.stopped; step += 1) {
    const what = random();
    if (what < 0.6) life.write(1 + Math.floor(random() * 6), random() < 0.2 ? 'ending' : undefined);
    else if (what < 0.65) life.clock.wallOffsetMs += (random() - 0.5) * 2 * 400 * 24 * 3600_000;
    else if (what < 0.7) world.network.away = random() < 0.5;
    else if (what < 0.72) await life.clock.pass(6 * 3600_000 * random());
    await life.clock.pass(Math.floor(random() * 800));
  }
}

/** Nothing fails any more: what was left behind comes to the gateway. */
async function heal(world: SpoolWorld): Promise<Life> {
  world.network.away = false;
  world.network.faults = 0;
  world.files.bytesMax = Number.POSITIVE_INFINITY;
  const life = world.begin();
  await life.drain();
  await life.close();
  return life;
}

async function stepsOfOneLife(seed: number): Promise<number> {
  const world = new SpoolWorld(randomOf(seed));
  world.network.faults = 0.3;
  const life = world.begin();
  await work(world, life, randomOf(seed), 40);
  world.end(life, 'kill');
  await heal(world);
  expect(world.faults()).toEqual([]);
  expect(world.gateway.records().length).toBe(world.written);
  return world.files.steps;
}

describe('a spool whose process is stopped', () => {
  const kinds: readonly Restart[] = ['kill', 'power'];

  it.each(kinds)(
    'at any step (%s) loses nothing that it kept, and the gateway gets nothing twice',
    async (kind) => {
      const seed = 20_261_121;
      const steps = await stepsOfOneLife(seed);
      expect(steps).toBeGreaterThan(70);
      for (let step = 1; step <= steps; step += 1) {
        const world = new SpoolWorld(randomOf(seed));
        world.network.faults = 0.3;
        world.files.stopAtStep = step;
        const life = world.begin();
        await work(world, life, randomOf(seed), 40);
        world.end(life, kind);
        await heal(world);
        expect(world.faults(), `stopped at step ${step}, seed ${seed}`).toEqual([]);
        if (kind === 'kill') expect(world.quarantined(), `step ${step}`).toEqual([]);
      }
    },
  );

  it('again and again, with a full disk, a bad network and a clock that jumps, keeps order and loses nothing', async () => {
    const seed = seedOfRun();
    console.log(`spool: FUZZ_SEED=${seed}`);
    for (let run = 0; run < 30; run += 1) {
      const random = randomOf(seed + run);
      const world = new SpoolWorld(random);
      for (let lives = 0; lives < 5; lives += 1) {
        world.network.faults = random() * 0.8;
        world.network.away = random() < 0.2;
        if (random() < 0.8) world.files.stopAtStep = world.files.steps + 1 + Math.floor(random() * 120);
        const life = world.begin();
        await work(world, life, random, 10);
        if (random() < 0.4) {
          const used = world.files.paths().reduce((sum, path) => sum + world.files.bytes(path).length, 0);
          world.files.bytesMax = used + Math.floor(random() * 1500);
        }
        await work(world, life, random, 10);
        if (random() < 0.6) world.files.bytesMax = Number.POSITIVE_INFINITY;
        await work(world, life, random, 10);
        if (random() < 0.2) await life.close();
        world.end(life, random() < 0.5 ? 'kill' : 'power');
      }
      await heal(world);
      expect(world.faults(), `run ${run} of seed ${seed}`).toEqual([]);
    }
  });
});

describe('a process that was thought dead', () => {
  it('goes on writing while another one takes it over: nothing that either keeps is lost', async () => {
    const seed = seedOfRun();
    for (let run = 0; run < 40; run += 1) {
      const random = randomOf(seed + run);
      const world = new SpoolWorld(random);
      world.network.away = random() < 0.5;
      const sleeper = world.begin();
      await work(world, sleeper, random, 6);
      world.thinkDead();
      const other = world.begin();
      for (let step = 0; step < 12; step += 1) {
        if (random() < 0.7) sleeper.write(1 + Math.floor(random() * 4));
        if (random() < 0.4) other.write(1);
        await (random() < 0.5 ? sleeper : other).clock.pass(Math.floor(random() * 300));
        if (random() < 0.1) world.thinkDead();
      }
      await sleeper.clock.pass(1000);
      await other.clock.pass(1000);
      await other.close();
      await sleeper.close();
      world.end(sleeper, 'kill');
      await heal(world);
      expect(world.missing(), `run ${run} of seed ${seed}`).toEqual([]);
      expect(world.segmentFiles(), `run ${run} of seed ${seed}`).toEqual([]);
    }
  });
});

describe('a full disk', () => {
  const room = (world: SpoolWorld, bytes: number): void => {
    const used = world.files.paths().reduce((sum, path) => sum + world.files.bytes(path).length, 0);
    world.files.bytesMax = used + bytes;
  };

  it('refuses what is new, keeps how sessions end, and tells how much is missing', async () => {
    const world = new SpoolWorld(randomOf(7));
    const life = world.begin();
    life.write(3);
    await life.clock.pass(10);
    world.network.away = true;
    room(world, 100);
    life.write(4);
    await life.clock.pass(10);
    expect(life.kept).toEqual([1, 2, 3]);
    expect(life.refused).toEqual([4, 5, 6, 7]);
    expect(life.spool.state()).toMatchObject({ working: false, trouble: 'the disk is full' });
    await expect(life.spool.ready()).rejects.toMatchObject({ code: 'not-recordable' });
    life.write(2, 'ending');
    await life.clock.pass(10);
    expect(life.kept).toEqual([1, 2, 3, 8, 9]);
    world.files.bytesMax = Number.POSITIVE_INFINITY;
    world.network.away = false;
    await life.clock.pass(10_000);
    expect(life.spool.state().working).toBe(true);
    expect(await life.spool.ready()).toBeGreaterThan(0);
    life.write(1);
    world.end(life, 'kill');
    await heal(world);
    expect(world.faults()).toEqual([]);
    const lost = world.gateway.records().flatMap((each) => (each.kind === 'gap' ? [each.lost] : []));
    // Four records, and the session that asked for a segment.
    expect(lost.reduce((sum, each) => sum + each, 0)).toBe(5);
  });

  it('without even room for that counts on, and says all of it when there is room', async () => {
    const world = new SpoolWorld(randomOf(8));
    const life = world.begin();
    life.write(1);
    await life.clock.pass(10);
    world.network.away = true;
    world.files.bytesMax = 0;
    life.write(2);
    life.write(3, 'ending');
    await life.clock.pass(60_000);
    expect(life.refused).toEqual([2, 3, 4, 5, 6]);
    world.files.bytesMax = Number.POSITIVE_INFINITY;
    await life.clock.pass(10_000);
    world.network.away = false;
    await life.drain();
    const gaps = world.gateway.records().filter(({ kind }) => kind === 'gap');
    expect(gaps).toMatchObject([{ lost: 5, reason: 'the disk is full' }]);
  });
});

describe('a segment', () => {
  it('that the disk damaged is set apart: what can be read is uploaded, the rest is a gap, others are not held up', async () => {
    const world = new SpoolWorld(randomOf(9));
    const life = world.begin();
    world.network.away = true;
    for (let each = 0; each < 30; each += 1) {
      life.write(1);
      await life.clock.pass(1);
    }
    const [first = '', second] = world.segmentFiles();
    expect(second).toBeDefined();
    world.end(life, 'kill');
    world.files.tamper(first, (bytes) => {
      bytes[1500] = (bytes[1500] ?? 0) ^ 1;
      return bytes;
    });
    await heal(world);
    const records = world.gateway.records();
    const gap = records.find(({ kind }) => kind === 'gap');
    const there = records.flatMap((each) => (each.kind === 'kept' ? [each.result] : []));
    expect(gap?.kind === 'gap' ? gap.lost + there.length : 0).toBe(30);
    expect(there[0]).toBe(1);
    expect(there.at(-1)).toBe(30);
    expect(world.quarantined()).toEqual([expect.stringMatching(/\.uploaded$/)]);
  });

  it('of which the gateway holds something else is stopped, kept and told, and never deleted', async () => {
    const world = new SpoolWorld(randomOf(10));
    const life = world.begin();
    const segment = await life.spool.ready();
    world.gateway.segments.set(segment, { records: ['{"other":1}'], last: false });
    life.write(2);
    await life.clock.pass(10_000);
    expect(life.spool.state().refused).toMatchObject([{ segment }]);
    expect(world.quarantined()).toEqual([expect.stringMatching(/\.forked$/)]);
    life.write(1);
    await life.drain();
    const there = world.gateway.segments;
    expect(there.get(segment)?.records).toEqual(['{"other":1}']);
    expect([...there.values()].flatMap(({ records }) => records).join()).toContain('"result":3');
  });

  it('of which the gateway has lost the end, as after a restored backup, is brought again from there', async () => {
    const world = new SpoolWorld(randomOf(11));
    const life = world.begin();
    for (let each = 0; each < 10; each += 1) {
      life.write(1);
      await life.clock.pass(1000);
    }
    const segment = await life.spool.ready();
    world.gateway.segments.get(segment)?.records.splice(4);
    life.write(1);
    await life.clock.pass(5000);
    expect(world.gateway.segments.get(segment)?.records.length).toBe(11);
    world.end(life, 'kill');
    await heal(world);
    expect(world.faults()).toEqual([]);
  });
});
