import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SessionId, sessionTimeMs } from '../../../gateway-core/contract/ids.js';
import { SessionIds } from '../../../gateway-core/server/session-ids.js';

const key = Buffer.alloc(32, 1);
const device = 'a'.repeat(43);

describe('the id of a session', () => {
  it('is a ULID of its time, and is known again after a restart as given to that device and no other', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 47 }), fc.option(fc.string()), (ms, given) => {
        const id = new SessionIds(key).next(ms, given ?? undefined);
        expect(SessionId.safeParse(id).success).toBe(true);
        expect(sessionTimeMs(id)).toBe(ms);
        const later = new SessionIds(key);
        expect(later.isOf(id, given ?? undefined)).toBe(true);
        expect(later.isOf(id, `${given ?? ''}x`)).toBe(false);
        expect(new SessionIds(Buffer.alloc(32, 2)).isOf(id, given ?? undefined)).toBe(false);
      }),
    );
  });

  it('rises, within a millisecond too, and when the clock is set back', () => {
    const ids = new SessionIds(key);
    const made = [5000, 5000, 5000, 5001, 4000, 4000, 5002].map((ms) => ids.next(ms, device));
    expect(made.toSorted()).toEqual(made);
    expect(new Set(made).size).toBe(made.length);
  });

  it('is not made up by changing any letter of one that was given', () => {
    const ids = new SessionIds(key);
    const id = ids.next(1_700_000_000_000, device);
    for (let at = 4; at < id.length; at += 1) {
      const other = id[at] === '0' ? '1' : '0';
      expect(ids.isOf(SessionId.parse(id.slice(0, at) + other + id.slice(at + 1)), device)).toBe(false);
    }
  });
});
