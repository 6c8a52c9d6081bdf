import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DetectMask, Detector, MaskKind } from '../../../gateway-core/contract/masks.js';
import { createColumnMasker, type ValueClass } from '../../../gateway-core/masking/column-masker.js';
import { createValueMasker } from '../../../gateway-core/masking/value-masker.js';
import { assignments, card, email, groupedCard, iban, nonsense, numbers, phone, seed } from './generate.js';
import { parseArray } from './parse-array.js';

const hashKey = Buffer.alloc(32, 7);
const all: Detector[] = ['email', 'card', 'iban', 'phone', 'key'];
const kinds: MaskKind[] = ['redact', 'partial', 'hash', 'null'];
const anything = fc.oneof(nonsense, numbers, assignments);
const options = { seed, numRuns: Number(process.env['FUZZ_RUNS'] ?? 1000) };

function maskerFor(kind: MaskKind): ReturnType<typeof createValueMasker> {
  return createValueMasker({ rules: [{ detect: all, with: kind }], hashKey });
}

function mask(
  valueClass: ValueClass,
  rules: readonly DetectMask[],
  value: Buffer,
  format: 'text' | 'binary' = 'text',
): Uint8Array | null | undefined {
  const masker = createColumnMasker({ plan: { mask: 'detect', rules }, valueClass, format, hashKey });
  return masker.mask(value, 0, value.length);
}

