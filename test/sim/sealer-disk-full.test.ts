import { afterEach, describe, expect, it } from 'vitest';
import type { ThroughlineError } from '../../gateway-core/contract/errors.js';
import { SealerCore } from '../../gateway-core/server/sealer/core.js';
import { rowMessages, sessionId } from './sealer-journal.js';
import { SealerWorld } from './sealer-world.js';

const worlds: SealerWorld[] = [];
afterEach(() => {
  for (const world of worlds.splice(0)) world.dispose();
});

async function start() {
  const world = new SealerWorld({ segmentBytes: 5000 });
  worlds.push(world);
  const failures: (ThroughlineError | undefined)[] = [];
  const sealed: number[] = [];
  const core = await SealerCore.open({
    place: world.place,
    openSource: () => world.journal.source(),
    openLog: () => world.openLog(),
    indexFile: world.indexFile,
    nowMs: () => Date.now(),
    onSealed: (position) => sealed.push(position),
    onFailure: (failure) => failures.push(failure),
    onProblem: (problem) => world.problems.push(problem),
  });
  return { world, core, failures, sealed };
}

function work(world: SealerWorld, number: number): void {
  world.journal.session(
    sessionId(number),
    Array.from({ length: 8 }, (_, index) => `select ${number * 100 + index} from orders`),
    [[String(number), 'masked '.repeat(20)]],
  );
}

/** Asks again until it holds: what a caller does who was told that it is busy. */
async function untilCaughtUp(core: SealerCore): Promise<void> {
  for (let attempt = 0; attempt < 3000; attempt += 1) {
    try {
      await core.caughtUp();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  throw new Error('it never caught up');
}

describe('a full disk', () => {
  it('is reported once, loses and doubles nothing, and is over as soon as there is room', async () => {
    const { world, core, failures } = await start();
    work(world, 1);
    await core.caughtUp();
    world.files.bytesMax = world.files
      .paths()
      .reduce((sum, path) => sum + world.files.bytes(path).length, 300);
    work(world, 2);
    await expect(core.caughtUp()).rejects.toMatchObject({ code: 'not-recordable' });
    await expect(core.caughtUp()).rejects.toMatchObject({ code: 'not-recordable' });
    expect(failures).toMatchObject([{ code: 'not-recordable', fields: { errno: 'ENOSPC' } }]);
    const released = world.journal.released;
    expect(released).toBeLessThan(world.journal.records.length);
    world.files.bytesMax = Number.POSITIVE_INFINITY;
    await untilCaughtUp(core);
    expect(failures).toHaveLength(2);
    expect(failures[1]).toBeUndefined();
    await core.close();
    expect(world.faults()).toEqual([]);
    expect(await world.indexFaults()).toEqual([]);
    expect(world.problems).toEqual([]);
    expect(world.files.openHandles).toBe(0);
  });

  it('under the log loses and doubles nothing either', async () => {
    const { world, core, failures } = await start();
    work(world, 1);
    await core.caughtUp();
    world.disk.fault = { fromStep: world.disk.steps + 1, steps: 4, code: 'ENOSPC', takesEffect: false };
    work(world, 2);
    await untilCaughtUp(core);
    expect(failures.length).toBeGreaterThan(0);
    await core.close();
    expect(world.faults()).toEqual([]);
    expect(world.problems).toEqual([]);
  });

  it('tells of a position only once everything before it is kept', async () => {
    const { world, core, sealed } = await start();
    world.journal.started(sessionId(3));
    const position = world.journal.records.length;
    world.journal.decided(sessionId(3), 1, 'select 1');
    world.journal.content(sessionId(3), 1, 'rows', rowMessages(['a'], [['b']]));
    await core.caughtUp(position);
    expect(sealed.at(-1)).toBeGreaterThan(position);
    expect(core.sealedPosition).toBe(sealed.at(-1));
    await core.close();
    await expect(core.caughtUp()).rejects.toMatchObject({ code: 'busy' });
  });
});
