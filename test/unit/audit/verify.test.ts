import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodeBundle, encodeEntry } from '../../../gateway-core/audit/layout.js';
import { openLog } from '../../../gateway-core/audit/log.js';
import { fingerprint, type LogKey, signCheckpoint } from '../../../gateway-core/audit/note.js';
import { leafHash } from '../../../gateway-core/audit/tree.js';
import { verifyLog } from '../../../gateway-core/audit/verify.js';
import {
  decided,
  leavesOf,
  newKey,
  nowMs,
  origin,
  problemOf,
  ReferenceTree,
  scratchDirectory,
  sessionEvents,
  started,
} from './support.js';

const key = newKey();
const leaves = leavesOf(sessionEvents(800));
const sizes = [10, 300, 512, leaves.length] as const;

/** A log of 800 entries and what was kept of it elsewhere: a checkpoint at each size. */
function makeLog(dir: string, ofKey: LogKey, content: readonly Uint8Array[]): string[] {
  const log = openLog({ dir, origin, key: ofKey });
  let from = 0;
  return sizes.map((size, i) => {
    log.append(content.slice(from, size));
    log.commit();
    from = size;
    return log.checkpoint(nowMs + i * 1000);
  });
}

const master = join(scratchDirectory(), 'log');
const kept = makeLog(master, key, leaves);

function copyOfLog(): string {
  const dir = join(scratchDirectory(), 'log');
  cpSync(master, dir, { recursive: true });
  return dir;
}

function codesOf(dir: string, more: { vkey?: string; expectedCheckpoints?: string[] } = {}): string[] {
  const report = verifyLog({ dir, vkey: key.vkey, ...more });
  expect(report.ok).toBe(report.problems.length === 0);
  return [...new Set(report.problems.map(({ code }) => code))];
}

/** Rewrites the entries of a bundle. */
function edit(dir: string, path: string, change: (entries: Uint8Array[]) => readonly Uint8Array[]): void {
  const file = join(dir, path);
  const { entries } = decodeBundle(readFileSync(file));
  writeFileSync(file, Buffer.concat(change([...entries]).map(encodeEntry)));
}

function flip(dir: string, path: string, place: number): void {
  const bytes = readFileSync(join(dir, path));
  bytes.writeUInt8(bytes.readUInt8(place) ^ 1, place);
  writeFileSync(join(dir, path), bytes);
}

const lastBundle = `tile/entries/003.p/${leaves.length % 256}`;

describe('a log as it was written', () => {
  it('verifies, and says what that proves', () => {
    const report = verifyLog({ dir: master, vkey: key.vkey, expectedCheckpoints: kept });
    expect(report).toEqual({
      ok: true,
      entries: leaves.length,
      sessions: leaves.length / 8,
      proved: [
        `${origin} signed a checkpoint of ${leaves.length} entries at 2026-11-20T12:00:03.000Z`,
        'every entry and every tile is under the signed root',
        'the log still holds what 4 kept checkpoints signed',
        `nothing is missing or out of order in ${leaves.length / 8} sessions`,
      ],
      problems: [],
      keyFingerprint: fingerprint(key.vkey),
    });
  });

  it('verifies with the key beside it, and then the fingerprint says whose key that is', () => {
    expect(verifyLog({ dir: master })).toMatchObject({ ok: true, keyFingerprint: key.fingerprint });
  });

  it('verifies when it is empty, and when a commit was cut off beyond its checkpoint', () => {
    const dir = join(scratchDirectory(), 'log');
    openLog({ dir, origin, key });
    expect(verifyLog({ dir, vkey: key.vkey })).toMatchObject({ ok: true, entries: 0, sessions: 0 });
    const unfinished = copyOfLog();
    writeFileSync(join(unfinished, 'tile/entries/003'), 'torn');
    mkdirSync(join(unfinished, 'tile/entries/004.p'));
    writeFileSync(join(unfinished, 'tile/entries/004.p/7'), '');
    expect(codesOf(unfinished)).toEqual([]);
  });

  it('a verifier key that is none is the caller’s mistake', () => {
    expect(problemOf(() => verifyLog({ dir: master, vkey: 'x' }))).toBe('invalid-request');
  });
});

