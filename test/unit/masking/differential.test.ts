import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { detectorIds, HitList } from '../../../gateway-core/masking/hits.js';
import { scan } from '../../../gateway-core/masking/scanner.js';
import { assignments, nonsense, numbers, seed } from './generate.js';
import { oracle } from './oracle.js';

const names = Object.keys(detectorIds);
const all = (1 << names.length) - 1;
const runs = Number(process.env['FUZZ_RUNS'] ?? 3000);

function scanned(bytes: Buffer, start: number, end: number): string[] {
  const list = new HitList();
  scan(bytes, start, end, all, -1, list);
  const lines: string[] = [];
  for (let index = 0; index < list.count; index++) {
    const hit = list.hit(index);
    lines.push(`${names[hit.detector]} ${hit.start - start}-${hit.end - start}`);
  }
  return lines;
}

function compare(text: string, found: readonly string[]): void {
  const expected = oracle(Buffer.from(text)).map((hit) => `${hit.detector} ${hit.start}-${hit.end}`);
  const sorted = (lines: readonly string[]): string[] => [...new Set(lines)].sort();
  expect({ text, hits: sorted(found) }).toEqual({ text, hits: sorted(expected) });
}

describe(`scanner against oracle, seed ${seed}`, () => {
  for (const [name, arbitrary] of Object.entries({ nonsense, numbers, assignments })) {
    it(`finds what the plain expressions find and no more: ${name}`, () => {
      fc.assert(
        fc.property(arbitrary, (text) => {
          const bytes = Buffer.from(text);
          compare(text, scanned(bytes, 0, bytes.length));
        }),
        { seed, numRuns: runs },
      );
    });
  }

  it('never looks at the neighbours of a value in its buffer', () => {
    fc.assert(
      fc.property(nonsense, nonsense, nonsense, (before, text, after) => {
        const parts = [before, text, after].map((part) => Buffer.from(part));
        const [head, middle] = parts;
        const start = head?.length ?? 0;
        const end = start + (middle?.length ?? 0);
        compare(text, scanned(Buffer.concat(parts), start, end));
      }),
      { seed, numRuns: runs / 4 },
    );
  });
});
