import { afterEach, describe, expect, it } from 'vitest';
import { Crash } from './audit-disk.js';
import { randomOf, seedOfRun } from './random.js';
import { type Restart, Stopped } from './sealer-files.js';
import { rowMessages, sessionId } from './sealer-journal.js';
import { SealerWorld } from './sealer-world.js';

const worlds: SealerWorld[] = [];
function newWorld(options?: ConstructorParameters<typeof SealerWorld>[0]): SealerWorld {
  const world = new SealerWorld(options);
  worlds.push(world);
  return world;
}
afterEach(() => {
  for (const world of worlds.splice(0)) world.dispose();
});

/** Several sessions at once, with results that fill segments, a late record, and events outside of sessions. */
export function fill(world: SealerWorld, random: () => number, statements: number): void {
  const { journal } = world;
  const live = new Map<number, number>();
  let started = 0;
  journal.event({ kind: 'gateway.started', version: '0', demo: true });
  for (let step = 0; step < statements; step += 1) {
    if (live.size < 3 && random() < 0.3) {
      journal.started(sessionId(started));
      live.set(started, 0);
      started += 1;
    }
    for (const [number, seq] of live) {
      const session = sessionId(number);
      if (random() < 0.15) {
        journal.sessionEnded(session, seq);
        live.delete(number);
        if (random() < 0.3) {
          journal.event({ kind: 'session.revoked', session, by: chain, reason: 'too late' });
        }
        continue;
      }
      journal.decided(session, seq + 1, `select ${Math.floor(random() * 1e6)} from orders`);
      for (let pieces = Math.floor(random() * 4); pieces > 0; pieces -= 1) {
        const rows = Array.from({ length: 1 + Math.floor(random() * 12) }, () => [
          String(random()),
          'masked',
        ]);
        journal.content(session, seq + 1, 'rows', rowMessages(['number', 'name'], rows));
      }
      journal.ended(session, seq + 1);
      live.set(number, seq + 1);
    }
  }
  for (const [number, seq] of live) journal.sessionEnded(sessionId(number), seq);
}

const chain = [{ id: 'demo/admin', kind: 'person', name: 'Admin', assurance: 'proven' }] as const;

async function liveUntilStop(world: SealerWorld): Promise<boolean> {
  try {
    await world.live();
    return true;
  } catch (error) {
    if (!(error instanceof Stopped) && !(error instanceof Crash)) throw error;
    return false;
  }
}

async function stepsOfOneLife(seed: number): Promise<{ files: number; disk: number }> {
  const world = newWorld();
  fill(world, randomOf(seed), 14);
  await world.live();
  expect(world.faults()).toEqual([]);
  return { files: world.files.steps, disk: world.disk.steps };
}

describe('a sealer that is stopped', () => {
  const kinds: readonly Restart[] = ['kill', 'power'];

  it.each(kinds)('at any step (%s) loses no record and doubles none', async (kind) => {
    const seed = 20_261_120;
    const steps = await stepsOfOneLife(seed);
    expect(steps.files).toBeGreaterThan(40);
    for (let step = 1; step <= steps.files; step += 1) {
      const world = newWorld();
      const random = randomOf(seed);
      fill(world, random, 14);
      world.files.stopAtStep = step;
      expect(await liveUntilStop(world)).toBe(false);
      world.restart(kind, random);
      expect(await liveUntilStop(world)).toBe(true);
      expect(world.faults(), `stopped at file step ${step}, seed ${seed}`).toEqual([]);
      expect(world.problems).toEqual([]);
      world.dispose();
    }
  });

  it.each(kinds)('at any step of the log (%s) loses no record and doubles none', async (kind) => {
    const seed = 20_261_121;
    const steps = await stepsOfOneLife(seed);
    for (let step = 1; step <= steps.disk; step += 1 + Math.floor(steps.disk / 40)) {
      const world = newWorld();
      const random = randomOf(seed + step);
      fill(world, randomOf(seed), 14);
      world.disk.crashAtStep = step;
      // Cleaning up behind a commit may fail without anyone noticing.
      await liveUntilStop(world);
      world.restart(kind, random);
      expect(await liveUntilStop(world)).toBe(true);
      expect(world.faults(), `stopped at log step ${step}, seed ${seed}`).toEqual([]);
      expect(world.problems).toEqual([]);
      world.dispose();
    }
  });

  it('again and again, while the journal grows, loses no record and doubles none', async () => {
    const seed = seedOfRun();
    console.log(`sealer-crash: FUZZ_SEED=${seed}`);
    for (let run = 0; run < 25; run += 1) {
      const random = randomOf(seed + run);
      const world = newWorld({
        segmentBytes: 500 + Math.floor(random() * 5000),
        roundRecordsMax: 1 + Math.floor(random() * 20),
      });
      fill(world, random, 10 + Math.floor(random() * 30));
      for (let life = 0; life < 6; life += 1) {
        if (random() < 0.7) world.files.stopAtStep = world.files.steps + 1 + Math.floor(random() * 40);
        else world.disk.crashAtStep = world.disk.steps + 1 + Math.floor(random() * 120);
        if (await liveUntilStop(world)) break;
        world.restart(random() < 0.5 ? 'kill' : 'power', random);
      }
      world.restart('kill', random);
      expect(await liveUntilStop(world)).toBe(true);
      expect(world.faults(), `run ${run} of seed ${seed}`).toEqual([]);
      expect(world.problems, `run ${run} of seed ${seed}`).toEqual([]);
      expect(await world.indexFaults(), `run ${run} of seed ${seed}`).toEqual([]);
      world.dispose();
    }
  });
});
