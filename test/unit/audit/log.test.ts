import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBundle, encodeEntry, pendingLeavesMax, tilePath } from '../../../gateway-core/audit/layout.js';
import { type Log, lastPosition, openLog, pendingBytesMax } from '../../../gateway-core/audit/log.js';
import { openCheckpoint, parseVerifierKey, type VerifierKey } from '../../../gateway-core/audit/note.js';
import { verifyProof } from '../../../gateway-core/audit/proof.js';
import { leafHash, verifyConsistency, verifyInclusion } from '../../../gateway-core/audit/tree.js';
import {
  leafOf,
  newKey,
  nowMs,
  origin,
  problemOf,
  ReferenceTree,
  scratchDirectory,
  stopped,
} from './support.js';

const key = newKey();
const verifier = parseVerifierKey(key.vkey) as VerifierKey;
const leaf = (index: number): Uint8Array => Buffer.from(`leaf ${index}`);
const leaves = (from: number, to: number): Uint8Array[] =>
  Array.from({ length: to - from }, (_, i) => leaf(from + i));

function newLog(): { dir: string; log: Log } {
  const dir = join(scratchDirectory(), 'log');
  return { dir, log: openLog({ dir, origin, key }) };
}

function filesBelow(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(join(dir, name)).isFile())
    .sort();
}

describe('layout', () => {
  it('paths are those of tlog-tiles', () => {
    expect(tilePath(0, 0)).toBe('tile/0/000');
    expect(tilePath(2, 1_234_067)).toBe('tile/2/x001/x234/067');
    expect(tilePath('entries', 1000, 17)).toBe('tile/entries/x001/000.p/17');
    expect(tilePath(0, 999)).toBe('tile/0/999');
  });

  it('a bundle decodes to its entries, and arbitrary bytes never throw', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 256 }), (entries) => {
        const content = decodeBundle(Buffer.concat(entries.map(encodeEntry)));
        expect(content.bytesLeft).toBe(0);
        expect(content.entries.map((one) => [...one])).toEqual(entries.map((one) => [...one]));
      }),
      { numRuns: 30 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
        const { entries, bytesLeft } = decodeBundle(bytes);
        expect(Buffer.concat([...entries.map(encodeEntry), bytes.slice(bytes.length - bytesLeft)])).toEqual(
          Buffer.from(bytes),
        );
      }),
    );
  });

  it('a tree of 70,000 has exactly the files that the specification counts for it', () => {
    const { dir, log } = newLog();
    log.append(leaves(0, 60_000));
    log.commit();
    log.append(leaves(60_000, 70_000));
    log.commit();
    const files = filesBelow(dir);
    const full = (prefix: string): number =>
      files.filter((name) => name.startsWith(prefix) && !name.includes('.p/')).length;
    const partial = (prefix: string): string[] =>
      files.filter((name) => name.startsWith(prefix) && name.includes('.p/'));
    expect([full('tile/0/'), full('tile/entries/'), full('tile/1/'), full('tile/2/')]).toEqual([
      273, 273, 1, 0,
    ]);
    expect(partial('tile/0/')).toEqual(['tile/0/273.p/112']);
    expect(partial('tile/entries/')).toEqual(['tile/entries/273.p/112']);
    expect(partial('tile/1/')).toEqual(['tile/1/001.p/17']);
    expect(partial('tile/2/')).toEqual(['tile/2/000.p/1']);
    expect(files.filter((name) => !name.startsWith('tile/'))).toEqual(['checkpoint', 'vkey']);
  });

  it('no file of the log is open to others', () => {
    const { dir, log } = newLog();
    log.append(leaves(0, 300));
    log.commit();
    for (const name of readdirSync(dir, { recursive: true, encoding: 'utf8' })) {
      expect(statSync(join(dir, name)).mode & 0o077, name).toBe(0);
    }
  });
});

