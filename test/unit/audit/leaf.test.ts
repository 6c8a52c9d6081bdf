import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson, canonicalJsonWith } from '../../../gateway-core/audit/canonical.js';
import { parseLeaf, toLeaf, verifyPayload } from '../../../gateway-core/audit/leaf.js';
import { ThroughlineError } from '../../../gateway-core/contract/errors.js';
import { AuditEvent } from '../../../gateway-core/contract/events.js';
import { decided, ended, event, leafOf, outcome, salt, started, stopped } from './support.js';

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');

describe('canonical JSON', () => {
  it('the examples of RFC 8785 3.2.2 and 3.2.3 come out as the RFC has them', () => {
    const example = {
      numbers: [Number('333333333.33333329'), 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
      string: '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\"/',
      literals: [null, true, false],
    };
    expect(canonicalJson(example)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
    const keys = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\ud83d\ude00': 5, '\u0080': 6, '\u00f6': 7 };
    expect(Object.values(JSON.parse(canonicalJson(keys)) as object)).toHaveLength(7);
    const order = [...canonicalJson(keys).matchAll(/:(\d)/g)].map(([, digit]) => digit).join('');
    expect(order).toBe('2467153');
  });

  it('the order of properties never matters, and parsing gives the same form back', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const form = canonicalJson(value);
        const reversed = Object.fromEntries(Object.entries(value).reverse());
        expect(canonicalJson(reversed)).toBe(form);
        expect(canonicalJson(JSON.parse(form))).toBe(form);
      }),
    );
  });

  it('a value with changes has the form of the changed value', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.jsonValue(), (value, one) => {
        const first = Object.keys(value)[0] ?? 'first';
        const changes = { [first]: undefined, pos: one, zero: 0 };
        expect(canonicalJsonWith(value, changes)).toBe(canonicalJson({ ...value, ...changes }));
      }),
    );
    expect(canonicalJsonWith({ a: 1 }, { b: 2 })).toBe('{"a":1,"b":2}');
    expect(canonicalJsonWith({ a: 1, b: 3 }, { b: 2 })).toBe('{"a":1,"b":2}');
  });

  it('what JSON cannot carry throws instead of changing its meaning', () => {
    let deep: unknown = 1;
    for (let i = 0; i < 100; i++) deep = [deep];
    for (const value of [
      Number.NaN,
      Infinity,
      1n,
      () => 1,
      Symbol('s'),
      [undefined],
      new Date(0),
      new Map(),
      deep,
    ]) {
      expect(() => canonicalJson({ value })).toThrow(TypeError);
    }
    expect(canonicalJson({ value: undefined, lone: '\ud83d' })).toBe('{"lone":"\\ud83d"}');
  });
});

describe('a leaf', () => {
  it('is the canonical event with its position, the payload replaced by its salted hash', () => {
    const one = decided(1, 1);
    const made = toLeaf(one, { position: 7, salt });
    if (made instanceof ThroughlineError || made.payload === undefined) return expect.fail('no leaf');
    expect(text(made.payload)).toBe('{"exactHash":"ab","text":"select 1"}');
    const payloadHash = createHash('sha256').update(salt).update(made.payload).digest('hex');
    const { payload, ...rest } = one as Extract<AuditEvent, { kind: 'statement.decided' }>;
    expect(payload).toBeDefined();
    expect(JSON.parse(text(made.leaf))).toEqual({ ...rest, pos: 7, payloadHash });
    expect(text(made.leaf)).not.toContain('select');
    expect(text(made.leaf)).toBe(canonicalJson({ ...rest, pos: 7, payloadHash }));
  });

  it('every kind of event that can stand in the log parses back to itself', () => {
    for (const one of [started(1), decided(1, 1), outcome(1, 1), ended(1, 1), stopped()]) {
      const parsed = parseLeaf(leafOf(one, 3));
      const { payload, ...rest } = { payload: undefined, ...one };
      expect(parsed).toEqual({
        ...rest,
        pos: 3,
        ...(payload === undefined ? {} : { payloadHash: parsed?.payloadHash }),
      });
    }
    const own = toLeaf(stopped(), { position: undefined });
    if (own instanceof ThroughlineError) return expect.fail('no leaf');
    expect(own.payload).toBeUndefined();
    expect(parseLeaf(own.leaf)?.pos).toBeUndefined();
    const plain = event({ kind: 'statement.ended', ...bare() });
    expect(parseLeaf(leafOf(plain, 1))).toEqual({ ...plain, pos: 1 });
  });

  it('too many bytes are a failure with a code; nothing is cut', () => {
    const refused = (length: number): AuditEvent =>
      event({ kind: 'identity.refused', code: 'c', reason: 'r'.repeat(length) });
    const small = leafOf(refused(0), 1).length;
    const largest = toLeaf(refused(65_535 - small), { position: 1, salt });
    expect(largest).not.toBeInstanceOf(ThroughlineError);
    const over = toLeaf(refused(65_536 - small), { position: 1, salt });
    expect(over instanceof ThroughlineError && over.code).toBe('too-large');
  });

  it('a payload without a salt, or a salt of the wrong size, is a bug and throws', () => {
    expect(() => toLeaf(decided(1, 1), { position: 1 })).toThrow(TypeError);
    for (const length of [0, 15, 33]) {
      expect(() => toLeaf(decided(1, 1), { position: 1, salt: Buffer.alloc(length) })).toThrow(RangeError);
    }
  });
});

