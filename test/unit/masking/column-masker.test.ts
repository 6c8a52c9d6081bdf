import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { DetectMask, Detector, MaskKind } from '../../../gateway-core/contract/masks.js';
import {
  type ColumnPlan,
  createColumnMasker,
  type ValueClass,
} from '../../../gateway-core/masking/column-masker.js';

const hashKey = Buffer.alloc(32, 7);
const all: Detector[] = ['email', 'card', 'iban', 'phone', 'key'];
const partial: DetectMask[] = [{ detect: all, with: 'partial' }];
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

/** Masks a value that stands between others in its buffer. Text results are strings. */
function masked(
  plan: ColumnPlan,
  valueClass: ValueClass,
  value: Buffer | string,
  format: 'text' | 'binary' = 'text',
): string | null | undefined {
  const before = Buffer.from('4111 joe@');
  const bytes = Buffer.concat([before, Buffer.from(value), Buffer.from('@example.com 1111')]);
  const masker = createColumnMasker({ plan, valueClass, format, hashKey });
  const result = masker.mask(bytes, before.length, before.length + Buffer.from(value).length);
  return result instanceof Uint8Array ? Buffer.from(result).toString('latin1') : result;
}

const detect = (rules: readonly DetectMask[] = partial): ColumnPlan => ({ mask: 'detect', rules });
const column = (kind: MaskKind, rules?: readonly DetectMask[]): ColumnPlan =>
  rules === undefined ? { mask: 'column', with: kind } : { mask: 'column', with: kind, rules };
const hashOf = (text: string): string =>
  `h:${createHmac('sha256', hashKey).update(text).digest('hex').slice(0, 16)}`;

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
const sized = (value: Buffer): Buffer => Buffer.concat([uint32(value.length), value]);
const binaryArray = (type: number, elements: readonly Buffer[]): Buffer =>
  Buffer.concat([
    uint32(1),
    uint32(0),
    uint32(type),
    uint32(elements.length),
    uint32(1),
    ...elements.map(sized),
  ]);
const int8 = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return bytes;
};
const float8 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes;
};
const numeric = (digits: readonly number[], weight: number): Buffer => {
  const bytes = Buffer.alloc(8 + 2 * digits.length);
  bytes.writeInt16BE(digits.length, 0);
  bytes.writeInt16BE(weight, 2);
  digits.forEach((digit, index) => bytes.writeInt16BE(digit, 8 + 2 * index));
  return bytes;
};

describe('a column that passes', () => {
  it('leaves every value as it is', () => {
    for (const valueClass of classes)
      expect(masked({ mask: 'pass' }, valueClass, 'joe@example.com')).toBeUndefined();
  });
});

