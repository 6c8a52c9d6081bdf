import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ReplayItem, SessionView } from '../../../gateway-core/contract/api.js';
import {
  chainTree,
  type TreeNode,
  visibleNodes,
} from '../../../gateway-core/evidence/viewer/data/chain-tree.js';
import { embeddedBundle } from '../../../gateway-core/evidence/viewer/data/embedded.js';
import { BlobAccess, HeldFile, HeldMemory } from '../../../gateway-core/evidence/viewer/data/held.js';
import { ItemStore } from '../../../gateway-core/evidence/viewer/data/item-store.js';
import { linesOf } from '../../../gateway-core/evidence/viewer/data/lines.js';
import { Numbers } from '../../../gateway-core/evidence/viewer/data/numbers.js';
import { Pace, Stopped } from '../../../gateway-core/evidence/viewer/data/pace.js';
import { policyParts } from '../../../gateway-core/evidence/viewer/data/policy-text.js';
import { fingerprintDigits } from '../../../gateway-core/evidence/viewer/ui/check-state.js';

async function* pieces(...each: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* each;
}

describe('a policy’s text', () => {
  it('is cut behind each policy, and nothing of it is lost', () => {
    const texts = fc.array(
      fc.constantFrom('@id("a")', ';', '"x;\\"y"', '// c;"\n', 'permit(', '\n', '"', '\\'),
    );
    fc.assert(
      fc.property(texts, (parts) => {
        const text = parts.join('');
        expect(
          policyParts(text)
            .map((part) => part.text)
            .join(''),
        ).toBe(text);
      }),
    );
  });

  it('names each policy by its @id, which no comment and no string can fake', () => {
    const text = [
      '// @id("comment")',
      '@id("first") permit (principal, action, resource) when { context.x == "@id(\\"string\\");" };',
      '@id("se\\"cond") forbid (principal, action, resource);',
      'permit (principal, action, resource);',
    ].join('\n');
    expect(policyParts(text).map(({ id }) => id)).toEqual(['first', 'se"cond', undefined]);
  });
});

describe('items of a result', () => {
  const row = (index: number): ReplayItem => ({
    kind: 'row',
    atMs: index,
    seq: 1,
    values: [String(index), null],
  });

  it('come back as they were put in, from any place, while more are added', async () => {
    const store = new ItemStore();
    store.add({ kind: 'columns', atMs: 0, seq: 1, columns: ['n', 'none'] });
    for (let index = 1; index <= 2000; index += 1) {
      store.add(row(index));
      if (index % 333 === 0)
        expect(await store.range(index - 2, index + 1)).toEqual([row(index - 2), row(index - 1), row(index)]);
    }
    await fc.assert(
      fc.asyncProperty(fc.nat(2100), fc.nat(400), async (from, count) => {
        const found = await store.range(from, from + count);
        expect(found.length).toBe(Math.max(0, Math.min(count, 2001 - from)));
        if (from > 0) for (const [at, item] of found.entries()) expect(item).toEqual(row(from + at));
      }),
    );
    expect(store.columnsAt(1500)).toMatchObject({ names: ['n', 'none'], rows: 2000, widths: [3, 4] });
    expect(store.countUntil(1, 2001, 700)).toBe(700);
  });

  it('megabytes in a row are a page of their own', async () => {
    const store = new ItemStore();
    const wide = (letter: string): ReplayItem => ({
      kind: 'row',
      atMs: 0,
      seq: 1,
      values: [letter.repeat(3_000_000)],
    });
    for (const letter of 'abcde') store.add(wide(letter));
    expect(await store.range(3, 4)).toEqual([wide('d')]);
  });
});

describe('lines of a file', () => {
  it('are the same wherever the file was cut, and know where they stand', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: 'grapheme' })), fc.nat(), async (words, cut) => {
        const lines = words.map((word) => word.replaceAll('\n', ' '));
        const whole = Buffer.from(lines.join('\n'));
        const at = whole.length === 0 ? 0 : cut % whole.length;
        const file = await HeldFile.of(pieces(whole.subarray(0, at), whole.subarray(at)), new HeldMemory());
        const found: string[] = [];
        for await (const { offset, bytes } of linesOf(file)) {
          expect(await file.text(offset, offset + bytes.length)).toBe(Buffer.from(bytes).toString());
          found.push(Buffer.from(bytes).toString());
        }
        expect(found).toEqual(lines.filter((line) => line !== ''));
      }),
    );
  });
});