describe('entries and tiles', () => {
  it.each([
    ['a flipped bit in an entry', 'tile/entries/001', 100, 'entry-altered'],
    ['a flipped bit in the last entry', lastBundle, 100, 'entry-altered'],
    ['a flipped bit in a tile', 'tile/0/001', 100, 'tile-altered'],
    ['a flipped bit in the last tile', `tile/0/003.p/${leaves.length % 256}`, 100, 'tile-altered'],
    ['a flipped bit in a tile of a higher level', 'tile/1/000.p/3', 40, 'tile-altered'],
  ])('%s is named', (_, path, place, code) => {
    const dir = copyOfLog();
    flip(dir, path, place);
    expect(codesOf(dir)).toContain(code);
  });

  it('every single flipped bit of an entry is found, and the entry is named', () => {
    const dir = copyOfLog();
    const path = 'tile/entries/000';
    const first = 2 + (leaves[0]?.length ?? 0);
    for (let place = 2; place < first; place += 13) {
      flip(dir, path, place);
      const { problems } = verifyLog({ dir, vkey: key.vkey });
      expect(problems.map(({ code, where }) => [code, where])).toEqual([['entry-altered', 'entry 0']]);
      flip(dir, path, place);
    }
  });

  it('a bundle cut anywhere is named', () => {
    for (const cut of [1, 2, 3, 500, 20_000]) {
      const dir = copyOfLog();
      const bytes = readFileSync(join(dir, 'tile/entries/001'));
      writeFileSync(join(dir, 'tile/entries/001'), bytes.subarray(0, bytes.length - cut));
      expect(codesOf(dir)).toEqual(['bundle-cut']);
    }
  });

  it('two swapped entries, two swapped bundles and a replaced entry are named', () => {
    const swapped = copyOfLog();
    edit(swapped, 'tile/entries/001', ([a, b, ...rest]) =>
      [b, a, ...rest].filter((one) => one !== undefined),
    );
    expect(codesOf(swapped)).toEqual(['entries-reordered']);
    const bundles = copyOfLog();
    renameSync(join(bundles, 'tile/entries/000'), join(bundles, 'aside'));
    renameSync(join(bundles, 'tile/entries/001'), join(bundles, 'tile/entries/000'));
    renameSync(join(bundles, 'aside'), join(bundles, 'tile/entries/001'));
    expect(codesOf(bundles)).toEqual(['entry-altered']);
    const replaced = copyOfLog();
    edit(replaced, 'tile/entries/001', ([, ...rest]) => [Buffer.from('{}'), ...rest]);
    const { problems } = verifyLog({ dir: replaced, vkey: key.vkey });
    expect(problems.map(({ code, where }) => [code, where])).toEqual([['entry-altered', 'entry 256']]);
  });

  it('an inserted and a removed entry are named', () => {
    const inserted = copyOfLog();
    edit(inserted, 'tile/entries/001', (entries) => [leaves[0] ?? Buffer.alloc(0), ...entries]);
    expect(codesOf(inserted)).toEqual(['entries-inserted']);
    const insertedAtEdge = copyOfLog();
    edit(insertedAtEdge, lastBundle, (entries) => [...entries, leaves[0] ?? Buffer.alloc(0)]);
    expect(codesOf(insertedAtEdge)).toEqual(['entries-inserted']);
    const removed = copyOfLog();
    edit(removed, 'tile/entries/001', ([, ...rest]) => rest);
    expect(codesOf(removed)).toEqual(['bundle-cut']);
  });

  it('a dropped bundle, a dropped tile and both together are named', () => {
    const bundle = copyOfLog();
    rmSync(join(bundle, 'tile/entries/001'));
    expect(codesOf(bundle)).toEqual(['bundle-missing']);
    const edge = copyOfLog();
    rmSync(join(edge, lastBundle));
    expect(codesOf(edge)).toEqual(['bundle-missing']);
    const tile = copyOfLog();
    rmSync(join(tile, 'tile/0/001'));
    expect(codesOf(tile)).toEqual(['tile-missing']);
    const higher = copyOfLog();
    rmSync(join(higher, 'tile/1'), { recursive: true });
    expect(codesOf(higher)).toEqual(['tile-missing']);
    const everything = copyOfLog();
    rmSync(join(everything, 'tile'), { recursive: true });
    expect(codesOf(everything)).toEqual(['bundle-missing', 'tile-missing']);
  });

  it('an entry changed together with its tiles is found by the signed root', () => {
    const dir = copyOfLog();
    const forged = leaves.map((one, i) => (i === 300 ? Buffer.concat([one, Buffer.from(' ')]) : one));
    const other = join(scratchDirectory(), 'log');
    makeLog(other, key, forged);
    cpSync(join(other, 'tile'), join(dir, 'tile'), { recursive: true });
    expect(codesOf(dir)).toContain('root-mismatch');
  });

  it('what does not hold is not among what is proved', () => {
    const dir = copyOfLog();
    flip(dir, 'tile/entries/001', 100);
    const report = verifyLog({ dir, vkey: key.vkey, expectedCheckpoints: kept });
    expect(report.proved).toEqual([expect.stringContaining('signed a checkpoint')]);
  });

  it('what cannot be read is named, not thrown on', () => {
    const dir = copyOfLog();
    rmSync(join(dir, 'tile/entries/001'));
    mkdirSync(join(dir, 'tile/entries/001'));
    expect(codesOf(dir)).toEqual(['unreadable', 'bundle-missing']);
    expect(codesOf(join(dir, 'nowhere'))).toEqual(['checkpoint-missing']);
    expect(verifyLog({ dir: join(dir, 'nowhere') }).problems.map(({ code }) => code)).toEqual([
      'key-missing',
    ]);
  });
});