describe('a masked column', () => {
  it.each([
    ['Muster', 'M***'],
    ['Über', 'Ü***'],
    ['abc', 'a***'],
    ['ab', '***'],
    ['a', '***'],
    ['日本', '***'],
    ['日本語', '日***'],
    ['***', '***'],
    ['joe@example.com', 'j***@example.com'],
    ['4111 1111 1111 1111', '**** **** **** 1111'],
    ['DE89370400440532013000', 'DE****************3000'],
    ['+49 170 1234567', '+49 *** *****67'],
    ['mail joe@example.com', 'm***'],
    ['joe@example.com, eve@example.com', 'j***'],
    ['2125550123', '2***'],
  ])('shows of text what its kind may show: %s', (value, expected) => {
    expect(masked(column('partial'), 'text', value)).toBe(Buffer.from(expected).toString('latin1'));
    expect(masked(column('partial'), 'text', value, 'binary')).toBe(Buffer.from(expected).toString('latin1'));
  });

  it('leaves empty text empty with a partial mask', () => {
    expect(masked(column('partial'), 'text', '')).toBeUndefined();
    expect(masked(column('redact'), 'text', '')).toBe('[masked]');
  });

  it('shows nothing of bytes that are no text', () => {
    expect(masked(column('partial'), 'text', Buffer.from([0xff, 0x41, 0x42, 0x43]))).toBe('***');
  });

  it('hashes with the key: equal values stay equal', () => {
    expect(masked(column('hash'), 'text', 'Muster')).toBe(hashOf('Muster'));
    expect(masked(column('hash'), 'text', 'Muster')).not.toBe(hashOf('muster'));
  });

  it('is NULL in types that cannot say that they are masked', () => {
    for (const kind of ['redact', 'partial', 'hash', 'null'] as const) {
      for (const valueClass of [
        'number',
        'date',
        'boolean',
        'uuid',
        'bytea',
        'array-other',
        'other',
      ] as const) {
        for (const format of ['text', 'binary'] as const) {
          expect(masked(column(kind), valueClass, '12345678', format)).toBeNull();
        }
      }
      expect(masked(column(kind), 'array-text', binaryArray(25, [Buffer.from('x')]), 'binary')).toBeNull();
    }
    for (const valueClass of classes) expect(masked(column('null'), valueClass, 'x')).toBeNull();
  });

  it('stays valid JSON, and valid jsonb with its version', () => {
    expect(masked(column('partial'), 'json', '{"a":1}')).toBe('"[masked]"');
    expect(masked(column('redact'), 'json', '\u0001{"a":1}', 'binary')).toBe('\u0001"[masked]"');
    expect(masked(column('hash'), 'json', '\u0001{"a":1}', 'binary')).toBe(`\u0001"${hashOf('{"a":1}')}"`);
    expect(masked(column('redact'), 'json', '{"a":1}', 'binary')).toBe('"[masked]"');
    expect(masked(column('redact'), 'json', '\u0002{"a":1}', 'binary')).toBeNull();
  });

  it('stays a valid array of text', () => {
    expect(masked(column('redact'), 'array-text', '{a,b}')).toBe('{"[masked]"}');
    expect(masked(column('hash'), 'array-text', '{a,b}')).toBe(`{"${hashOf('{a,b}')}"}`);
  });

  it('gets the strictest of its own mask and of what its values hit', () => {
    const redact: DetectMask[] = [{ detect: ['email'], with: 'redact' }];
    const toNull: DetectMask[] = [{ detect: ['card'], with: 'null' }];
    expect(masked(column('partial', redact), 'text', 'x joe@example.com')).toBe('[masked]');
    expect(masked(column('partial', redact), 'text', 'Muster')).toBe('M***');
    expect(masked(column('redact', partial), 'text', 'joe@example.com')).toBe('[masked]');
    expect(masked(column('hash', toNull), 'text', '4111111111111111')).toBeNull();
  });
});

