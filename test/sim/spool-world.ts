import { createHash } from 'node:crypto';
import { Spool, type SpoolHome } from '../../gateway-core/agent/spool/spool.js';
import { ThroughlineError } from '../../gateway-core/contract/errors.js';
import { LocalRecord, type SpoolAck, SpoolAppend } from '../../gateway-core/contract/local-record.js';
import { type Restart, SimulatedFiles } from './sealer-files.js';
import { sessionId } from './sealer-journal.js';
import { VirtualClock } from './virtual-clock.js';

const device = 'device-of-the-test-device-of-the-test-devic';
const gateway = 'https://gateway.test';
const spoolKey = Buffer.alloc(32, 5);

const sha256 = (...parts: (Buffer | string)[]): Buffer => {
  const digest = createHash('sha256');
  for (const part of parts) digest.update(part);
  return digest.digest();
};

/** What contract/local-record.ts says of `POST /v1/spool`, in memory: written from its words, not from our code. */
export class ModelGateway {
  readonly device: string;
  readonly segments = new Map<number, { records: string[]; last: boolean }>();

  constructor(of: string) {
    this.device = of;
  }

  append(of: string, segment: number, body: SpoolAppend): SpoolAck {
    if (of !== this.device) throw new ThroughlineError('denied', 'another device');
    const parsed = SpoolAppend.parse(body);
    for (const each of parsed.records) LocalRecord.parse(JSON.parse(each));
    const kept = this.segments.get(segment) ?? { records: [], last: false };
    this.segments.set(segment, kept);
    const { from, records } = parsed;
    const next = kept.records.length;
    if (from > next) throw new ThroughlineError('conflict', 'there is a hole', { fields: { next } });
    const fork = records.some((each, at) => from + at < next && kept.records[from + at] !== each);
    const late = kept.last && from + records.length > next;
    if (fork || late) throw new ThroughlineError('verification-failed', 'two spools use one name');
    kept.records.push(...records.slice(next - from));
    kept.last ||= parsed.last ?? false;
    return this.ack(segment);
  }

  ack(segment: number): SpoolAck {
    const records = this.segments.get(segment)?.records ?? [];
    let head = sha256(`throughline spool v1\n${this.device}\n${segment}\n`);
    for (const each of records) head = sha256(head, sha256(each));
    return { next: records.length, head: head.toString('hex') };
  }

  /** In the order of the spool. */
  records(): LocalRecord[] {
    const segments = [...this.segments].sort(([a], [b]) => a - b);
    return segments.flatMap(([, { records }]) => records.map((each) => LocalRecord.parse(JSON.parse(each))));
  }
}

/** Loses requests and answers, brings them twice and late, and is away for as long as a test says. */
export class Network {
  away = false;
  faults = 0;
  readonly #gateway: ModelGateway;
  readonly #random: () => number;
  #late: (() => void)[] = [];

  constructor(model: ModelGateway, random: () => number) {
    this.#gateway = model;
    this.#random = random;
  }

