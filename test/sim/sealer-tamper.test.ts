import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { segmentPath } from '../../gateway-core/recording/paths.js';
import { verifyRecordings } from '../../gateway-core/server/sealer/verify-recordings.js';
import { sessionId } from './sealer-journal.js';
import { SealerWorld } from './sealer-world.js';

const session = sessionId(1);
let world: SealerWorld;
beforeEach(async () => {
  world = new SealerWorld({ segmentBytes: 400 });
  const texts = Array.from({ length: 12 }, (_, index) => `select ${index} from orders`);
  world.journal.session(session, texts, [['a', 'masked'.repeat(10)]]);
  await world.live();
});
afterEach(() => world.dispose());

function codes(keptSinceMs = 0): string[] {
  return verifyRecordings(world.place, world.openLog(), keptSinceMs).problems.map(({ code }) => code);
}

function file(segment: number): string {
  return segmentPath('/recordings', session, segment);
}

describe('verifying recordings against the log', () => {
  it('holds for what the sealer wrote', () => {
    expect(world.files.paths().length).toBeGreaterThan(2);
    expect(codes()).toEqual([]);
  });

  it('names a segment in which one byte was changed', () => {
    world.files.tamper(file(2), (bytes) => {
      bytes.writeUInt8(bytes.readUInt8(bytes.length - 150) ^ 1, bytes.length - 150);
      return bytes;
    });
    expect(codes()).toContain('segment-altered');
    expect(codes()).toContain('frame-damaged');
  });

  it('names a segment that was cut off at a frame, end frame and all', () => {
    world.files.tamper(file(2), (bytes) => bytes.subarray(0, 132));
    expect(codes()).toContain('segment-altered');
    expect(codes()).toContain('recording-incomplete');
  });

  it('names a segment that was removed, from the end or from the middle', () => {
    const last = world.files.paths().length;
    world.files.removeFile(file(last));
    expect(codes()).toContain('segment-missing');
    world.files.removeFile(file(2));
    expect(codes().filter((code) => code === 'segment-missing').length).toBeGreaterThan(1);
  });

  it('names a recording that was removed, and takes it only when it is past its retention', () => {
    for (const path of world.files.paths()) world.files.removeFile(path);
    expect(codes()).toContain('recording-missing');
    expect(codes()).toContain('recording-incomplete');
    expect(codes(Date.now() + 1e12)).toEqual([]);
  });

  it('names a recording that the log does not know', async () => {
    const other = new SealerWorld();
    other.journal.session(sessionId(2), ['select 1']);
    await other.live();
    const [path] = other.files.paths();
    if (path === undefined) throw new Error('there is no file');
    world.files.write(world.files.open(path, true), [other.files.bytes(path)], 0);
    expect(codes()).toContain('recording-unknown');
    other.dispose();
  });

  it('names events that someone with the master key wrote anew', async () => {
    const other = new SealerWorld({ segmentBytes: 400 });
    const texts = Array.from({ length: 12 }, (_, index) => `select ${index} from secrets`);
    other.journal.session(session, texts, [['a', 'masked'.repeat(10)]]);
    await other.live();
    for (const path of other.files.paths()) world.files.tamper(path, () => other.files.bytes(path));
    expect(codes()).toContain('event-altered');
    expect(codes()).toContain('segment-altered');
    other.dispose();
  });
});
