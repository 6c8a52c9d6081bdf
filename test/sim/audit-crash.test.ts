import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashesAtLevel, tileWidth } from '../../gateway-core/audit/layout.js';
import { type Log, openLog } from '../../gateway-core/audit/log.js';
import { openCheckpoint, parseVerifierKey } from '../../gateway-core/audit/note.js';
import { verifyLog } from '../../gateway-core/audit/verify.js';
import { ThroughlineError } from '../../gateway-core/contract/errors.js';
import { event, leafOf, newKey, nowMs, origin } from '../unit/audit/support.js';
import { Crash, type CrashKind, SimulatedDisk } from './audit-disk.js';

const key = newKey();
const verifier = parseVerifierKey(key.vkey);
if (verifier === undefined) throw new Error('the key made no verifier key');

/** Batches of one life of the writer: inside a bundle, exactly to its end, over one end and more. */
const batches = [3, 253, 260] as const;
const laterBatches = [2, 40] as const;

/** Thousands of simulated lives: seconds of work, and more on a busy machine. */
const timeoutMs = 180_000;

/** What the world outside knows about the log, across crashes. */
class World {
  readonly disk = new SimulatedDisk();
  readonly committed: Uint8Array[] = [];
  readonly handedOut: string[] = [];
  #inFlight: readonly Uint8Array[] = [];
  #life = 0;
  #nowMs = nowMs;

