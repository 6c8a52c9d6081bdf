import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Slices } from '../../../gateway-core/proxy/postgres/slices.js';

describe('slices of what the target says', () => {
  it('are the same bytes in the same order, each of a bounded size', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(70_000), { maxLength: 6 }), (lengths) => {
        const chunks = lengths.map((length, index) => Buffer.alloc(length, index + 1));
        const slices = new Slices();
        for (const chunk of chunks) slices.push(chunk);
        const taken: Buffer[] = [];
        while (!slices.empty) taken.push(slices.next() ?? Buffer.alloc(0));
        expect(slices.next()).toBeUndefined();
        expect(Buffer.concat(taken).equals(Buffer.concat(chunks))).toBe(true);
        for (const slice of taken) expect(slice.length).toBeLessThanOrEqual(16 * 1024);
      }),
      { numRuns: 50 },
    );
  });
});
