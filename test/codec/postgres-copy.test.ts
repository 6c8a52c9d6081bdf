import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CopyMask,
  type CopyOptions,
  createCopyTransformer,
} from '../../gateway-core/codec/postgres/copy.js';
import { ThroughlineError } from '../../gateway-core/contract/errors.js';
import { cutAt, fuzzer, mutate } from './postgres-support.js';

type Value = Uint8Array | null;

const keep: CopyMask = () => undefined;

/** All output, or the reason why there is none, and the values that the mask was offered. */
function run(
  options: CopyOptions,
  pieces: readonly Uint8Array[],
  mask: CopyMask = keep,
): { out: string; offered: [column: number, value: string][]; rows: number; replaced: number } {
  const offered: [number, string][] = [];
  const transformer = createCopyTransformer(options, (buffer, start, end, column) => {
    offered.push([column, Buffer.from(buffer.subarray(start, end)).toString('latin1')]);
    return mask(buffer, start, end, column);
  });
  const out: Uint8Array[] = [];
  const result = () => ({ offered, rows: transformer.rows, replaced: transformer.replaced });
  for (const piece of pieces) {
    const given = transformer.push(piece);
    if (!(given instanceof Uint8Array)) return { out: `malformed: ${given.reason}`, ...result() };
    out.push(given);
  }
  const ended = transformer.end();
  const text = ended === undefined ? Buffer.concat(out).toString('latin1') : `malformed: ${ended.reason}`;
  return { out: text, ...result() };
}

const bytes = (text: string) => Buffer.from(text, 'latin1');

/** What PostgreSQL's CopyAttributeOutText does. */
function textLine(values: readonly Value[], delimiter: string): string {
  const letters: Record<string, string> = {
    '\b': 'b',
    '\f': 'f',
    '\n': 'n',
    '\r': 'r',
    '\t': 't',
    '\v': 'v',
  };
  const escaped = values.map((value) => {
    if (value === null) return '\\N';
    return Array.from(value, (byte) => String.fromCharCode(byte))
      .map((char) =>
        letters[char] ? `\\${letters[char]}` : char === '\\' || char === delimiter ? `\\${char}` : char,
      )
      .join('');
  });
  return `${escaped.join(delimiter)}\n`;
}

/** What PostgreSQL's CopyAttributeOutCSV does. */
function csvLine(
  values: readonly Value[],
  options: { delimiter: string; quote: string; escape: string; nullText: string },
): string {
  const { delimiter, quote, escape, nullText } = options;
  const shown = values.map((value) => {
    if (value === null) return nullText;
    const text = Buffer.from(value).toString('latin1');
    const special = [delimiter, quote, '\n', '\r'].some((char) => text.includes(char));
    if (!special && text !== nullText && text !== '\\.') return text;
    return (
      quote +
      text
        .split('')
        .map((char) => (char === quote || char === escape ? escape + char : char))
        .join('') +
      quote
    );
  });
  return `${shown.join(delimiter)}\n`;
}

function binaryData(rows: readonly (readonly Value[])[]): Buffer {
  const int = (value: number, size: 2 | 4) => {
    const buffer = Buffer.alloc(size);
    buffer.writeIntBE(value, 0, size);
    return buffer;
  };
  const parts: Uint8Array[] = [bytes('PGCOPY\n\xff\r\n\0'), int(0, 4), int(3, 4), bytes('ext')];
  for (const row of rows) {
    parts.push(int(row.length, 2));
    for (const value of row)
      parts.push(value === null ? int(-1, 4) : Buffer.concat([int(value.length, 4), value]));
  }
  return Buffer.concat([...parts, int(-1, 2)]);
}

