import { Buffer } from 'node:buffer';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { AuditEventInput } from '../../gateway-core/contract/events.js';
import type { SessionId } from '../../gateway-core/contract/ids.js';
import type { JournalRecord, JournalSource } from '../../gateway-core/contract/recorder.js';
import type { Journal } from '../../gateway-core/store/journal/journal.js';
import { openJournal } from '../../gateway-core/store/journal/journal.js';
import { openJournalSource } from '../../gateway-core/store/journal/source.js';
import type { Fate, Step } from './memory-disk.js';
import { Dead, MemoryDisk } from './memory-disk.js';
import { randomOf, seedOfRun } from './random.js';

const key = Buffer.alloc(32, 7);
const fileBytes = 6 * 1024;
const reserveBytes = 4 * 1024;
const aheadBytes = 1500;

interface Handed {
  readonly id: number;
  /** Of content: its bytes are made from the id. */
  readonly size: number | undefined;
  readonly session: SessionId;
}

/** What the world was told, over all lives of one gateway. */
class World {
  readonly handed: Handed[] = [];
  /** id -> position; undefined for content, which has no callback of its own. */
  readonly recorded = new Map<number, number | undefined>();
  readonly durable = new Map<number, number | undefined>();
  /** What the sealer has read and keeps durably. */
  readonly sealed: JournalRecord[] = [];
  sealedPosition = 0;
  /** Content that was handed over in this turn. */
  turn: Handed[] = [];
  sessions = 0;
  session = this.nextSession();

  nextSession(): SessionId {
    this.sessions += 1;
    return `ses_${String(this.sessions).padStart(26, '0')}` as SessionId;
  }
}

/** Hands over random events, content and flushes, while a sealer reads, until the disk dies or the steps are done. */
async function live(world: World, disk: MemoryDisk, random: () => number, steps: number): Promise<void> {
  const options = { directory: '', key, node: 'sim', nowMs: () => 1_700_000_000_000, disk };
  const journal = await openJournal({
    ...options,
    fileBytes,
    reserveBytes,
    aheadBytes,
    minimumPosition: world.sealedPosition,
  });
  const source = openJournalSource({ directory: '', key, disk });
  for (let step = 0; step < steps && !disk.dead; step += 1) {
    const luck = random();
    if (luck < 0.55) handEvent(world, disk, journal, random);
    else if (luck < 0.8) handContent(world, journal, random);
    else if (luck < 0.85) flush(world, disk, journal, random);
    else if (luck < 0.92) seal(world, source, journal, random);
    else if (journal.failed !== undefined) {
      await Promise.race([journal.recover(), death(disk)]);
      world.turn = [];
    }
    if (random() < 0.1) vi.advanceTimersByTime(5);
    if (random() < 0.03) world.session = world.nextSession();
    if (random() < 0.5) continue;
    await new Promise((resolve) => setImmediate(resolve));
    world.turn = [];
  }
  world.session = world.nextSession();
  world.turn = [];
  if (disk.dead) return;
  disk.fate = () => undefined;
  expect(await journal.recover()).toBeUndefined();
  await journal.close();
  seal(world, source, journal, () => 0);
  source.close();
  expect(journal.backlogBytes()).toBe(0);
  expect(disk.descriptorsOpen).toBe(0);
}

async function death(disk: MemoryDisk): Promise<void> {
  while (!disk.dead) await new Promise((resolve) => setImmediate(resolve));
}

function handEvent(world: World, disk: MemoryDisk, journal: Journal, random: () => number): void {
  const id = world.handed.length;
  const { session } = world;
  const before = world.handed.filter((one) => one.size !== undefined && one.session === session);
  const durability = random() < 0.5 ? 'durable' : 'recorded';
  const failedBefore = journal.failed !== undefined;
  const closing = random() < 0.2;
  world.handed.push({ id, size: undefined, session });
  let answers = 0;
  journal.event(
    eventOf(id, session, closing, 'ü'.repeat(Math.floor(random() * 60))),
    durability,
    (appended) => {
      answers += 1;
      expect(answers, 'a callback is called once').toBe(1);
      if (disk.dead) return;
      if ('code' in appended) {
        if (world.session === session) world.session = world.nextSession();
        return;
      }
      expect(failedBefore && !closing, 'an answer after a failure').toBe(false);
      world.recorded.set(id, appended.position);
      if (durability === 'durable') world.durable.set(id, appended.position);
      if (closing) return;
      for (const one of before) world.recorded.set(one.id, undefined);
      if (durability === 'durable') for (const one of before) world.durable.set(one.id, undefined);
    },
  );
  expect(answers, 'a callback is never called inside the call').toBe(0);
}

function eventOf(id: number, session: SessionId, closing: boolean, pad: string): AuditEventInput {
  if (closing)
    return {
      kind: 'statement.ended',
      session,
      seq: 1,
      state: 'ok',
      durationUs: id,
      bytes: 0,
      maskedValues: 0,
    };
  return {
    kind: 'statement.decided',
    session,
    seq: id + 1,
    decision: 'allowed',
    policy: [],
    policyVersion: '',
    action: 'sql:read',
    command: 'SELECT',
    payload: { text: pad, exactHash: '' },
  };
}

function handContent(world: World, journal: Journal, random: () => number): void {
  const id = world.handed.length;
  const size = 4 + Math.floor(random() ** 3 * 3000);
  const handed = { id, size, session: world.session };
  world.handed.push(handed);
  world.turn.push(handed);
  const bytes = contentOf(id, size);
  journal.content(world.session, id, 'rows', bytes);
  bytes.fill(0);
}