  async send(life: Life, of: string, segment: number, body: SpoolAppend): Promise<SpoolAck> {
    const unreachable = new ThroughlineError('gateway-unreachable', 'the gateway cannot be reached');
    const copy = structuredClone(body);
    const fault = this.#random() < this.faults ? this.#random() : 1;
    await life.clock.wait(1 + Math.floor(this.#random() * 300), new AbortController().signal);
    if (this.away || fault < 0.3) throw unreachable;
    // What was on its way for long arrives before and after others.
    if (this.#random() < 0.5) for (const arrive of this.#late.splice(0)) arrive();
    const ack = this.#gateway.append(of, segment, body);
    if (fault < 0.5) throw unreachable;
    if (fault < 0.8) this.#late.push(() => this.#quietly(() => this.#gateway.append(of, segment, copy)));
    return ack;
  }

  #quietly(act: () => unknown): void {
    try {
      act();
    } catch {
      // Nobody is there any more to hear the answer.
    }
  }
}

/** One process, from its start to its end or its death. */
export class Life {
  readonly clock: VirtualClock;
  readonly spool: Spool;
  readonly kept: number[] = [];
  readonly refused: number[] = [];
  readonly #world: SpoolWorld;

  constructor(world: SpoolWorld) {
    this.#world = world;
    this.clock = new VirtualClock();
    this.clock.wallOffsetMs = world.wallMs;
    this.spool = new Spool({
      home: world.home(this),
      clock: this.clock,
      random: world.random,
      send: (of, segment, body) =>
        world.files.stopped ? new Promise(() => undefined) : world.network.send(this, of, segment, body),
      changed: () => undefined,
      reserveBytes: 2000,
      segmentBytesMax: 4000,
      requestBytesMax: 1200,
    });
  }

  /** Does not wait: `kept` and `refused` say what became of it. */
  write(count: number, urgency?: 'ending'): void {
    const numbers = Array.from({ length: count }, () => (this.#world.written += 1));
    for (const number of numbers) {
      this.spool.append([record(number, this.clock.nowMs())], urgency).then(
        () => void this.kept.push(number),
        () => void this.refused.push(number),
      );
    }
  }

  /** An orderly end, for which time passes. */
  async close(): Promise<void> {
    const closing = { over: false };
    void this.spool.close(1000).finally(() => {
      closing.over = true;
    });
    while (!closing.over && !this.#world.files.stopped) await this.clock.pass(1000);
  }

  /** Until nothing waits, or time is up. */
  async drain(daysMax = 3): Promise<void> {
    for (let step = 0; step < daysMax * 288 && !this.#world.files.stopped; step += 1) {
      await this.clock.pass(300_000);
      const { records } = this.spool.state();
      if (records === 0 && this.#world.segmentFiles().length <= 1) return;
    }
  }
}

const padding = 'b'.repeat(64);

function record(number: number, atMs: number): LocalRecord {
  return {
    kind: 'kept',
    at: new Date(atMs).toISOString(),
    monoMs: 1,
    boot: 'test',
    session: sessionId(1),
    result: number,
    format: 'csv',
    rows: 0,
    bytes: 0,
    sha256: padding,
  };
}

/** One person's machine with one spool, whose processes come and go, and the gateway that it belongs to. */
export class SpoolWorld {
  readonly files = new SimulatedFiles();
  readonly gateway = new ModelGateway(device);
  readonly network: Network;
  readonly random: () => number;
  wallMs = Date.parse('2026-11-20T12:00:00.000Z');
  /** Of the latest record. */
  written = 0;
  readonly lives: Life[] = [];
  #block = 0;
  readonly #live = new Set<string>();

  constructor(random: () => number) {
    this.random = random;
    this.network = new Network(this.gateway, random);
  }

  begin(): Life {
    const life = new Life(this);
    this.lives.push(life);
    life.spool.start();
    return life;
  }

  /** The process is gone, and with it its claim; the machine, too, when the power was cut. */
  end(life: Life, kind: Restart): void {
    life.clock.stop();
    this.wallMs = life.clock.nowMs();
    this.#live.clear();
    this.files.restart(kind, this.random);
  }

  home(_life: Life): SpoolHome {
    const { files } = this;
    const directoryOf = (block: number): string => `/spool/${block}`;
    return {
      files,
      directory: '/spool',
      spoolKey,
      gateway,
      device,
      claim: async () => {
        this.#block += 1;
        const block = this.#block;
        const directory = directoryOf(block);
        files.makeDirectory(directory);
        this.#live.add(directory);
        await Promise.resolve();
        return { directory, firstSegment: block * 2 ** 20 };
      },
      abandoned: async () => {
        await Promise.resolve();
        const names = files.list('/spool').filter((name) => /^\d+$/.test(name));
        return names.map((name) => `/spool/${name}`).filter((each) => !this.#live.has(each));
      },
      release: async (directory) => {
        await Promise.resolve();
        for (const name of files.list(directory))
          if (name === 'reserve') files.removeFile(`${directory}/reserve`);
        this.#live.delete(directory);
        if (files.list(directory).length === 0) files.removeDirectory(directory);
      },
    };
  }

  /** As after a sleep of the machine: its owner is there, and nobody else can know. */
  thinkDead(): void {
    this.#live.clear();
  }

  /** Records that were kept and did not arrive. */
  missing(): number[] {
    const there = new Set(
      this.gateway.records().flatMap((each) => (each.kind === 'kept' ? [each.result] : [])),
    );
    return this.lives.flatMap(({ kept }) => kept).filter((number) => !there.has(number));
  }

  segmentFiles(): string[] {
    return this.files.paths().filter((path) => path.endsWith('.spool'));
  }

  quarantined(): string[] {
    return this.files.paths().filter((path) => path.includes('/quarantine/'));
  }

  /** What is wrong, in words, once everything that waits has been uploaded. */
  faults(): string[] {
    const faults: string[] = [];
    const there = this.gateway.records().flatMap((each) => (each.kind === 'kept' ? [each.result] : []));
    const counts = new Map<number, number>();
    for (const number of there) counts.set(number, (counts.get(number) ?? 0) + 1);
    for (const [number, count] of counts) if (count > 1) faults.push(`${number} is there ${count} times`);
    for (const { kept } of this.lives)
      for (const number of kept) if (!counts.has(number)) faults.push(`${number} was kept and is not there`);
    const sorted = [...there].sort((a, b) => a - b);
    if (sorted.join() !== there.join()) faults.push(`out of order: ${there.join()}`);
    const left = this.segmentFiles();
    if (left.length > 0) faults.push(`left on disk: ${left.join()}`);
    return faults;
  }
}