const csvOptions = [
  { delimiter: ',', quote: '"', escape: '"', nullText: '' },
  { delimiter: ';', quote: "'", escape: '\\', nullText: 'NULL' },
] as const;
const tricky = fc.constantFrom(
  '\\',
  '\n',
  '\r',
  '\t',
  ',',
  ';',
  '"',
  "'",
  'a',
  '.',
  'N',
  'x',
  '4',
  '\x08',
  '\xc3',
  '\xa9',
);
const value: fc.Arbitrary<Value> = fc.option(fc.string({ unit: tricky, maxLength: 8 }).map(bytes), {
  nil: null,
});
const table = fc.array(fc.array(value, { minLength: 1, maxLength: 5 }), { maxLength: 8 });
const formats = ['text', 'csv0', 'csv1', 'binary'] as const;

function encode(
  format: (typeof formats)[number],
  rows: readonly (readonly Value[])[],
): { options: CopyOptions; data: Buffer } {
  if (format === 'binary') return { options: { format }, data: binaryData(rows) };
  if (format === 'text')
    return { options: { format }, data: bytes(rows.map((row) => textLine(row, '\t')).join('')) };
  const options = csvOptions[format === 'csv0' ? 0 : 1];
  return {
    options: { format: 'csv', ...options },
    data: bytes(rows.map((row) => csvLine(row, options)).join('')),
  };
}