describe(`masking, seed ${seed}`, () => {
  for (const kind of kinds) {
    it(`masking twice is masking once: ${kind}`, () => {
      const masker = maskerFor(kind);
      fc.assert(
        fc.property(anything, (text) => {
          const once = masker.maskText(text).text;
          expect(masker.maskText(once).text).toBe(once);
        }),
        options,
      );
    });
  }

  it('an unmasked value is handed back as it is, and its count is 0', () => {
    const masker = maskerFor('partial');
    fc.assert(
      fc.property(anything, (text) => {
        const bytes = Buffer.from(text);
        const masked = masker.maskBytes(bytes, 0, bytes.length);
        const result = masker.maskText(text);
        expect(result.count === 0).toBe(masked === undefined);
        if (masked === undefined) expect(result.text).toBe(text);
        expect(bytes.toString()).toBe(text);
      }),
      options,
    );
  });

  const secrets: readonly (readonly [string, fc.Arbitrary<string>, (secret: string) => string])[] = [
    [
      'the local part of an address',
      fc.stringMatching(/^[q-z]{6,9}@[a-d]{3,6}[.]com$/),
      (secret) => secret.slice(1, secret.indexOf('@')),
    ],
    ['the digits of a card but the last four', groupedCard, (secret) => secret.slice(0, -4)],
    ['the digits of an IBAN but the last four', iban, (secret) => secret.slice(2, -4)],
    ['the subscriber of a phone number', phone, (secret) => secret.slice(4, -2)],
    ['a labelled password', fc.stringMatching(/^[A-Z][a-z]{5}[0-9]{3}$/), (secret) => secret],
  ];
  for (const [name, arbitrary, part] of secrets) {
    it.each(kinds)(`${name} is nowhere in the masked text: %s`, (kind) => {
      const masker = maskerFor(kind);
      const around = fc.constantFrom('', ' ', ' x ', '"', "'", ', ', '\n', ' Ü ', ' €');
      fc.assert(
        fc.property(arbitrary, around, around, (secret, before, after) => {
          const labelled = name.includes('labelled') ? `password=${secret}` : secret;
          const { text, count } = masker.maskText(`${before}${labelled}${after}`);
          expect(count).toBe(1);
          expect(text).not.toContain(part(secret));
          expect(text.startsWith(before) && text.endsWith(after)).toBe(true);
        }),
        options,
      );
    });
  }

  it('never throws on bytes of any kind, in any class and format', () => {
    const classes: ValueClass[] = [
      'text',
      'json',
      'number',
      'date',
      'boolean',
      'uuid',
      'bytea',
      'array-text',
      'array-other',
      'other',
    ];
    const plans = [
      { mask: 'detect', rules: [{ detect: all, with: 'partial' }] },
      { mask: 'column', with: 'partial', rules: [{ detect: all, with: 'redact' }] },
    ] as const;
    const maskers = classes.flatMap((valueClass) =>
      (['text', 'binary'] as const).flatMap((format) =>
        plans.map((plan) => createColumnMasker({ plan, valueClass, format, hashKey })),
      ),
    );
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      nonsense.map((text) => Buffer.from(text, 'latin1')),
      fc.tuple(nonsense, fc.nat(), fc.integer({ min: 0, max: 255 })).map(([text, place, byte]) => {
        const data = Buffer.from(text);
        if (data.length > 0) data[place % data.length] = byte;
        return data;
      }),
    );
    fc.assert(
      fc.property(bytes, fc.nat(3), (value, cut) => {
        const before = Buffer.from(value);
        const start = Math.min(cut, value.length);
        for (const masker of maskers) masker.mask(value, start, value.length);
        expect(before.equals(value)).toBe(true);
      }),
      options,
    );
  });

  it('ASCII hits are found between bytes that are not UTF-8', () => {
    const masker = maskerFor('redact');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 8 }), fc.oneof(email, card), (junk, secret) => {
        const wrapped = Buffer.concat([
          junk,
          Buffer.from([0xff, 0x20]),
          Buffer.from(secret),
          Buffer.from([0x20, 0xfe]),
          junk,
        ]);
        const masked = Buffer.from(masker.maskBytes(wrapped, 0, wrapped.length) ?? []);
        expect(masked.includes('[masked]')).toBe(true);
        expect(masked.includes(secret)).toBe(false);
      }),
      options,
    );
  });

  for (const kind of ['redact', 'partial', 'hash'] as const) {
    const rules: DetectMask[] = [{ detect: all, with: kind }];
    it(`JSON stays JSON and loses nothing but hits: ${kind}`, () => {
      const leaf = fc.oneof(
        anything,
        card.map(Number),
        fc.integer(),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.boolean(),
        fc.constant(null),
      );
      const document = fc.letrec<{ value: unknown }>((tie) => ({
        value: fc.oneof(
          { maxDepth: 3 },
          leaf,
          fc.array(tie('value'), { maxLength: 4 }),
          fc.dictionary(
            fc.oneof(fc.constantFrom('password', 'phone', 'a', 'token'), nonsense),
            tie('value'),
            { maxKeys: 4 },
          ),
        ),
      })).value;
      const spacing = fc.constantFrom(undefined, 1);
      fc.assert(
        fc.property(document, spacing, fc.boolean(), (value, indent, escaped) => {
          const plain = JSON.stringify(value, undefined, indent);
          const text = escaped
            ? plain.replaceAll(/[^\0-~]|@/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
            : plain;
          const masked = mask('json', rules, Buffer.from(text));
          if (!(masked instanceof Uint8Array)) {
            expect(masked).toBeUndefined();
            return;
          }
          const after: unknown = JSON.parse(Buffer.from(masked).toString());
          expect(Array.isArray(after)).toBe(Array.isArray(value));
          if (Array.isArray(value) && Array.isArray(after)) expect(after.length).toBe(value.length);
          expect(mask('json', rules, Buffer.from(masked))).toBeUndefined();
        }),
        options,
      );
    });

    it(`an array of text stays one, element for element: ${kind}`, () => {
      const quoteElement = (text: string | null): string => {
        if (text === null) return 'NULL';
        const plain = /^[^\s{},"\\]+$/.test(text) && !/^null$/i.test(text);
        return plain ? text : `"${text.replaceAll(/["\\]/g, (c) => `\\${c}`)}"`;
      };
      fc.assert(
        fc.property(fc.array(fc.option(anything), { minLength: 1, maxLength: 4 }), (elements) => {
          const literal = `{${elements.map(quoteElement).join(',')}}`;
          expect(parseArray(literal)).toEqual(elements);
          const masked = mask('array-text', rules, Buffer.from(literal));
          if (!(masked instanceof Uint8Array)) {
            expect(masked).toBeUndefined();
            return;
          }
          const after = parseArray(Buffer.from(masked).toString());
          // A quote or an URL that is begun in an element without quotes, and not ended: all are hidden.
          if (after.length === 1 && after[0] === '[masked]' && /["'`\p{Cc}]|:\/\//u.test(literal)) return;
          expect(after.length).toBe(elements.length);
          elements.forEach((element, index) => expect(after[index] === null).toBe(element === null));
        }),
        options,
      );
    });
  }

  it('a null mask that hits makes the whole value NULL, in every class that is looked into', () => {
    const rules: DetectMask[] = [{ detect: all, with: 'null' }];
    fc.assert(
      fc.property(email, (address) => {
        for (const valueClass of ['text', 'other', 'array-text', 'array-other'] as const) {
          expect(mask(valueClass, rules, Buffer.from(`{x ${address}}`))).toBeNull();
        }
        expect(mask('json', rules, Buffer.from(JSON.stringify({ a: address })))).toBeNull();
        expect(mask('bytea', rules, Buffer.from(`\\x${Buffer.from(address).toString('hex')}`))).toBeNull();
      }),
      options,
    );
  });
});