function contentOf(id: number, size: number): Buffer {
  const bytes = Buffer.alloc(size, id % 251);
  bytes.writeUInt32LE(id, 0);
  return bytes;
}

function flush(world: World, disk: MemoryDisk, journal: Journal, random: () => number): void {
  const { session } = world;
  const own = random() < 0.5;
  const before = own
    ? world.handed.filter((one) => one.size !== undefined && one.session === session)
    : world.turn;
  journal.flush(
    (failure) => {
      if (disk.dead || failure !== undefined) return;
      for (const one of before) world.recorded.set(one.id, undefined);
    },
    own ? session : undefined,
  );
}

function seal(world: World, source: JournalSource, journal: Journal, random: () => number): void {
  try {
    for (const record of source.read(world.sealedPosition)) {
      world.sealed.push(record);
      world.sealedPosition = record.position + 1;
      if (random() > 0.9) break;
    }
    source.release(world.sealedPosition);
    journal.released(world.sealedPosition);
  } catch (error) {
    if (!(error instanceof Dead)) throw error;
  }
}

function idOf(record: JournalRecord): number {
  if (record.kind === 'content') return record.seq;
  if (record.event.kind === 'statement.decided') return record.event.seq - 1;
  return record.event.kind === 'statement.ended' ? record.event.durationUs : Number.NaN;
}

/** The laws, over everything that was ever sealed. */
function check(world: World): void {
  const found = new Map<number, number>();
  let position = -1;
  let last = -1;
  for (const record of world.sealed) {
    expect(record.position, 'positions rise').toBeGreaterThan(position);
    position = record.position;
    const id = idOf(record);
    expect(id, 'records keep the order of the calls, none twice').toBeGreaterThan(last);
    last = id;
    found.set(id, record.position);
    const size = world.handed[id]?.size;
    expect(record.kind).toBe(size === undefined ? 'event' : 'content');
    if (record.kind === 'content' && size !== undefined) {
      expect(Buffer.compare(record.bytes, contentOf(id, size)), 'content is whole').toBe(0);
    }
  }
  for (const [id, at] of world.durable) {
    expect(found.has(id), `durable record ${id} is kept`).toBe(true);
    if (at !== undefined) expect(found.get(id)).toBe(at);
  }
}

function checkRecorded(world: World): void {
  const found = new Map(world.sealed.map((record) => [idOf(record), record.position]));
  for (const [id, at] of world.recorded) {
    expect(found.has(id), `recorded ${id} is kept`).toBe(true);
    if (at !== undefined) expect(found.get(id)).toBe(at);
  }
}

const errors: Partial<Record<Step, string>> = {
  write: 'ENOSPC',
  fill: 'ENOSPC',
  create: 'ENOSPC',
  'data-sync': 'EIO',
  'directory-sync': 'EIO',
  rename: 'EIO',
};

function fates(random: () => number, errorRate: number, deathAt: number): (step: Step) => Fate {
  let count = 0;
  return (step) => {
    count += 1;
    const bytes = random() < 0.3 ? 1 : random();
    if (count >= deathAt) return { dies: true, bytes };
    const error = errors[step];
    if (error !== undefined && random() < errorRate) return { error, bytes };
    return (step === 'write' || step === 'fill') && random() < 0.1
      ? { bytes: random() * 0.9 + 0.05 }
      : undefined;
  };
}

async function lives(seed: number, end: 'kill' | 'power-cut', errorRate: number): Promise<World> {
  const random = randomOf(seed);
  const world = new World();
  let disk = new MemoryDisk(random);
  for (let life = 0; life < 4; life += 1) {
    const deathAt = life === 3 ? Number.POSITIVE_INFINITY : 8 + Math.floor(random() * 160);
    disk.fate = fates(random, errorRate, deathAt);
    await live(world, disk, random, 250).catch((error: unknown) => {
      if (!disk.dead && errorRate === 0) throw error;
      if (error instanceof Error && error.name === 'AssertionError') throw error;
    });
    vi.clearAllTimers();
    for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    disk = new MemoryDisk(random, end === 'kill' || life === 3 ? disk.afterKill() : disk.afterPowerCut());
  }
  disk.fate = () => undefined;
  await live(world, disk, () => 0.99, 0);
  return world;
}

const seed = seedOfRun();
const runs = 25;

async function each(name: string, run: (seed: number) => Promise<void>): Promise<void> {
  for (let index = 0; index < runs; index += 1) {
    try {
      await run(seed + index);
    } catch (error) {
      console.error(`${name}: FUZZ_SEED=${seed + index}`);
      throw error;
    }
  }
}

describe(`the journal under faults, FUZZ_SEED=${seed}`, () => {
  // Time passes when the seed says so.
  beforeAll(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
  afterAll(() => void vi.useRealTimers());

  it('keeps every recorded record, once and in order, when the process is killed at any step', () =>
    each('kill', async (one) => {
      const world = await lives(one, 'kill', 0);
      check(world);
      checkRecorded(world);
    }));

  it('keeps every durable record, once and in order, when the power is cut at any step', () =>
    each('power', async (one) => check(await lives(one, 'power-cut', 0))));

  it('keeps what it acknowledged when writes fail, disks fill up and syncs fail, and the process is killed', () =>
    each('errors', async (one) => {
      const world = await lives(one, 'kill', 0.04);
      check(world);
      checkRecorded(world);
    }));

  it('keeps every durable record when syncs fail and then the power is cut', () =>
    each('errors and power', async (one) => check(await lives(one, 'power-cut', 0.04))));
});