describe('COPY data', () => {
  it('passes byte for byte when nothing is replaced, however it is cut, and every value is offered', () => {
    fc.assert(
      fc.property(fc.constantFrom(...formats), table, fc.array(fc.nat(400)), (format, rows, places) => {
        const { options, data } = encode(format, rows);
        const seen = run(options, cutAt(data, places));
        expect(seen.out).toBe(data.toString('latin1'));
        expect(seen.rows).toBe(rows.length);
        const expected = rows.flatMap((row) =>
          row.flatMap((cell, column) =>
            cell === null ? [] : [[column, Buffer.from(cell).toString('latin1')]],
          ),
        );
        expect(seen.offered).toEqual(expected);
      }),
    );
  });

  it('an escape at the end of a piece says nothing about the next line', () => {
    const options = { format: 'csv', delimiter: ';', quote: "'", escape: '\\', nullText: 'NULL' } as const;
    const data = bytes("'a\\\\'\n'\\''\n");
    for (let place = 0; place <= data.length; place += 1) {
      expect(run(options, [data.subarray(0, place), data.subarray(place)]).offered).toEqual([
        [0, 'a\\'],
        [0, "'"],
      ]);
    }
  });

  it('replaced values read back as the replacement, and the others as they were', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...formats),
        table,
        value,
        fc.nat(4),
        fc.array(fc.nat(400)),
        (format, rows, replacement, column, places) => {
          const { options, data } = encode(format, rows);
          const masked = run(options, cutAt(data, places), (_buffer, _start, _end, at) =>
            at === column ? replacement : undefined,
          );
          const expected = rows.map((row) =>
            row.map((cell, at) => (at === column && cell !== null ? replacement : cell)),
          );
          const again = run(options, [bytes(masked.out)]);
          const { offered } = run(encode(format, expected).options, [encode(format, expected).data]);
          expect(again.offered).toEqual(offered);
          expect(again.out).toBe(masked.out);
          expect(masked.replaced).toBe(
            rows.filter((row) => row.length > column && row[column] !== null).length,
          );
        },
      ),
    );
  });

  it('a cut at any byte gives the same bytes', () => {
    const rows = [
      [bytes('a\tb\\'), null, bytes('x,"y"\n;\'')],
      [bytes(''), bytes('NULL'), bytes('\\.')],
    ];
    for (const format of formats) {
      const { options, data } = encode(format, rows);
      const mask: CopyMask = (_buffer, _start, _end, column) => (column === 2 ? bytes('*,"\n') : undefined);
      const whole = run(options, [data], mask);
      for (let at = 0; at <= data.length; at += 1)
        expect(run(options, cutAt(data, [at]), mask)).toEqual(whole);
      const single = cutAt(
        data,
        Array.from({ length: data.length }, (_, index) => index),
      );
      expect(run(options, single, mask)).toEqual(whole);
    }
  });

  it('a piece without a replaced value is given back without a copy', () => {
    const transformer = createCopyTransformer({ format: 'text' }, keep);
    const piece = bytes('a\tb\nc\td\n');
    const given = transformer.push(piece);
    expect(
      given instanceof Uint8Array && given.buffer === piece.buffer && given.byteOffset === piece.byteOffset,
    ).toBe(true);
  });

  it('never writes again to bytes that it has given out', () => {
    const { data } = encode(
      'text',
      Array.from({ length: 50 }, (_, row) => [bytes(`v${row}`), bytes('x'.repeat(row))]),
    );
    const transformer = createCopyTransformer({ format: 'text' }, (_buffer, _start, _end, column) =>
      column === 0 ? bytes('***') : undefined,
    );
    const given: { out: Uint8Array; copy: string }[] = [];
    for (const piece of cutAt(
      data,
      Array.from({ length: data.length / 7 }, (_, index) => index * 7),
    )) {
      const out = transformer.push(piece);
      if (out instanceof Uint8Array) given.push({ out, copy: Buffer.from(out).toString('latin1') });
    }
    for (const { out, copy } of given) expect(Buffer.from(out).toString('latin1')).toBe(copy);
  });

  it('a header passes unmasked, in text and in CSV, even across lines', () => {
    const star: CopyMask = () => bytes('*');
    expect(run({ format: 'text', header: true }, [bytes('mail\tb\na\tb\n')], star).out).toBe(
      'mail\tb\n*\t*\n',
    );
    expect(run({ format: 'csv', header: true }, [bytes('"ma\nil",b\na,b\n')], star)).toMatchObject({
      out: '"ma\nil",b\n*,*\n',
      rows: 1,
    });
  });

  it('text that only looks like NULL does not escape its mask', () => {
    const star: CopyMask = () => bytes('*');
    expect(run({ format: 'text', nullText: 'a@b.c' }, [bytes('a@b.c\tx\n')], star).out).toBe('*\t*\n');
    expect(run({ format: 'text' }, [bytes('N\t\\N\t\\\\N\n')], star).out).toBe('*\t\\N\t*\n');
    expect(run({ format: 'csv', nullText: 'a@b.c' }, [bytes('"a@b.c",a@b.c\n')], star).out).toBe('*,a@b.c\n');
  });

  it('NULL as a replacement is written as the format’s NULL', () => {
    const none: CopyMask = () => null;
    expect(run({ format: 'text' }, [bytes('a\tb\n')], none).out).toBe('\\N\t\\N\n');
    expect(run({ format: 'csv', nullText: 'NULL' }, [bytes('a,"b"\n')], none).out).toBe('NULL,NULL\n');
    expect(run({ format: 'binary' }, [binaryData([[bytes('a')]])], none).out).toBe(
      binaryData([[null]]).toString('latin1'),
    );
  });

  it('octal and hexadecimal escapes are undone before a value is offered', () => {
    const seen = run({ format: 'text' }, [bytes('\\101\\x42\\x4\\8\\q\\0\n')]);
    expect(seen.offered).toEqual([[0, 'AB\x048q\0']]);
  });
});

