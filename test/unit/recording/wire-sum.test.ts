import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { wireBlockBytes } from '../../../gateway-core/contract/local-record.js';
import { firstSpoolHead, nextSpoolHead } from '../../../gateway-core/recording/spool-head.js';
import { type WireBlock, WireHash } from '../../../gateway-core/recording/wire-sum.js';

const salt = Buffer.alloc(32, 9);
const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

/** The contract, spelt out: the hashes of salt and block, the last one cut. */
function blocksOf(bytes: Uint8Array): Buffer[] {
  const blocks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += wireBlockBytes)
    blocks.push(sha256(Buffer.concat([salt, bytes.subarray(at, at + wireBlockBytes)])));
  return blocks;
}

describe('the sum of a stream', () => {
  it('is the same however the stream was cut into chunks, and is what the contract says', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 4 * wireBlockBytes }),
        fc.array(fc.integer({ min: 0, max: 2 * wireBlockBytes }), { maxLength: 12 }),
        fc.integer({ min: 0, max: 255 }),
        (length, cuts, seed) => {
          const bytes = Uint8Array.from({ length }, (_, at) => (at * 31 + (at >> 8) + seed) & 0xff);
          const seen: WireBlock[] = [];
          const hash = new WireHash(salt, (block) => seen.push(block));
          let at = 0;
          for (const size of [...cuts, length]) {
            hash.update(bytes.subarray(at, at + size));
            at = Math.min(length, at + size);
          }
          const expected = blocksOf(bytes);
          expect(hash.finish()).toEqual({
            bytes: length,
            blocks: sha256(Buffer.concat(expected)).toString('hex'),
          });
          expect(seen.map((block) => block.hash.toString('hex'))).toEqual(
            expected.map((block) => block.toString('hex')),
          );
          expect(seen.map(({ number }) => number)).toEqual(seen.map((_, number) => number));
          expect(seen.reduce((sum, block) => sum + block.bytes, 0)).toBe(length);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('is that of nothing when there was nothing', () => {
    const none = createHash('sha256').digest('hex');
    expect(new WireHash(salt).finish()).toEqual({ bytes: 0, blocks: none });
    const empty = new WireHash(salt);
    empty.update(new Uint8Array(0));
    expect(empty.finish()).toEqual({ bytes: 0, blocks: none });
  });

  it('has no empty last block when the stream ends where a block does', () => {
    const seen: WireBlock[] = [];
    const hash = new WireHash(salt, (block) => seen.push(block));
    hash.update(new Uint8Array(2 * wireBlockBytes));
    hash.finish();
    expect(seen.map(({ bytes }) => bytes)).toEqual([wireBlockBytes, wireBlockBytes]);
  });

  it('stays what it is once it was taken', () => {
    const hash = new WireHash(salt);
    hash.update(Uint8Array.of(1));
    const sum = hash.finish();
    expect(() => hash.update(Uint8Array.of(2))).toThrow('to its end');
    expect(hash.finish()).toEqual(sum);
  });

  it('cannot be tried without the salt: another salt, another hash', () => {
    const one = new WireHash(salt);
    const other = new WireHash(Buffer.alloc(32, 8));
    for (const hash of [one, other]) hash.update(Buffer.from('select 1'));
    expect(one.finish().blocks).not.toBe(other.finish().blocks);
    expect(() => new WireHash(Buffer.alloc(0))).toThrow('32 bytes');
  });
});

describe('the chain over a segment’s records', () => {
  it('is what the contract says, for text and for its bytes', () => {
    const first = sha256(Buffer.from('throughline spool v1\ndev\n7\n'));
    expect(firstSpoolHead('dev', 7)).toEqual(first);
    const next = sha256(Buffer.concat([first, sha256(Buffer.from('{"ü":1}'))]));
    expect(nextSpoolHead(first, '{"ü":1}')).toEqual(next);
    expect(nextSpoolHead(first, Buffer.from('{"ü":1}'))).toEqual(next);
  });
});