describe('files that are held', () => {
  it('read the same from memory and from a blob', async () => {
    const content = Buffer.from(Array.from({ length: 700_000 }, (_, index) => index % 251));
    const none = new HeldMemory();
    none.take(192 * 1024 * 1024);
    const small = content.subarray(0, 1000);
    for (const [file, expected] of [
      [await HeldFile.of(pieces(small), new HeldMemory()), small],
      [await HeldFile.of(pieces(small), none), small],
      [await HeldFile.of(pieces(content), new HeldMemory()), content],
    ] as const) {
      expect(file.size).toBe(expected.length);
      expect(Buffer.from(await file.read(10, 500)).equals(expected.subarray(10, 500))).toBe(true);
      expect((await file.read(expected.length, expected.length + 5)).length).toBe(0);
    }
    await expect(HeldFile.of(pieces(content), new HeldMemory(), 1000)).rejects.toThrow(RangeError);
  });

  it('a file that is read ahead gives the bytes that were asked for', async () => {
    const content = Buffer.from(Array.from({ length: 2_500_000 }, (_, index) => (index * 7) % 253));
    const access = new BlobAccess(new Blob([content]));
    await fc.assert(
      fc.asyncProperty(fc.nat(content.length), fc.nat(1_200_000), async (offset, length) => {
        const read = await access.read(offset, length);
        expect(Buffer.from(read).equals(content.subarray(offset, offset + length))).toBe(true);
      }),
      { numRuns: 40 },
    );
  });
});

describe('what a page carries', () => {
  const page = (bytes: Buffer): string => `\n${bytes.toString('base64').replaceAll(/.{76}/g, '$&\n')}\n`;

  it('is the bytes that were put into it, in lines of any length', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 2000 }), async (bytes) => {
        const blob = embeddedBundle(page(Buffer.from(bytes)));
        expect(blob).toBeInstanceOf(Blob);
        expect([...new Uint8Array(await (blob as Blob).arrayBuffer())]).toEqual([...bytes]);
      }),
    );
  });

  it('is nothing, or damaged, and never another text', () => {
    expect(embeddedBundle('\n')).toBeUndefined();
    for (const wrong of ['<b>', 'QUJ', 'QUJD=QUJ', 'QU%D', 'QUJD===='])
      expect(embeddedBundle(wrong)).toBe('damaged');
  });
});

describe('the tree of who acted', () => {
  const hop = (id: string) => ({ id, kind: 'agent' as const, name: id, assurance: 'issued' as const });
  const session = (...ids: string[]) => ({ chain: ids.map(hop), connection: 'c' }) as unknown as SessionView;
  const size = (nodes: readonly TreeNode[]): number => visibleNodes(nodes, () => true).length;

  it('holds every hop once below the same actors, and every session at its end', () => {
    const roots = chainTree([session('a', 'b'), session('a', 'b', 'c'), session('a'), session('d')], []);
    expect(roots.map((node) => [node.hop?.id, node.sessions])).toEqual([
      ['a', 3],
      ['d', 1],
    ]);
    expect(size(roots)).toBe(4 + 4);
  });

  it('a chain of any length makes a tree of bounded depth', () => {
    const long = session(...Array.from({ length: 50_000 }, (_, index) => `h${index}`));
    expect(size(chainTree([long, long], []))).toBeLessThan(100);
  });
});

describe('numbers, pace and fingerprints', () => {
  it('numbers are counted as in a sorted array', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(100), { maxLength: 3000 }), fc.nat(110), (values, limit) => {
        const sorted = [...values].sort((a, b) => a - b);
        const numbers = new Numbers();
        for (const value of sorted) numbers.push(value);
        expect(numbers.countUntil(limit)).toBe(sorted.filter((value) => value <= limit).length);
        expect(numbers.at(sorted.length)).toBeNaN();
      }),
    );
  });

  it('work that nobody wants any more stops at its next turn', () => {
    const leaving = new AbortController();
    const pace = new Pace(leaving.signal);
    void pace.turn();
    leaving.abort();
    expect(() => pace.turn()).toThrow(Stopped);
  });

  it('a fingerprint is known however it is written, and never by a part of it', () => {
    const digits = 'ab12'.repeat(16);
    for (const same of [
      `sha256:${digits}`,
      digits.toUpperCase(),
      ` SHA256:${digits}\n`,
      digits.replaceAll(/.{8}/g, '$& '),
      digits.replaceAll(/..(?=.)/g, '$&:'),
    ]) {
      expect(fingerprintDigits(same)).toBe(digits);
    }
    for (const other of ['', 'sha256:', digits.slice(1), `${digits}0`, 'x'.repeat(64)]) {
      expect(fingerprintDigits(other)).toBeUndefined();
    }
    expect(fingerprintDigits('name+00000000+AAAA')).toMatch(/^[0-9a-f]{64}$/);
  });
});
