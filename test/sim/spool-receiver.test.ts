import { describe, expect, it } from 'vitest';
import type { LocalRecord } from '../../gateway-core/contract/local-record.js';
import { firstSpoolHead, nextSpoolHead } from '../../gateway-core/recording/spool-head.js';
import { type Received, SpoolReceiver } from '../../gateway-core/server/spool/receiver.js';
import type { CheckedUpload } from '../../gateway-core/server/spool/records.js';
import { readSegment, type SpoolPlace } from '../../gateway-core/server/spool/segment.js';
import { randomOf, seedOfRun } from './random.js';
import { type Restart, SimulatedFiles } from './sealer-files.js';

/**
 * Desktops that upload to a gateway whose process dies at any step of its disk, whose disk is full for a while, and
 * whose answers get lost: what was acknowledged is there once, in order, whatever happened.
 */
const seed = seedOfRun();
const devices = ['d'.repeat(43), 'e'.repeat(43)];
const masterKey = Buffer.alloc(32, 5);

interface Desktop {
  readonly device: string;
  readonly segment: number;
  readonly texts: readonly string[];
  /** What it was told, and must find again. */
  acknowledged: number;
  finished: boolean;
}

const upload = (texts: readonly string[], from: number, last: boolean): CheckedUpload => ({
  from,
  last,
  backlog: undefined,
  // The receiver keeps bytes; what they say was checked before.
  records: texts.map((text) => ({ bytes: Buffer.from(text), record: {} as LocalRecord })),
});

function kept(place: SpoolPlace, desktop: Desktop): string[] {
  const texts: string[] = [];
  for (const frame of readSegment(place, desktop)) {
    expect(frame.first).toBe(texts.length);
    texts.push(...frame.content.map((record) => record.toString()));
  }
  return texts;
}

class World {
  readonly files = new SimulatedFiles();
  readonly place: SpoolPlace = { files: this.files, directory: 'data/spool', masterKey };
  readonly random: () => number;
  readonly desktops: Desktop[];
  receiver: SpoolReceiver;
  now = 1_000_000;

  constructor(worldSeed: number) {
    this.random = randomOf(worldSeed);
    this.receiver = this.#start();
    this.desktops = devices.flatMap((device) =>
      [1, 2].map((segment) => ({
        device,
        segment,
        texts: Array.from(
          { length: 12 },
          (_, n) => `${device[0]} ${segment} ${n} ${'x'.repeat(this.#pick(700))}`,
        ),
        acknowledged: 0,
        finished: false,
      })),
    );
  }

  #pick(below: number): number {
    return Math.floor(this.random() * below);
  }

  #start(): SpoolReceiver {
    return new SpoolReceiver({ place: this.place, bytesPerDeviceMax: 10_000_000, nowMs: () => this.now });
  }

  restart(kind: Restart): void {
    this.files.restart(kind, this.random);
    this.files.bytesMax = Number.POSITIVE_INFINITY;
    this.receiver = this.#start();
  }

  /** Some desktops at once: from where they believe to be, from before, or twice the same. */
  async uploads(): Promise<void> {
    this.now += 10_000;
    const requests: Promise<void>[] = [];
    for (const desktop of this.desktops) {
      if (this.random() < 0.3) continue;
      const back = this.random() < 0.3 ? this.#pick(4) : 0;
      const from = Math.max(0, desktop.acknowledged - back);
      const to = Math.min(desktop.texts.length, desktop.acknowledged + this.#pick(5));
      const last = to === desktop.texts.length && this.random() < 0.7;
      const times = this.random() < 0.2 ? 2 : 1;
      for (let time = 0; time < times; time += 1) requests.push(this.#upload(desktop, from, to, last));
    }
    await Promise.all(requests);
  }

  async #upload(desktop: Desktop, from: number, to: number, last: boolean): Promise<void> {
    const { device, segment, texts } = desktop;
    const answer = await this.receiver.receive(
      { device, segment },
      upload(texts.slice(from, to), from, last),
    );
    this.#check(desktop, answer, to, last);
    // The network loses an answer: the desktop does not know, and asks again.
    if (answer.kind !== 'kept' || this.random() < 0.2) return;
    desktop.acknowledged = Math.max(desktop.acknowledged, answer.next);
    if (last) desktop.finished = true;
  }

  #check(
    { device, segment, texts, acknowledged }: Desktop,
    answer: Received,
    to: number,
    last: boolean,
  ): void {
    if (answer.kind === 'failed') return;
    expect(['kept', 'ahead']).toContain(answer.kind);
    // Nothing that was acknowledged is asked for again.
    if (answer.kind === 'ahead') expect(answer.next).toBeGreaterThanOrEqual(acknowledged);
    if (answer.kind !== 'kept') return;
    expect(answer.next).toBeGreaterThanOrEqual(to);
    let head: Buffer = firstSpoolHead(device, segment);
    for (const text of texts.slice(0, answer.next)) head = nextSpoolHead(head, text);
    expect(answer.head).toBe(head.toString('hex'));
    if (last) expect(answer.next).toBe(texts.length);
  }

  verify(): void {
    for (const desktop of this.desktops) {
      const texts = kept(this.place, desktop);
      expect(texts.length).toBeGreaterThanOrEqual(
        desktop.finished ? desktop.texts.length : desktop.acknowledged,
      );
      expect(texts).toEqual(desktop.texts.slice(0, texts.length));
    }
  }
}

describe(`uploads into a gateway that fails (FUZZ_SEED=${seed})`, () => {
  it('are there once, in order, after a death at any step of the disk', async () => {
    const calm = new World(seed);
    for (let round = 0; round < 8; round += 1) await calm.uploads();
    calm.verify();
    const steps = calm.files.steps;
    expect(steps).toBeGreaterThan(40);
    for (let step = 1; step <= steps; step += 1) {
      for (const kind of ['kill', 'power'] as const) {
        const world = new World(seed);
        world.files.stopAtStep = step;
        for (let round = 0; round < 8; round += 1) await world.uploads();
        world.restart(kind);
        world.verify();
        for (let round = 0; round < 30; round += 1) await world.uploads();
        world.verify();
        for (const desktop of world.desktops) expect(desktop.acknowledged).toBeGreaterThan(6);
      }
    }
  });

  it('are there once, in order, when the disk is full for a while; what was refused comes again', async () => {
    for (let run = 0; run < 60; run += 1) {
      const world = new World(seed + run);
      world.files.bytesMax = 500 + run * 400;
      for (let round = 0; round < 10; round += 1) await world.uploads();
      world.verify();
      world.files.bytesMax = Number.POSITIVE_INFINITY;
      for (let round = 0; round < 30; round += 1) await world.uploads();
      world.verify();
      for (const desktop of world.desktops) expect(desktop.acknowledged).toBe(desktop.texts.length);
    }
  });

  it('leave no file open, and neither half a frame nor half a header behind, when a disk was full', async () => {
    for (let bytesMax = 10; bytesMax < 3000; bytesMax += 37) {
      const world = new World(seed);
      world.files.bytesMax = bytesMax;
      for (let round = 0; round < 10; round += 1) await world.uploads();
      await world.receiver.close();
      expect(world.files.openHandles).toBe(0);
      for (const desktop of world.desktops) {
        const cuts: number[] = [];
        for (const _ of readSegment(world.place, desktop, (at) => cuts.push(at)));
        expect(cuts).toEqual([]);
      }
    }
  });
});