describe('parsing fails closed', () => {
  const good = text(leafOf(decided(1, 1), 7));
  const parse = (json: string): unknown => parseLeaf(Buffer.from(json));

  it('only the one canonical spelling of an event is a leaf', () => {
    expect(parse(good)).toBeDefined();
    const value = JSON.parse(good) as Record<string, unknown>;
    const refused = [
      ` ${good}`,
      `${good}\n`,
      `\ufeff${good}`,
      JSON.stringify(Object.fromEntries(Object.entries(value).reverse())),
      good.replace('"pos":7', '"pos":7,"pos":7'),
      good.replace('"pos":7', '"pos":7.0'),
      good.replace('"pos":7', '"pos":-7'),
      good.replace('"pos":7', '"pos":"7"'),
      good.replace('SELECT', '\\u0053ELECT'),
      canonicalJson({ ...value, kind: 'no.such' }),
      canonicalJson({ ...value, extra: 1 }),
      canonicalJson({ ...value, payload: { text: 't', exactHash: 'e' } }),
      canonicalJson({ ...value, payloadHash: undefined }),
      canonicalJson({ ...value, payloadHash: 'AB'.repeat(32) }),
      canonicalJson({ ...value, at: 'yesterday' }),
      good.replace('{', '{"__proto__":{"extra":1},'),
      '[]',
      'null',
      '',
      '['.repeat(60_000),
    ].filter((json) => json !== good);
    expect(refused).toHaveLength(20);
    for (const json of refused) expect(parse(json), json.slice(0, 200)).toBeUndefined();
    expect(
      parseLeaf(Buffer.concat([Buffer.from(good.slice(0, -2)), Buffer.of(0xff, 0x22, 0x7d)])),
    ).toBeUndefined();
    expect(
      parse(text(leafOf(started(1), 1)).replace('"kind":"person"', '"extra":1,"kind":"person"')),
    ).toBeUndefined();
    expect(
      parse(text(leafOf(stopped(), 1)).replace('}', `,"payloadHash":"${'a'.repeat(64)}"}`)),
    ).toBeUndefined();
  });

  it('a leaf with any byte changed is another event or none, never the same one', () => {
    const bytes = Buffer.from(good);
    const original = parseLeaf(bytes);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (place, change) => {
        const changed = Buffer.from(bytes);
        changed.writeUInt8(bytes.readUInt8(place) ^ change, place);
        expect(parseLeaf(changed)).not.toEqual(original);
      }),
      { numRuns: 500 },
    );
  });
});

describe('a kept payload', () => {
  const made = toLeaf(decided(1, 1), { position: 7, salt });
  if (made instanceof ThroughlineError || made.payload === undefined) throw new Error('no leaf');
  const { leaf, payload } = made;

  it('opens its leaf with its salt only', () => {
    expect(verifyPayload(leaf, salt, payload)).toBe(true);
    expect(verifyPayload(leaf, Buffer.alloc(16, 8), payload)).toBe(false);
    expect(verifyPayload(leaf, salt, Buffer.from('{}'))).toBe(false);
    expect(verifyPayload(leafOf(decided(1, 2), 7), salt, payload)).toBe(false);
    expect(verifyPayload(leafOf(stopped(), 7), salt, payload)).toBe(false);
    expect(verifyPayload(Buffer.from('x'), salt, payload)).toBe(false);
  });

  it('no other cut between salt and payload opens it', () => {
    const both = Buffer.concat([salt, payload]);
    for (let cut = 0; cut <= both.length; cut++) {
      if (cut === salt.length) continue;
      expect(verifyPayload(leaf, both.subarray(0, cut), both.subarray(cut))).toBe(false);
    }
  });
});

/** A statement's outcome without a payload. */
function bare(): Record<string, unknown> {
  return {
    session: 'ses_00000000000000000000000001',
    seq: 1,
    state: 'ok',
    durationUs: 1,
    bytes: 0,
    maskedValues: 0,
  };
}