  /** One life of the writer process: open, check, append, commit, hand out a checkpoint. */
  live(sizes: readonly number[]): void {
    this.#life += 1;
    const log = openLog({ dir: 'simulated', origin, key, disk: this.disk });
    this.#adopt(log);
    for (const size of sizes) {
      this.#append(log, size);
      log.commit();
      this.#settle(log);
      this.handedOut.push(log.checkpoint(this.#tick()));
    }
  }

  /** A life on a disk that refuses now and then: the writer keeps appending and tries again. */
  struggle(sizes: readonly number[]): number {
    this.#life += 1;
    let refusals = 0;
    const retried = <T>(act: () => T): T => {
      for (let tries = 0; tries < 200; tries++) {
        try {
          return act();
        } catch (error) {
          if (!(error instanceof ThroughlineError) || error.code !== 'not-recordable') throw error;
          refusals += 1;
        }
      }
      throw new Error('the disk never recovered');
    };
    const log = retried(() => openLog({ dir: 'simulated', origin, key, disk: this.disk }));
    this.#adopt(log);
    for (const size of sizes) {
      this.#append(log, size);
      try {
        log.commit();
        this.#settle(log);
      } catch (error) {
        if (!(error instanceof ThroughlineError) || error.code !== 'not-recordable') throw error;
        refusals += 1;
        this.#expectReadable(log);
      }
      const shown = this.#sizeOnDisk();
      this.handedOut.push(retried(() => log.checkpoint(this.#tick())));
      // What a failed attempt already showed is never taken back.
      expect(this.#sizeOnDisk()).toBeGreaterThanOrEqual(shown);
      if (log.size > this.committed.length) this.#settle(log);
    }
    retried(() => log.commit());
    this.#settle(log);
    this.handedOut.push(retried(() => log.checkpoint(this.#tick())));
    return refusals;
  }

  #tick(): number {
    this.#nowMs += 1000;
    return this.#nowMs;
  }

  /** What the checkpoint file says, as anyone could read it at any moment. */
  #sizeOnDisk(): number {
    const note = String(this.disk.read('checkpoint', 65_536));
    return (verifier && openCheckpoint(note, verifier)?.size) ?? -1;
  }

  verify(): void {
    const report = verifyLog({
      dir: 'simulated',
      disk: this.disk,
      vkey: key.vkey,
      expectedCheckpoints: this.handedOut,
    });
    expect(report.problems).toEqual([]);
    expect(report.entries).toBeGreaterThanOrEqual(this.committed.length);
  }

  #append(log: Log, count: number): void {
    const first = this.committed.length + this.#inFlight.length;
    // The life stands in each leaf: a log that forks between two lives cannot look right by chance.
    const made = { ...event({ kind: 'gateway.stopped' }), node: `life-${this.#life}` };
    const leaves = Array.from({ length: count }, (_, i) => leafOf(made, first + i));
    this.#inFlight = [...this.#inFlight, ...leaves];
    expect(log.append(leaves).firstIndex).toBe(first);
  }

  #settle(log: Log): void {
    this.committed.push(...this.#inFlight);
    this.#inFlight = [];
    expect(log.size).toBe(this.committed.length);
  }

  /** After a crash the log holds all that was committed, and of the batch in flight everything or nothing. */
  #adopt(log: Log): void {
    const withInFlight = this.committed.length + this.#inFlight.length;
    expect([this.committed.length, withInFlight]).toContain(log.size);
    if (log.size === withInFlight) this.committed.push(...this.#inFlight);
    this.#inFlight = [];
    this.#expectReadable(log);
    this.#expectNothingBeyond(log.size);
    for (const note of this.handedOut) {
      const checkpoint = verifier && openCheckpoint(note, verifier);
      expect(checkpoint?.size).toBeLessThanOrEqual(log.size);
    }
  }

  /** An unfinished commit leaves no file behind once the log is open again. */
  #expectNothingBeyond(size: number): void {
    for (const path of this.disk.files().keys()) {
      expect(path).not.toMatch(/^tmp\//);
      const [, kind, index, width] = /^tile\/(entries|\d+)\/(\d+)(?:\.p\/(\d+))?$/.exec(path) ?? [];
      const hashes = hashesAtLevel(size, kind === 'entries' ? 0 : Number(kind ?? 0));
      expect(Number(index ?? 0) * tileWidth + Number(width ?? tileWidth), path).toBeLessThanOrEqual(
        kind === undefined ? tileWidth : hashes,
      );
    }
  }

  #expectReadable(log: Log): void {
    // Not toEqual: it takes a hundred times as long for bytes.
    const readable = Buffer.concat([...log.entries(0, log.size)]);
    expect(readable.equals(Buffer.concat(this.committed.slice(0, log.size)))).toBe(true);
    expect(log.lastLeaf()).toEqual(this.committed.at(-1));
  }
}

function seededRandom(seed: number): () => number {
  let state = seed + 1;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

/** Runs a life until it ends, in the simulated crash or on a disk error. Returns whether it was the crash. */
function crashes(act: () => void): boolean {
  try {
    act();
    return false;
  } catch (error) {
    if (error instanceof Crash) return true;
    if (error instanceof ThroughlineError && error.code === 'not-recordable') return false;
    throw error;
  }
}

function stepsOf(act: (world: World) => void): number {
  const world = new World();
  act(world);
  return world.disk.steps;
}

describe('a crash at any step', () => {
  const kinds: readonly (readonly [CrashKind, number])[] = [
    ['kill', 1],
    ['power-all-lost', 1],
    ['power-some-lost', 2],
  ];

  it.each(kinds)(
    '%s: every committed entry is there, a batch is whole or absent, the log verifies',
    (kind, seeds) => {
      const steps = stepsOf((world) => world.live(batches));
      expect(steps).toBeGreaterThan(100);
      for (let step = 1; step <= steps; step++) {
        for (let seed = 0; seed < seeds; seed++) {
          const world = new World();
          world.disk.crashAtStep = step;
          expect(crashes(() => world.live(batches))).toBe(true);
          world.disk.restart(kind, seededRandom(step * 10 + seed));
          world.live(laterBatches);
          world.verify();
        }
      }
    },
    timeoutMs,
  );

  it(
    'what a log showed when it was opened after a crash is still there after a power cut',
    () => {
      const steps = stepsOf((world) => world.live(batches));
      for (let step = 1; step <= steps; step++) {
        const world = new World();
        world.disk.crashAtStep = step;
        crashes(() => world.live(batches));
        world.disk.restart('kill', seededRandom(step));
        world.live([]);
        world.disk.restart('power-all-lost', seededRandom(step));
        world.live(laterBatches);
      }
    },
    timeoutMs,
  );

  it('a log that a crash left alone verifies before anyone opens it again', () => {
    const steps = stepsOf((world) => world.live(batches));
    for (let step = stepsOf((world) => world.live([])) + 1; step <= steps; step++) {
      const world = new World();
      world.disk.crashAtStep = step;
      crashes(() => world.live(batches));
      world.disk.restart('power-some-lost', seededRandom(step));
      world.verify();
    }
  });

  it(
    'crash after crash, with disk errors, also while recovering: nothing committed is ever lost',
    () => {
      const kind = fc.constantFrom<CrashKind>('kill', 'power-all-lost', 'power-some-lost');
      const life = fc.record({
        sizes: fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 4 }),
        step: fc.integer({ min: 1, max: 90 }),
        kind,
        seed: fc.nat(1_000_000),
        fault: fc.option(
          fc.record({ after: fc.nat(60), steps: fc.integer({ min: 1, max: 3 }), takesEffect: fc.boolean() }),
        ),
      });
      fc.assert(
        fc.property(fc.array(life, { minLength: 2, maxLength: 6 }), (lives) => {
          const world = new World();
          for (const { sizes, step, kind: crashKind, seed, fault } of lives) {
            world.disk.crashAtStep = world.disk.steps + step;
            world.disk.fault = fault
              ? { ...fault, fromStep: world.disk.steps + fault.after, code: 'EIO' }
              : undefined;
            crashes(() => world.live(sizes));
            world.disk.restart(crashKind, seededRandom(seed));
          }
          world.disk.fault = undefined;
          world.live(laterBatches);
          world.verify();
        }),
        { numRuns: 100 },
      );
    },
    timeoutMs,
  );
});

describe('a disk that refuses', () => {
  const refusals = [
    { code: 'ENOSPC', takesEffect: false },
    { code: 'EIO', takesEffect: true },
  ] as const;

  it.each(refusals)(
    '$code at any step: a typed error, nothing lost, and a later commit succeeds',
    (refusal) => {
      const steps = stepsOf((world) => world.struggle(batches));
      for (let step = 1; step <= steps; step++) {
        const world = new World();
        world.disk.fault = { ...refusal, fromStep: step, steps: 1 + (step % 3) };
        expect(world.struggle(batches)).toBeLessThan(20);
        world.disk.restart('power-all-lost', seededRandom(step));
        world.live(laterBatches);
        world.verify();
      }
    },
    timeoutMs,
  );

  it('a disk that stays full leaves no attempt lying on it, and what was committed stays readable', () => {
    const world = new World();
    world.live([300]);
    const before = [...world.disk.files().keys()].sort();
    const log = openLog({ dir: 'simulated', origin, key, disk: world.disk });
    log.append(world.committed.slice(0, 1));
    for (let step = 1; step <= 5; step++) {
      world.disk.fault = { fromStep: world.disk.steps + step, steps: 1, code: 'ENOSPC', takesEffect: false };
      let thrown: unknown;
      try {
        log.commit();
      } catch (error) {
        thrown = error;
      }
      expect(thrown instanceof ThroughlineError && thrown.code).toBe('not-recordable');
      expect([...world.disk.files().keys()].sort()).toEqual(before);
      expect(log.size).toBe(300);
      expect(log.entry(299)).toEqual(world.committed[299]);
    }
    world.disk.fault = undefined;
    log.commit();
    expect(log.size).toBe(301);
  });
});

describe('loss and tampering are never continued over', () => {
  const lifeOf = (...lives: readonly (readonly number[])[]): World => {
    const world = new World();
    for (const sizes of lives) world.live(sizes);
    return world;
  };
  const opening = (world: World): unknown => {
    try {
      openLog({ dir: 'simulated', origin, key, disk: world.disk });
      return 'opened';
    } catch (error) {
      return error instanceof ThroughlineError ? error.fields['problem'] : error;
    }
  };

  it('no file that the checkpoint needs at the right edge can be missing, cut or changed', () => {
    const needed = ['tile/entries/001.p/44', 'tile/0/001.p/44', 'tile/1/000.p/1', 'checkpoint'];
    for (const path of needed) {
      for (const change of ['missing', 'cut', 'changed']) {
        const world = lifeOf([300]);
        const bytes = world.disk.files().get(path);
        if (bytes === undefined) return expect.fail(path);
        if (change === 'changed') bytes.writeUInt8(bytes.readUInt8(bytes.length - 3) ^ 1, bytes.length - 3);
        world.disk.tamper(
          path,
          change === 'missing' ? undefined : bytes.subarray(0, change === 'cut' ? -1 : undefined),
        );
        expect(['entries-lost', 'root-mismatch', 'checkpoint-invalid', 'checkpoint-missing']).toContain(
          opening(world),
        );
      }
    }
  });

  it('at a full bundle its last entry is checked up to the root', () => {
    const world = lifeOf([512]);
    const bytes = world.disk.files().get('tile/entries/001') ?? Buffer.alloc(0);
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 3) ^ 1, bytes.length - 3);
    world.disk.tamper('tile/entries/001', bytes);
    expect(opening(world)).toBe('root-mismatch');
  });

  it('an older checkpoint put back is refused, and so is a log whose checkpoint was removed', () => {
    const world = lifeOf([300]);
    const old = world.disk.files().get('checkpoint');
    world.live([300]);
    world.disk.tamper('checkpoint', old);
    expect(opening(world)).toBe('rolled-back');
    world.disk.tamper('checkpoint', undefined);
    expect(opening(world)).toBe('checkpoint-missing');
  });

  it('another key does not continue a log', () => {
    const world = lifeOf([3]);
    let thrown: unknown;
    try {
      openLog({ dir: 'simulated', origin, key: newKey(), disk: world.disk });
    } catch (error) {
      thrown = error;
    }
    expect(thrown instanceof ThroughlineError && thrown.fields['problem']).toBe('key-changed');
  });

  it('a second writer is noticed before anything is signed over its work', () => {
    const world = lifeOf([3]);
    const [first, second] = [0, 1].map(() => openLog({ dir: 'simulated', origin, key, disk: world.disk }));
    const leaf = world.committed[0] ?? Buffer.alloc(0);
    first?.append([leaf]);
    first?.commit();
    second?.append([leaf, leaf]);
    for (let tries = 0; tries < 2; tries++) {
      expect(() => second?.commit()).toThrow('changed by someone else');
      expect(() => second?.checkpoint(nowMs)).toThrow('changed by someone else');
      expect(() => second?.append([leaf])).toThrow('changed by someone else');
    }
  });
});
