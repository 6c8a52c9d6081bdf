import { describe, expect, it } from 'vitest';
import { isTextLike, typeInfo } from '../../gateway-core/codec/postgres/types.js';

describe('types', () => {
  it('only types whose binary format is their text are text-like', () => {
    for (const oid of [25, 1043, 1042, 19, 18, 114, 142, 705]) expect(isTextLike(oid)).toBe(true);
    for (const oid of [3802, 17, 23, 1700, 1114, 2950, 1009, 2249, 0, 16_384])
      expect(isTextLike(oid)).toBe(false);
  });

  it('every array names an element that is known', () => {
    let arrays = 0;
    for (let oid = 0; oid < 16_384; oid += 1) {
      const info = typeInfo(oid);
      if (info?.kind !== 'array') continue;
      arrays += 1;
      expect(typeInfo(info.element ?? 0)).toMatchObject({ name: info.name.slice(1) });
    }
    expect(arrays).toBeGreaterThan(60);
  });

  it('an oid that is not built in is unknown, never guessed', () => {
    expect(typeInfo(16_384)).toBeUndefined();
    expect(typeInfo(-1)).toBeUndefined();
  });
});
