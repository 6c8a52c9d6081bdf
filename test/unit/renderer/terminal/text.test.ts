import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  base64Of,
  bytesOf,
  isReport,
  isSeveralLines,
  piecesOf,
  safeLink,
  safePaste,
  safeTitle,
} from '../../../../renderer/features/terminal/text.js';

const escape = '\u001b';

describe('a title that the target chose', () => {
  it('is one line in which everything is seen', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const title = safeTitle(text);
        expect(title).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u);
        expect(Array.from(title).length).toBeLessThanOrEqual(80);
      }),
    );
  });

  it('keeps what it says', () => {
    expect(safeTitle('vim: grüße.txt')).toBe('vim: grüße.txt');
    expect(safeTitle('safe\u202Egpj.exe\n\u0007')).toBe('safegpj.exe');
  });
});

describe('a paste', () => {
  it('holds nothing that would run as a key, whatever is pasted', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const safe = safePaste(text);
        for (const letter of safe) {
          const code = letter.codePointAt(0) ?? 0;
          const control = code < 0x20 || (code >= 0x7f && code < 0xa0);
          expect(control && letter !== '\n' && letter !== '\t').toBe(false);
        }
        expect(safePaste(safe)).toBe(safe);
      }),
    );
  });

  it('cannot end its own brackets', () => {
    expect(safePaste(`a${escape}[201~rm -rf /\r`)).toBe('a[201~rm -rf /\n');
    expect(safePaste('a\u009b201~b')).toBe('a201~b');
  });

  it.each([
    ['ls', false],
    ['ls -la\tx', false],
    ['ls\n', true],
    ['ls\r', true],
    ['one\r\ntwo', true],
    ['', false],
  ])('of %j is several lines: %s', (text, several) => {
    expect(isSeveralLines(text)).toBe(several);
  });
});

describe('a link', () => {
  it.each([
    'https://example.com/docs?a=1#b',
    'http://127.0.0.1:8080/',
    'http://localhost/',
    'http://[::1]:3000/',
  ])('to %s may be opened', (text) => {
    expect(safeLink(text)?.href).toContain('://');
  });

  it.each([
    'http://example.com/',
    'javascript:alert(1)',
    'file:///etc/passwd',
    'data:text/html,hello',
    'ssh://host',
    'vscode://x',
    'https://user@example.com/',
    'https://example.com:443@evil.example/',
    `https://example.com/${'x'.repeat(3000)}`,
    'no address',
    '',
  ])('to %s is not', (text) => {
    expect(safeLink(text)).toBeUndefined();
  });
});

describe('what a terminal answers by itself', () => {
  it.each([
    ['where the cursor is', '[24;80R'],
    ['what it is', '[?1;2c'],
    ['what it is, once more', '[>0;276;0c'],
    ['that it is well', '[0n'],
    ['a mode', '[?2026;2$y'],
    ['the mouse', '[<0;12;7M'],
    ['the mouse, let go', '[<0;12;7m'],
    ['that it has the focus', '[I'],
    ['a colour', ']10;rgb:ff/ff/ff'],
    ['a string', 'P1$r0m'],
  ])('is known: %s', (_what, text) => {
    expect(isReport(escape + text)).toBe(true);
  });

  it.each([
    'a',
    '\r',
    '\u0003',
    `${escape}[A`,
    `${escape}OP`,
    `${escape}[3~`,
    `${escape}[1;5C`,
    `${escape}x`,
    escape,
  ])('is not what a key sends: %j', (text) => {
    expect(isReport(text)).toBe(false);
  });
});

it('pieces of an input are the input, none too long, no pair of surrogates torn', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme-composite', maxLength: 300 }),
      fc.integer({ min: 2, max: 20 }),
      (text, max) => {
        const pieces = piecesOf(text, max);
        expect(pieces.join('')).toBe(text);
        for (const piece of pieces) {
          expect(piece.length).toBeLessThanOrEqual(max);
          expect(piece.isWellFormed()).toBe(text.isWellFormed());
        }
      },
    ),
  );
});

it('bytes come back from base64 as they went', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20_000 }), (bytes) => {
      expect(bytesOf(base64Of(bytes))).toEqual(bytes);
    }),
  );
});