describe('appending', () => {
  it('an entry counts once commit has returned, not before', () => {
    const { dir, log } = newLog();
    expect(log.append(leaves(0, 3))).toEqual({ firstIndex: 0 });
    expect(log.append(leaves(3, 5))).toEqual({ firstIndex: 3 });
    expect(log.size).toBe(0);
    expect(log.lastLeaf()).toBeUndefined();
    expect(() => log.entry(0)).toThrow(RangeError);
    expect(() => log.inclusionProof(0, 1)).toThrow(RangeError);
    expect(openCheckpoint(log.checkpoint(nowMs), verifier)?.size).toBe(0);
    expect(openLog({ dir, origin, key }).size).toBe(0);
    log.commit();
    expect(log.size).toBe(5);
    expect(log.lastLeaf()).toEqual(leaf(4));
    expect(openLog({ dir, origin, key }).size).toBe(5);
  });

  it('the bytes are copied: what the caller does with its buffer later changes nothing', () => {
    const { dir, log } = newLog();
    const buffer = Buffer.from('first');
    log.append([buffer]);
    buffer.write('later');
    log.commit();
    expect(openLog({ dir, origin, key }).entry(0)).toEqual(Buffer.from('first'));
  });

  it('whatever the batches, the root and the entries are those of one tree', () => {
    const total = 700;
    const tree = new ReferenceTree(leaves(0, total).map(leafHash));
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 5 }), (sizes) => {
        const { dir, log } = newLog();
        let size = 0;
        for (const count of sizes) {
          const next = Math.min(total, size + count);
          log.append(leaves(size, next));
          log.commit();
          size = next;
        }
        const expectWhole = (one: Log): void => {
          const checkpoint = openCheckpoint(one.checkpoint(nowMs), verifier);
          expect(checkpoint?.size).toBe(size);
          expect(Buffer.from(tree.mth(0, size)).equals(checkpoint?.root ?? Buffer.alloc(0))).toBe(true);
          expect([...one.entries(0, size)].map(String)).toEqual(leaves(0, size).map(String));
        };
        expectWhole(log);
        const reopened = openLog({ dir, origin, key });
        expectWhole(reopened);
        reopened.append([leaf(size)]);
        reopened.commit();
        expect(reopened.lastLeaf()).toEqual(leaf(size));
      }),
      { numRuns: 25 },
    );
  });

  it('an entry of 65,535 bytes is kept whole; a larger one is refused with all that came with it', () => {
    const { dir, log } = newLog();
    const largest = Buffer.alloc(65_535, 7);
    log.append([largest, Buffer.alloc(0)]);
    expect(problemOf(() => log.append([leaf(0), Buffer.alloc(65_536)]))).toBe('too-large');
    log.commit();
    const reopened = openLog({ dir, origin, key });
    expect(reopened.size).toBe(2);
    expect(Buffer.compare(reopened.entry(0), largest)).toBe(0);
    expect(reopened.entry(1).length).toBe(0);
  });

  it('what waits for a commit is bounded, in entries and in bytes', () => {
    const { log } = newLog();
    log.append(Array.from({ length: pendingLeavesMax }, () => leaf(0)));
    expect(problemOf(() => log.append([leaf(0)]))).toBe('busy');
    log.commit();
    const large = Array.from({ length: Math.floor(pendingBytesMax / 65_535) }, () => Buffer.alloc(65_535));
    log.append(large);
    expect(problemOf(() => log.append([Buffer.alloc(65_535)]))).toBe('busy');
    expect(log.size).toBe(pendingLeavesMax);
  });

  it('the key of another log is refused', () => {
    const act = (): unknown => openLog({ dir: scratchDirectory(), origin: 'other.example/log', key });
    expect(problemOf(act)).toBe('invalid-config');
  });
});