describe('checkpoints', () => {
  it('a dropped checkpoint and a changed one are named', () => {
    const dropped = copyOfLog();
    rmSync(join(dropped, 'checkpoint'));
    expect(codesOf(dropped)).toEqual(['checkpoint-missing']);
    for (const place of [0, origin.length + 2, 40, 120]) {
      const changed = copyOfLog();
      flip(changed, 'checkpoint', place);
      expect(codesOf(changed)).toEqual(['checkpoint-invalid']);
    }
  });

  it('an older checkpoint put back is named, by the files and by any kept checkpoint', () => {
    const dir = copyOfLog();
    writeFileSync(join(dir, 'checkpoint'), kept[1] ?? '');
    expect(codesOf(dir)).toEqual(['rolled-back']);
    expect(codesOf(dir, { expectedCheckpoints: kept })).toEqual(['rolled-back']);
  });

  it('a whole directory put back to an older state is named by a kept checkpoint', () => {
    const dir = join(scratchDirectory(), 'log');
    const log = openLog({ dir, origin, key });
    log.append(leaves.slice(0, 300));
    log.commit();
    log.checkpoint(nowMs);
    expect(codesOf(dir)).toEqual([]);
    expect(codesOf(dir, { expectedCheckpoints: kept.slice(0, 2) })).toEqual([]);
    expect(codesOf(dir, { expectedCheckpoints: kept })).toEqual(['rolled-back']);
  });

  it('a history rewritten and signed with the stolen key is named by a kept checkpoint', () => {
    const dir = join(scratchDirectory(), 'log');
    const forged = leavesOf(sessionEvents(800).map((one) => ({ ...one, node: 'forged' })));
    makeLog(dir, key, forged);
    expect(codesOf(dir)).toEqual([]);
    expect(codesOf(dir, { expectedCheckpoints: kept.slice(0, 1) })).toEqual(['history-rewritten']);
  });

  it('a log signed again with a new key is named by the published key and by kept checkpoints', () => {
    const dir = join(scratchDirectory(), 'log');
    const thief = newKey();
    makeLog(dir, thief, leaves);
    expect(codesOf(dir)).toEqual(['key-changed', 'checkpoint-invalid']);
    const besideIt = verifyLog({ dir });
    expect(besideIt.ok).toBe(true);
    expect(besideIt.keyFingerprint).not.toBe(key.fingerprint);
    const report = verifyLog({ dir, expectedCheckpoints: kept });
    expect(report.problems.map(({ code }) => code)).toEqual(kept.map(() => 'expected-checkpoint-invalid'));
    writeFileSync(join(dir, 'vkey'), `${key.vkey}\n`);
    expect(codesOf(dir)).toEqual(['checkpoint-invalid']);
  });

  it('a signed size far beyond the entries ends the walk at once', () => {
    const dir = copyOfLog();
    const note = signCheckpoint(key, { size: 2 ** 52, root: leafHash(Buffer.of(1)) });
    writeFileSync(join(dir, 'checkpoint'), note);
    const { problems } = verifyLog({ dir, vkey: key.vkey });
    expect(problems.map(({ code }) => code)).toContain('bundle-missing');
    expect(problems.length).toBeLessThan(20);
  });
});

describe('content', () => {
  function codesOfLeaves(content: readonly Uint8Array[]): { code: string; where: string }[] {
    const dir = join(scratchDirectory(), 'log');
    const log = openLog({ dir, origin, key });
    log.append(content);
    log.commit();
    return verifyLog({ dir, vkey: key.vkey }).problems.map(({ code, where }) => ({ code, where }));
  }

  it('an entry that is no event, a missing statement and a position out of order are named with their place', () => {
    expect(codesOfLeaves([Buffer.from('{}')])).toEqual([{ code: 'leaf-invalid', where: 'entry 0' }]);
    expect(codesOfLeaves(leavesOf([started(1), decided(1, 2)]))).toEqual([
      { code: 'statement-missing', where: 'entry 1' },
    ]);
    const [first, second] = leavesOf([started(1), started(2)]);
    expect(codesOfLeaves([second, first].filter((one) => one !== undefined))).toEqual([
      { code: 'position-order', where: 'entry 1' },
    ]);
  });

  it('a list of problems ends after a thousand', () => {
    const found = codesOfLeaves(Array.from({ length: 1500 }, () => Buffer.from('{}')));
    expect(found).toHaveLength(1001);
    expect(found.at(-1)?.code).toBe('too-many');
  });

  it('the root in the report is the one that RFC 6962 defines', () => {
    const tree = new ReferenceTree(leaves.map(leafHash));
    const root = Buffer.from(tree.mth(0, leaves.length)).toString('base64');
    expect(readFileSync(join(master, 'checkpoint'), 'utf8').split('\n')[2]).toBe(root);
  });
});
