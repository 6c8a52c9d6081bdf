import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadLogKey } from '../../../gateway-core/audit/keys.js';
import {
  fingerprint,
  keyId,
  type LogKey,
  openCheckpoint,
  parseVerifierKey,
  signCheckpoint,
  type VerifierKey,
} from '../../../gateway-core/audit/note.js';
import { formatProof, parseProof, verifyProof } from '../../../gateway-core/audit/proof.js';
import { leafHash, nodeHash } from '../../../gateway-core/audit/tree.js';
import { newKey, nowMs, origin, scratchDirectory } from './support.js';

const root = leafHash(Buffer.from('root'));
const verifierOf = (key: LogKey): VerifierKey => {
  const verifier = parseVerifierKey(key.vkey);
  if (verifier === undefined) throw new Error('the key made no verifier key');
  return verifier;
};
const key = newKey();
const verifier = verifierOf(key);

describe('keys and signatures', () => {
  it('the example of golang.org/x/mod/sumdb/note gives the same verifier key and signature', () => {
    const file = join(scratchDirectory(), 'key');
    writeFileSync(file, 'PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz\n', {
      mode: 0o600,
    });
    const peter = loadLogKey({ file, origin: 'PeterNeumann' });
    expect(peter.vkey).toBe('PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW');
    const text =
      'If you think cryptography is the answer to your problem,\n' +
      "then you don't know what your problem is.\n";
    expect(
      Buffer.concat([Buffer.from('c74f20a3', 'hex'), peter.sign(Buffer.from(text))]).toString('base64'),
    ).toBe('x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=');
  });

  it('a verifier key with another name, hash, type or length is refused', () => {
    const [name = '', id = '', data = ''] = key.vkey.split('+');
    expect(verifier.vkey).toBe(key.vkey);
    const refused = [
      `x${key.vkey}`,
      `${name}+${id === '00000000' ? '11111111' : '00000000'}+${data}`,
      `${name}+${id}+A${data.slice(0, -1)}`,
      `${name}+${id}`,
      `+${id}+${data}`,
      `a b+${id}+${data}`,
      `${key.vkey}\n`,
      '',
    ];
    for (const vkey of refused) expect(parseVerifierKey(vkey)).toBeUndefined();
  });

  it('the fingerprint is what sha256sum prints for the verifier key', () => {
    expect(fingerprint('example.com/log+00000000+AQ==')).toBe(
      'sha256:41cb462b4d6c2e929300bf2c996d7a330474df7904b5fd246b89e266a77ffd2e',
    );
    expect(key.fingerprint).toBe(fingerprint(key.vkey));
    expect(key.fingerprint).toMatch(/^sha256:[0-9a-f]{64}$/);
  });
});