describe('a column that detectors look at', () => {
  it('takes the strictest of several rules for one detector, and of several hits at one place', () => {
    const rules: DetectMask[] = [
      { detect: ['email'], with: 'partial' },
      { detect: ['email', 'phone'], with: 'hash' },
      { detect: ['card'], with: 'redact' },
    ];
    expect(masked(detect(rules), 'text', 'joe@example.com')).toBe(hashOf('joe@example.com'));
    expect(masked(detect(rules), 'text', '4111111111111111@example.com')).toBe('[masked]');
  });

  it('leaves dates, booleans and uuids alone', () => {
    for (const valueClass of ['date', 'boolean', 'uuid'] as const) {
      expect(masked(detect(), valueClass, '4111111111111111')).toBeUndefined();
    }
  });

  it.each([
    ['4111111111111111'],
    ['-4111111111111111'],
    ['4111111111111111.00'],
    ['4.111111111111111e+15'],
    ['$4,111,111,111,111,111.00'],
  ])('makes a number NULL that is a card: %s', (value) => {
    expect(masked(detect(), 'number', value)).toBeNull();
  });

  it.each([
    ['4111111111111112'],
    ['1700000000000'],
    ['0.4111111111111111'],
    ['NaN'],
    ['Infinity'],
    ['1e400'],
    ['2125550123'],
  ])('leaves a number that is none: %s', (value) => {
    expect(masked(detect(), 'number', value)).toBeUndefined();
  });

  it('finds cards in binary numbers', () => {
    expect(masked(detect(), 'number', int8(4111111111111111n), 'binary')).toBeNull();
    expect(masked(detect(), 'number', float8(4111111111111111), 'binary')).toBeNull();
    expect(masked(detect(), 'number', numeric([4111, 1111, 1111, 1111], 3), 'binary')).toBeNull();
    expect(masked(detect(), 'number', numeric([4111, 1111, 1111, 1111, 5000], 3), 'binary')).toBeNull();
    for (const other of [
      int8(4111111111111112n),
      int8(-1n),
      int8(1n << 62n),
      float8(1),
      float8(1.5),
      float8(Number.NaN),
      numeric([], 0),
      numeric([1, 2], 1),
      uint32(7),
    ]) {
      expect(masked(detect(), 'number', other, 'binary')).toBeUndefined();
    }
  });

  it('looks at numbers only for cards', () => {
    expect(
      masked(detect([{ detect: ['phone'], with: 'null' }]), 'number', '4111111111111111'),
    ).toBeUndefined();
  });

  it.each([
    ['{"mail":"joe@example.com","n":1}', '{"mail":"j***@example.com","n":1}'],
    ['{"joe@example.com":true}', '{"j***@example.com":true}'],
    ['{"card":4111111111111111}', '{"card":"************1111"}'],
    ['[-4111111111111111.0, 2]', '["************1111", 2]'],
    ['{"phone":2125550123}', '{"phone":"********23"}'],
    ['{"password":"hun\\"ter,2}"}', '{"password":"***"}'],
    ['{"password":12345}', '{"password":"***"}'],
    ['{"password":null,"token":true}', undefined],
    ['{"a":"x\\njoe@example.com\\ty"}', '{"a":"x\\nj***@example.com\\ty"}'],
    ['{"a":"\\u006aoe\\u0040example.com"}', '{"a":"j***@example.com"}'],
    ['{"a":"{\\"password\\":\\"hunter2\\"}"}', '{"a":"{\\"password\\":\\"***\\"}"}'],
    ['{"a":"password=\'x","b":"y"}', '{"a":"password=\'***","b":"y"}'],
    ['{"a":"say password:","b":"joe@example.com"}', '{"a":"say password:","b":"j***@example.com"}'],
    ['{"dsn":"postgres://app:s3cret@db/x"}', '{"dsn":"postgres://app:***@db/x"}'],
    ['"joe@example.com"', '"j***@example.com"'],
    ['4111111111111111', '"************1111"'],
    ['{"created":"2024-03-05T12:34:56.789Z","id":12345678}', undefined],
  ])('keeps JSON valid: %s', (value, expected) => {
    expect(masked(detect(), 'json', value)).toBe(expected);
    const binary = expected === undefined ? undefined : `\u0001${expected}`;
    expect(masked(detect(), 'json', `\u0001${value}`, 'binary')).toBe(binary);
    if (expected !== undefined) expect(() => JSON.parse(expected) as unknown).not.toThrow();
  });

  it('hides a JSON value whole that is not JSON where it hits', () => {
    expect(masked(detect(), 'json', '{"a":"joe@example.com')).toBe('{"a":"j***@example.com');
    expect(masked(detect(), 'json', '{joe@example.com}')).toBe('"[masked]"');
  });

  it.each([
    ['{joe@example.com,x}', '{j***@example.com,x}'],
    ['{"a \\"joe@example.com\\"",NULL}', '{"a \\"j***@example.com\\"",NULL}'],
    ['{{a,"+49 170 1234567"},{b,c}}', '{{a,"+49 *** *****67"},{b,c}}'],
    ['{"{\\"mail\\": \\"joe@example.com\\"}"}', '{"{\\"mail\\": \\"j***@example.com\\"}"}'],
    ['{1,2,3}', undefined],
  ])('keeps an array of text valid: %s', (value, expected) => {
    expect(masked(detect(), 'array-text', value)).toBe(expected);
  });

  it('redacts in arrays with nothing that an array would have to quote', () => {
    expect(masked(detect([{ detect: all, with: 'redact' }]), 'array-text', '{joe@example.com,x}')).toBe(
      '{[masked],x}',
    );
  });

  it.each([
    [`\\x${Buffer.from('to joe@example.com').toString('hex')}`],
    ['to joe@example.com\\000'],
    ['joe\\100example.com'],
  ])('makes bytea NULL that holds a hit: %s', (value) => {
    expect(masked(detect(), 'bytea', value)).toBeNull();
  });

  it('leaves bytea without a hit', () => {
    expect(masked(detect(), 'bytea', '\\x4d5a9000')).toBeUndefined();
    expect(masked(detect(), 'bytea', Buffer.from([1, 2, 3]), 'binary')).toBeUndefined();
    expect(masked(detect(), 'bytea', Buffer.from('joe@example.com'), 'binary')).toBeNull();
  });

  it('finds a hit of bytea wherever its windows are cut', () => {
    for (const place of [0, 1024 * 1024 - 10, 1024 * 1024 - 4096 - 5, 1024 * 1024 + 5]) {
      const data = Buffer.alloc(1024 * 1024 + 64, 0x20);
      data.write(' joe@example.com ', place, 'latin1');
      expect(masked(detect(), 'bytea', `\\x${data.toString('hex')}`)).toBeNull();
    }
  });

  it('makes binary arrays, composites and ranges NULL that hold a hit, whatever byte their lengths end in', () => {
    const card = Buffer.from(`4111111111111111 ${'x'.repeat(32)}`);
    expect(card.length).toBe(0x31);
    const array = binaryArray(25, [Buffer.from('a'), card]);
    const composite = Buffer.concat([uint32(1), uint32(25), sized(card)]);
    const nested = Buffer.concat([uint32(2), uint32(23), uint32(-1), uint32(1009), sized(array)]);
    const range = Buffer.concat([Buffer.of(2), sized(card), sized(Buffer.from('z'))]);
    const numbers = binaryArray(20, [int8(4111111111111111n)]);
    for (const value of [array, composite, nested, range, numbers]) {
      expect(masked(detect(), 'other', value, 'binary')).toBeNull();
      expect(masked(detect(), 'array-text', value, 'binary')).toBeNull();
      expect(masked(detect(), 'array-other', value, 'binary')).toBeNull();
    }
    for (const value of [
      binaryArray(25, [Buffer.from('plain')]),
      binaryArray(20, [int8(42n)]),
      Buffer.from('plain'),
    ]) {
      expect(masked(detect(), 'other', value, 'binary')).toBeUndefined();
    }
  });

  it('makes arrays of other types NULL that hold a hit', () => {
    expect(masked(detect(), 'array-other', '{4111111111111111,2}')).toBeNull();
    expect(masked(detect(), 'array-other', '{1,2}')).toBeUndefined();
  });

  it.each([
    ['"mail"=>"joe@example.com", "n"=>NULL', '"mail"=>"j***@example.com", "n"=>NULL'],
    ['<a><mail>joe&#64;example.com</mail></a>', '<a><mail>j***@example.com</mail></a>'],
    ['(1,"joe@example.com",t)', '(1,"j***@example.com",t)'],
    ['"password"=>"hunter2"', '"password"=>"***"'],
  ])('keeps the syntax of other types: %s', (value, expected) => {
    expect(masked(detect(), 'other', value)).toBe(expected);
  });
});