describe('proofs from the files', () => {
  const { log } = newLog();
  const total = 700;
  log.append(leaves(0, 400));
  log.commit();
  log.append(leaves(400, total));
  log.commit();
  const tree = new ReferenceTree(leaves(0, total).map(leafHash));

  it('inclusion and consistency hold across tile borders', () => {
    const sizes = [1, 2, 255, 256, 257, 300, 511, 512, 513, 600, 699, 700];
    for (const size of sizes) {
      for (const index of [0, 1, 254, 255, 256, 257, 511, 512, 699].filter((one) => one < size)) {
        const proof = log.inclusionProof(index, size);
        const root = tree.mth(0, size);
        expect(verifyInclusion({ index, size, leafHash: leafHash(leaf(index)), proof, root })).toBe(true);
      }
      for (const first of sizes.filter((one) => one <= size)) {
        const proof = log.consistencyProof(first, size);
        const roots = { firstRoot: tree.mth(0, first), secondRoot: tree.mth(0, size) };
        expect(verifyConsistency({ first, second: size, ...roots, proof })).toBe(true);
      }
    }
    expect(() => log.inclusionProof(0, total + 1)).toThrow(RangeError);
    expect(() => log.consistencyProof(1, total + 1)).toThrow(RangeError);
  });

  it('a tlog-proof verifies offline with the leaf and the verifier key alone', () => {
    for (const index of [0, 255, 256, 699]) {
      const proof = verifyProof(log.tlogProof(index), leaf(index), verifier);
      expect([proof?.index, proof?.checkpoint.size]).toEqual([index, total]);
    }
    log.checkpoint(nowMs);
    expect(verifyProof(log.tlogProof(3), leaf(3), verifier)?.checkpoint.timeSeconds).toBe(nowMs / 1000);
  });

  it('no proof is given for an entry that was changed on disk', () => {
    const { dir, log: other } = newLog();
    other.append(leaves(0, 300));
    other.commit();
    const path = join(dir, 'tile/entries/000');
    const bytes = readFileSync(path);
    bytes.writeUInt8(bytes.readUInt8(5) ^ 1, 5);
    writeFileSync(path, bytes);
    expect(problemOf(() => other.tlogProof(0))).toBe('root-mismatch');
    expect(verifyProof(other.tlogProof(1), leaf(1), verifier)?.index).toBe(1);
  });
});

describe('checkpoints', () => {
  it('each one is consistent with every one before it, and is on disk when it is returned', () => {
    const { dir, log } = newLog();
    const notes: string[] = [];
    for (let round = 0; round < 12; round++) {
      log.append(leaves(round * 37, (round + 1) * 37));
      log.commit();
      notes.push(log.checkpoint(nowMs + round * 1000));
      expect(readFileSync(join(dir, 'checkpoint'), 'utf8')).toBe(notes.at(-1));
    }
    const opened = notes.map((note) => openCheckpoint(note, verifier));
    for (const [i, first] of opened.entries()) {
      for (const second of opened.slice(i)) {
        if (first === undefined || second === undefined) return expect.fail('a checkpoint does not open');
        const proof = log.consistencyProof(first.size, second.size);
        const sizes = {
          first: first.size,
          second: second.size,
          firstRoot: first.root,
          secondRoot: second.root,
        };
        expect(verifyConsistency({ ...sizes, proof })).toBe(true);
      }
    }
  });

  it('partial tiles of every checkpoint stay until the full tile is there, and then go', () => {
    const { dir, log } = newLog();
    for (let size = 0; size < 250; size += 50) {
      log.append(leaves(size, size + 50));
      log.commit();
    }
    expect(
      readdirSync(join(dir, 'tile/entries/000.p'))
        .map(Number)
        .sort((a, b) => a - b),
    ).toEqual([50, 100, 150, 200, 250]);
    log.append(leaves(250, 256));
    log.commit();
    expect(existsSync(join(dir, 'tile/entries/000.p'))).toBe(false);
    expect(existsSync(join(dir, 'tile/0/000.p'))).toBe(false);
    expect(readdirSync(join(dir, 'tile/1/000.p'))).toEqual(['1']);
  });
});

describe('where a sealer goes on', () => {
  it('the last journal position is found behind events that have none', () => {
    const { log } = newLog();
    expect(lastPosition(log)).toBeUndefined();
    log.append([leafOf(stopped(), undefined)]);
    log.commit();
    expect(lastPosition(log)).toBeUndefined();
    log.append([leafOf(stopped(), 41), leafOf(stopped(), undefined), leafOf(stopped(), undefined)]);
    log.commit();
    expect(lastPosition(log)).toBe(41);
    log.append([Buffer.from('no event')]);
    log.commit();
    expect(problemOf(() => lastPosition(log))).toBe('leaf-invalid');
  });
});