describe('checkpoints', () => {
  const note = signCheckpoint(key, { size: 42, root }, nowMs);

  it('a checkpoint is origin, size and root as a signed note, and opens with its key', () => {
    const lines = note.split('\n');
    expect(lines.slice(0, 4)).toEqual([origin, '42', Buffer.from(root).toString('base64'), '']);
    expect(openCheckpoint(note, verifier)).toEqual({ origin, size: 42, root, timeSeconds: nowMs / 1000 });
    expect(openCheckpoint(signCheckpoint(key, { size: 0, root }), verifier)?.timeSeconds).toBeUndefined();
  });

  it('a checkpoint with any byte changed does not open', () => {
    const bytes = Buffer.from(note);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (place, change) => {
        const changed = Buffer.from(bytes);
        changed.writeUInt8(bytes.readUInt8(place) ^ change, place);
        const opened = openCheckpoint(changed.toString('utf8'), verifier);
        // A changed name or key hash of the cosignature makes it a stranger's line, which is passed over.
        const stranger = opened?.timeSeconds === undefined && opened?.size === 42;
        expect(opened === undefined || stranger).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('a line that names our key and does not verify refuses the whole note', () => {
    const [text = '', signatures = ''] = note.split('\n\n');
    const other = signCheckpoint(key, { size: 43, root }).split('\n\n')[1] ?? '';
    expect(openCheckpoint(`${text}\n\n${signatures}${other}`, verifier)).toBeUndefined();
    expect(openCheckpoint(`${text}\n\n${other}`, verifier)).toBeUndefined();
  });

  it('lines of unknown keys are passed over, and alone they are not enough', () => {
    const stranger = newKey('witness.example');
    const [text = '', signatures = ''] = note.split('\n\n');
    const foreign = signCheckpoint(stranger, { size: 42, root }).split('\n\n')[1] ?? '';
    expect(openCheckpoint(`${text}\n\n${foreign}${signatures}`, verifier)?.size).toBe(42);
    expect(openCheckpoint(`${text}\n\n${foreign}`, verifier)).toBeUndefined();
    expect(openCheckpoint(signCheckpoint(newKey(), { size: 42, root }), verifier)).toBeUndefined();
  });

  it('text that the key signed but that is no checkpoint is refused', () => {
    const hash = Buffer.from(root).toString('base64');
    const signed = (text: string): string => {
      const line = signCheckpoint({ ...key, sign: () => key.sign(Buffer.from(text)) }, { size: 1, root });
      return `${text}\n${line.split('\n\n')[1] ?? ''}`;
    };
    expect(openCheckpoint(signed(`${origin}\n7\n${hash}\n`), verifier)?.size).toBe(7);
    expect(openCheckpoint(signed(`${origin}\n7\n${hash}\nextension\n`), verifier)?.size).toBe(7);
    const refused = [
      `${origin}\n07\n${hash}\n`,
      `${origin}\n-7\n${hash}\n`,
      `${origin}\n9007199254740993\n${hash}\n`,
      `${origin}\n7\n${hash.slice(0, -4)}\n`,
      `${origin}\n7\n${hash} \n`,
      `other.example/log\n7\n${hash}\n`,
      `${origin}\n7\n`,
      `${origin}\n7\n${hash}\n\nextension\n`,
      `${origin}\n7\n${hash}\n\u0001\n`,
    ];
    for (const text of refused) expect(openCheckpoint(signed(text), verifier)).toBeUndefined();
  });

  it('a time that no clock can show is refused', () => {
    expect(openCheckpoint(signCheckpoint(key, { size: 1, root }, 8.64e15), verifier)?.timeSeconds).toBe(
      8.64e12,
    );
    for (const time of [-1, Number.NaN, 8.64e15 + 1000]) {
      expect(() => signCheckpoint(key, { size: 1, root }, time)).toThrow(RangeError);
    }
    const text = `${origin}\n1\n${Buffer.from(root).toString('base64')}\n`;
    const time = Buffer.alloc(8);
    time.writeBigUInt64BE(8_640_000_000_001n);
    const signed = key.sign(Buffer.from(`cosignature/v1\ntime 8640000000001\n${text}`));
    const id = keyId(origin, 0x04, verifier.publicKey);
    const line = `— ${origin} ${Buffer.concat([id, time, signed]).toString('base64')}\n`;
    expect(openCheckpoint(signCheckpoint(key, { size: 1, root }) + line, verifier)).toBeUndefined();
  });

  it('arbitrary text is refused, not thrown on', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        expect(openCheckpoint(text, verifier)).toBeUndefined();
        expect(parseProof(text)).toBeUndefined();
        expect(parseVerifierKey(text)).toBeUndefined();
      }),
    );
  });
});

describe('tlog-proof', () => {
  const leaves = ['a', 'b', 'c'].map((text) => Buffer.from(text));
  const [a, b, c] = leaves.map(leafHash) as [Uint8Array, Uint8Array, Uint8Array];
  const checkpoint = signCheckpoint(key, { size: 3, root: nodeHash(nodeHash(a, b), c) });
  const text = formatProof({ index: 1, proof: [a, c], checkpoint });

  it('a proof is written as c2sp.org/tlog-proof has it, and proves its leaf only', () => {
    expect(text.split('\n').slice(0, 5)).toEqual([
      'c2sp.org/tlog-proof@v1',
      'index 1',
      Buffer.from(a).toString('base64'),
      Buffer.from(c).toString('base64'),
      '',
    ]);
    expect(text.endsWith(checkpoint)).toBe(true);
    expect(verifyProof(text, Buffer.from('b'), verifier)?.index).toBe(1);
    expect(verifyProof(text, Buffer.from('a'), verifier)).toBeUndefined();
    expect(verifyProof(text, Buffer.from('b'), verifierOf(newKey()))).toBeUndefined();
  });

  it('extra data is passed over; anything else in its place is refused', () => {
    const withLine = (line: string): string => text.replace('\n', `\n${line}\n`);
    expect(verifyProof(withLine('extra AAAA'), Buffer.from('b'), verifier)?.index).toBe(1);
    expect(parseProof(withLine('more AAAA'))).toBeUndefined();
    expect(parseProof(text.replace('index 1', 'index 01'))).toBeUndefined();
    expect(parseProof(text.replace('index 1', 'index -1'))).toBeUndefined();
    expect(parseProof(text.replace('@v1', '@v2'))).toBeUndefined();
  });
});
