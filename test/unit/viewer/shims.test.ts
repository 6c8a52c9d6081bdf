import * as node from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isUtf8, Buffer as PageBuffer } from '../../../gateway-core/evidence/viewer/shims/buffer.js';
import * as page from '../../../gateway-core/evidence/viewer/shims/crypto.js';
import { inflate } from '../../../gateway-core/evidence/viewer/shims/inflate.js';
import { StringDecoder } from '../../../gateway-core/evidence/viewer/shims/string-decoder.js';

const text = fc.string({ unit: 'binary', maxLength: 200 });
const bytes = fc.uint8Array({ maxLength: 300 });
const large = fc.integer({ min: 0, max: 40_000 });

describe('what the viewer has in place of Node', () => {
  it('hashes as Node does, in one piece and in several', () => {
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 5 }), text, (pieces, words) => {
        const [ours, theirs] = [page.createHash('sha256'), node.createHash('sha256')];
        for (const piece of pieces) {
          ours.update(piece);
          theirs.update(piece);
        }
        expect(ours.update(words).digest('hex')).toBe(theirs.update(words).digest('hex'));
        for (const encoding of ['hex', 'base64', 'binary'] as const) {
          expect(page.hash('sha256', words, encoding)).toBe(node.hash('sha256', words, encoding));
        }
      }),
    );
  });

  it('knows no other hash: a check that cannot be made throws', () => {
    expect(() => page.hash('sha1', '')).toThrow('no sha1');
    expect(() => page.createHash('md5')).toThrow('no md5');
  });

  it('verifies what Node has signed, and nothing that was changed by a bit', () => {
    const { privateKey, publicKey } = node.generateKeyPairSync('ed25519');
    const der = publicKey.export({ format: 'der', type: 'spki' });
    const key = page.createPublicKey({ key: der, format: 'der', type: 'spki' });
    fc.assert(
      fc.property(bytes, fc.nat(), (message, flip) => {
        const signature = node.sign(null, message, privateKey);
        expect(page.verify(null, message, key, signature)).toBe(true);
        const other = Buffer.from(signature);
        other[flip % 64] = (other[flip % 64] ?? 0) ^ (1 << (flip % 8));
        expect(page.verify(null, message, key, other)).toBe(false);
        expect(page.verify(null, Buffer.concat([message, Buffer.of(1)]), key, signature)).toBe(false);
        expect(page.verify(null, message, key, signature.subarray(1))).toBe(false);
      }),
      { numRuns: 20 },
    );
  });

  it('takes no key but an Ed25519 one', () => {
    const { publicKey } = node.generateKeyPairSync('x25519');
    const der = publicKey.export({ format: 'der', type: 'spki' });
    expect(() => page.createPublicKey({ key: der, format: 'der', type: 'spki' })).toThrow('not an Ed25519');
  });

  it('reads and writes texts as Node does, in every encoding that is used', () => {
    fc.assert(
      fc.property(text, bytes, large, (words, raw, length) => {
        for (const encoding of ['utf8', 'latin1', 'hex', 'base64'] as const) {
          const ours = PageBuffer.from(raw).toString(encoding);
          const theirs = Buffer.from(raw).toString(encoding);
          expect(ours).toBe(theirs);
          expect([...PageBuffer.from(theirs, encoding)]).toEqual([...Buffer.from(theirs, encoding)]);
        }
        expect([...PageBuffer.from(words)]).toEqual([...Buffer.from(words)]);
        expect(isUtf8(raw)).toBe(isUtf8OfNode(raw));
        const long = Buffer.alloc(length, 'throughline ⟨é⟩ ');
        expect(PageBuffer.from(long).toString('base64')).toBe(long.toString('base64'));
        expect(long.equals(PageBuffer.from(long.toString('base64'), 'base64'))).toBe(true);
        expect(PageBuffer.from(long).toString('latin1')).toBe(long.toString('latin1'));
        expect(PageBuffer.from(long).toString('utf8', 3, 90)).toBe(long.toString('utf8', 3, 90));
      }),
      { numRuns: 60 },
    );
  });

  it('what is no base64 is read as Node reads it, so a strict reader refuses it alike', () => {
    const odd = `${'QUJD'.repeat(4000)}!`;
    for (const wrong of [odd, `${odd}=`, 'Q', 'QQ=Q', '====', 'QUJD\nQUJD']) {
      const same = PageBuffer.from(wrong, 'base64').toString('base64') === wrong;
      expect(same).toBe(Buffer.from(wrong, 'base64').toString('base64') === wrong);
    }
  });

  it('puts characters together that were cut between two pieces', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), fc.nat(), (words, cut) => {
        const whole = Buffer.from(words);
        const at = whole.length === 0 ? 0 : cut % whole.length;
        const decoder = new StringDecoder();
        expect(decoder.write(whole.subarray(0, at)) + decoder.write(whole.subarray(at))).toBe(words);
      }),
    );
  });

  // What stands behind a stream is refused in a browser, not in Node's own DecompressionStream: see the desktop suite.
  it('unpacks what was packed, and nothing else', async () => {
    const clear = Buffer.from('a'.repeat(200_000) + 'b'.repeat(1000));
    const packed = deflateRawSync(clear);
    const read = async (from: Uint8Array): Promise<Buffer> => {
      async function* pieces(): AsyncGenerator<Uint8Array> {
        yield from.subarray(0, 20);
        yield from.subarray(20);
      }
      const all: Uint8Array[] = [];
      const sizes = { packedBytes: from.length, bytes: clear.length };
      for await (const piece of inflate(pieces(), sizes)) all.push(piece);
      return Buffer.concat(all);
    };
    expect((await read(packed)).equals(clear)).toBe(true);
    await expect(read(Buffer.from('no deflate at all'))).rejects.toThrow();
  });
});

const isUtf8OfNode = (raw: Uint8Array): boolean => Buffer.from(Buffer.from(raw).toString('utf8')).equals(raw);
