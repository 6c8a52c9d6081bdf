import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { psqlCommand, shellWord } from '../../../gateway-core/agent/tunnel/lines.js';
import {
  fit,
  neutral,
  type Output,
  print,
  printJson,
  wantsColour,
  widthOf,
} from '../../../gateway-core/cli/output.js';
import { printTable } from '../../../gateway-core/cli/table.js';
import { humanDuration, parseDurationMs, parseEndpoint } from '../../../gateway-core/cli/values.js';
import { hostile } from './sample.js';

const anything = fc.string({
  unit: fc.oneof(
    fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
  ),
});
const obeyed = /[\p{Cc}\p{Cs}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/u;

function capture(shape: Partial<Output> = {}): { output: Output; lines: () => string[] } {
  let text = '';
  return {
    output: { ...shape, write: (more) => (text += more) },
    lines: () => text.split('\n').slice(0, -1),
  };
}

describe('text for a terminal', () => {
  test('holds nothing that a terminal would obey, whatever went in', () => {
    fc.assert(fc.property(anything, (text) => !obeyed.test(neutral(text))));
    expect(neutral(hostile)).not.toMatch(obeyed);
  });

  test('what is harmless stays as it is', () => {
    for (const text of ['select 1', 'Grüße, 世界, 👩‍', 'עברית العربية', "it's \\n"]) {
      expect(neutral(text).replaceAll('\\u{200d}', '\u200d')).toBe(text);
    }
  });

  test('one print is one line, whatever went in', () => {
    fc.assert(
      fc.property(anything, anything, (one, other) => {
        const { output, lines } = capture();
        print(output, one, { style: 'red', text: other });
        expect(lines()).toHaveLength(1);
      }),
    );
  });

  test('is coloured on a terminal that can and not otherwise', () => {
    expect(wantsColour(true, {})).toBe(true);
    expect(wantsColour(false, {})).toBe(false);
    expect(wantsColour(true, { NO_COLOR: '1' })).toBe(false);
    expect(wantsColour(true, { NO_COLOR: '' })).toBe(true);
    expect(wantsColour(true, { TERM: 'dumb' })).toBe(false);
    const { output, lines } = capture({ colour: true });
    print(output, { style: 'red', text: 'a\u001b[0mb' });
    expect(lines()).toEqual(['\u001b[31ma\\x1b[0mb\u001b[0m']);
  });

  test('JSON is one line, harmless, and the same value', () => {
    fc.assert(
      fc.property(fc.dictionary(anything, anything), (value) => {
        const { output, lines } = capture();
        printJson(output, value);
        expect(lines()).toHaveLength(1);
        expect(lines()[0]).not.toMatch(obeyed);
        expect(JSON.parse(lines()[0] ?? '')).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});

describe('tables', () => {
  const columns = [{ title: 'NAME' }, { title: 'TEXT', flexible: true }, { title: 'N', right: true }];
  const cells = fc.tuple(fc.string({ maxLength: 10 }), anything, fc.nat().map(String));

  test('no line is wider than the terminal, and columns are aligned', () => {
    fc.assert(
      fc.property(
        fc.array(cells, { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 75, max: 200 }),
        (rows, width) => {
          const { output, lines } = capture({ isTTY: true, columns: width });
          printTable(output, columns, rows);
          expect(lines()).toHaveLength(rows.length + 1);
          expect(new Set(lines().map(widthOf)).size).toBe(1);
          expect(widthOf(lines()[0] ?? '')).toBeLessThanOrEqual(width);
        },
      ),
    );
  });

  test('nothing is cut where the output is no terminal', () => {
    const { output, lines } = capture({ columns: 20 });
    const long = 'x'.repeat(500);
    printTable(output, columns, [['a', long, '1']]);
    expect(lines()[1]).toContain(long);
  });

  test('one long value does not push the other rows apart where nothing is cut', () => {
    const { output, lines } = capture();
    printTable(output, columns, [
      ['a', 'x'.repeat(500), '1'],
      ['b', 'short', '2'],
    ]);
    expect(lines()[2]?.length).toBeLessThan(100);
  });

  test('on a very narrow terminal every value is still there', () => {
    const { output, lines } = capture({ isTTY: true, columns: 20 });
    printTable(output, columns, [['shop-db', 'some longer text', '7']]);
    expect(lines()).toEqual(['name: shop-db', 'text: some longer text', 'n: 7', '']);
  });

  test('wide and combining characters count as what they take', () => {
    expect(widthOf('世界')).toBe(4);
    expect(widthOf('é')).toBe(1);
    expect(fit('世界世界', 5)).toBe('世界…');
    fc.assert(
      fc.property(
        anything,
        fc.integer({ min: 1, max: 40 }),
        (text, width) => widthOf(fit(neutral(text), width)) <= width,
      ),
    );
  });
});

describe('values', () => {
  test('durations', () => {
    expect(['500ms', '30s', '10m', '2h'].map((text) => parseDurationMs(text, '--ttl'))).toEqual([
      500, 30_000, 600_000, 7_200_000,
    ]);
    for (const bad of ['', '10', 'm', '-1s', '1d', '1.5h', '9999999999s'])
      expect(() => parseDurationMs(bad, '--ttl')).toThrow();
    expect([0, 999, 1500, 61_000, 3_700_000].map(humanDuration)).toEqual([
      '0 ms',
      '999 ms',
      '1.5 s',
      '1 min 1 s',
      '1 h 1 min',
    ]);
  });

  test('endpoints', () => {
    expect(parseEndpoint('[::1]:0', '--listen')).toEqual({ host: '::1', port: 0 });
    expect(parseEndpoint('0.0.0.0:7443', '--listen')).toEqual({ host: '0.0.0.0', port: 7443 });
    for (const bad of ['', ':1', 'a', 'a:', 'a:65536', 'a:-1', '::1:5', 'a b:1'])
      expect(() => parseEndpoint(bad, 'x')).toThrow();
  });

  test('a shell reads one word, exactly as it was', async () => {
    const { execFileSync } = await import('node:child_process');
    fc.assert(
      fc.property(anything, (text) => {
        const clean = text.replaceAll(/[\0\p{Cs}]/gu, '');
        expect(execFileSync('sh', ['-c', `printf %s ${shellWord(clean)}`]).toString()).toBe(clean);
      }),
      { numRuns: 40 },
    );
  });

  test('a name cannot smuggle settings into a psql line', () => {
    expect(psqlCommand({ host: '127.0.0.1', dbname: "x' host=evil" })).toBe(
      `psql 'host=127.0.0.1 dbname='\\''x\\'\\'' host=evil'\\'''`,
    );
    expect(psqlCommand({ port: 1, dbname: undefined })).toBe('psql "port=1"');
    expect(psqlCommand({ user: '$(id)' })).toBe(`psql 'user='\\''$(id)'\\'''`);
  });
});