describe('hostile values', () => {
  const megabyte = 1024 * 1024;
  it.each([
    'sk-',
    'glpat-',
    'a@',
    '@a.',
    'eyJ',
    'Bearer ',
    "token='",
    "token=\\'",
    'password={',
    '://a:',
    '0 ',
    '4 ',
    '+1 ',
    '030 ',
    '1-',
    '%',
    '%4',
    '\\u',
    '&#',
    '&amp;',
    '\u200b',
    '-----BEGIN PRIVATE KEY',
    '<password>',
    '--password ',
    'PASSWORD $a$',
    'AIza-',
    'x@x.co ',
    '"',
    '\\',
    '(0',
    'tel:1',
  ])('a megabyte of %j ends in good time and does not throw', (piece) => {
    const value = Buffer.from(piece.repeat(Math.ceil(megabyte / piece.length)));
    for (const valueClass of ['text', 'json', 'array-text'] as const) {
      expect(() => masked(detect(), valueClass, value)).not.toThrow();
    }
  });

  it('a value with more hits than anybody reads is hidden whole', () => {
    const value = 'joe@example.com '.repeat(110_000);
    expect(masked(detect([{ detect: ['email'], with: 'redact' }]), 'text', value)).toBe('[masked]');
    expect(masked(detect(), 'json', JSON.stringify([value]))).toBe('"[masked]"');
  });

  it('an escape is decoded wherever the windows of a long value are cut', () => {
    for (const place of [megabyte - 20, megabyte - 4096 - 3, megabyte - 4, megabyte + 4]) {
      const text = `${'x'.repeat(place)} joe\\u0040example.com ${'y'.repeat(40)}`;
      expect(masked(detect(), 'json', JSON.stringify([text]).replaceAll('\\\\', '\\'))).toContain(
        ' j***@example.com ',
      );
    }
  });
});