describe('COPY data is refused', () => {
  it.each(formats)('when %s ends inside a line or before its trailer', (format) => {
    const { options, data } = encode(format, [[bytes('a\n"b')]]);
    for (let at = format === 'binary' ? 0 : 1; at < data.length; at += 1) {
      expect(run(options, [data.subarray(0, at)]).out).toMatch(/^malformed/);
    }
  });

  it('when a line is beyond its bound, and no more than that is held', () => {
    for (const format of ['text', 'csv'] as const) {
      const transformer = createCopyTransformer({ format, lineBytesMax: 1000 }, keep);
      const results = Array.from({ length: 20 }, () => transformer.push(Buffer.alloc(100, 0x61)));
      expect(results.filter((result) => !(result instanceof Uint8Array))).toHaveLength(10);
    }
    const tuple = createCopyTransformer({ format: 'binary', lineBytesMax: 1000 }, keep);
    const data = binaryData([[Buffer.alloc(2000)]]);
    expect(tuple.push(data.subarray(0, 40))).toMatchObject({ kind: 'malformed' });
  });

  it('when a newline follows an odd number of backslashes', () => {
    expect(run({ format: 'text' }, [bytes('a\\\nb\n')]).out).toMatch(/^malformed/);
    expect(run({ format: 'text' }, [bytes('a\\\\\nb\n')]).out).toBe('a\\\\\nb\n');
  });

  it.each([
    ['another signature', (data: Buffer) => Buffer.concat([bytes('PGCOPX'), data.subarray(6)])],
    ['critical flags', (data: Buffer) => (data.writeInt32BE(0x10000, 11), data)],
    ['a negative extension', (data: Buffer) => (data.writeInt32BE(-1, 15), data)],
    ['an absurd extension', (data: Buffer) => (data.writeInt32BE(0x7fffffff, 15), data)],
    ['a negative count', (data: Buffer) => (data.writeInt16BE(-2, 22), data)],
    ['a negative length', (data: Buffer) => (data.writeInt32BE(-2, 24), data)],
    ['bytes behind the trailer', (data: Buffer) => Buffer.concat([data, bytes('x')])],
  ])('when binary data has %s', (_what, change) => {
    expect(run({ format: 'binary' }, [change(binaryData([[bytes('a')]]))]).out).toMatch(/^malformed/);
  });

  it('for good once a mask has thrown: no later byte passes unmasked', () => {
    const transformer = createCopyTransformer({ format: 'text' }, () => {
      throw new Error('a mask that fails');
    });
    expect(() => transformer.push(bytes('a\n'))).toThrow('a mask that fails');
    expect(transformer.push(bytes('b\n'))).toMatchObject({ kind: 'malformed' });
    expect(transformer.end()).toMatchObject({ kind: 'malformed' });
  });

  it('with options that PostgreSQL refuses', () => {
    const wrong: CopyOptions[] = [
      { format: 'text', delimiter: '' },
      { format: 'text', delimiter: 'ab' },
      { format: 'text', delimiter: 'é' },
      { format: 'text', delimiter: '\n' },
      { format: 'text', delimiter: '\\' },
      { format: 'text', delimiter: 'n' },
      { format: 'text', nullText: 'a\nb' },
      { format: 'text', nullText: 'a\tb' },
      { format: 'csv', quote: ',' },
      { format: 'csv', quote: '""' },
      { format: 'csv', escape: '' },
      { format: 'csv', nullText: '"' },
    ];
    for (const options of wrong) expect(() => createCopyTransformer(options, keep)).toThrow(ThroughlineError);
  });

  it('mutated data is passed or refused, alike for every cut, and every byte of it once', () => {
    const random = fuzzer('copy fuzz');
    const rows = [
      [bytes('a\tb'), null, bytes('x,"y"\nz')],
      [bytes(''), bytes('b'), bytes("c;'d")],
    ];
    for (let round = 0; round < 3000; round += 1) {
      const { options, data } = encode(formats[random(formats.length)] ?? 'text', rows);
      const changed = mutate(data, random);
      const limited = { ...options, lineBytesMax: 4096 };
      const whole = run(limited, [changed]);
      const cut = run(
        limited,
        cutAt(
          changed,
          Array.from({ length: random(12) }, () => random(changed.length + 1)),
        ),
      );
      expect(cut.out).toBe(whole.out);
      if (!whole.out.startsWith('malformed: ')) expect(whole.out).toBe(changed.toString('latin1'));
    }
  });
});
