import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Output } from '../../../gateway-core/agent/ssh/output.js';

it('what is kept is the end of what came, at its place, and never more than is allowed', () => {
  const pieces = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 40 });
  fc.assert(
    fc.property(
      pieces,
      fc.integer({ min: 1, max: 120 }),
      fc.nat(400),
      fc.nat(400),
      (all, kept, place, taken) => {
        const output = new Output(kept);
        for (const piece of all) output.add(Buffer.from(piece));
        const whole = Buffer.concat(all);
        output.take(taken);
        const { from, bytes } = output.read(place, 1e6);
        const start = Math.max(0, whole.length - kept);
        expect(output.end).toBe(whole.length);
        expect(from).toBe(Math.min(Math.max(place, start), whole.length));
        expect(bytes.equals(whole.subarray(from))).toBe(true);
        expect(output.taken).toBe(taken <= whole.length ? taken : 0);
        expect(output.unread).toBe(whole.length - Math.max(output.taken, start));
      },
    ),
  );
});

it('a reader that goes on from what it has loses nothing and gets nothing twice', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      fc.integer({ min: 1, max: 50 }),
      (all, step) => {
        const output = new Output(1000);
        for (let at = 0; at < all.length; at += 7) output.add(Buffer.from(all.subarray(at, at + 7)));
        const found: Buffer[] = [];
        for (let at = 0; at < all.length; ) {
          const { bytes } = output.read(at, step);
          expect(bytes.length).toBeLessThanOrEqual(step);
          found.push(bytes);
          at += bytes.length;
        }
        expect(Buffer.concat(found).equals(Buffer.from(all))).toBe(true);
      },
    ),
  );
});
