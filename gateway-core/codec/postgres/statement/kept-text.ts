import type { Span } from '../../../contract/sql.js';
import { quotedContent } from './lexer.js';

/** What stands in the kept text for a masked literal: itself a literal, so that the text can still be read as SQL. */
export const maskedLiteral = "'‹masked›'";

/**
 * The text with some of its literals replaced, for the record. `spans` are in order and do not overlap (facts'
 * literals, comments). `replace` gets what a literal says, without quotes and escapes, and how it is written; it
 * answers true for `maskedLiteral`, false to keep it, or another text. A literal that cannot be read is masked.
 */
export function maskedText(
  sql: string,
  spans: readonly Span[],
  replace: 'all' | ((value: string, written: string) => boolean | string),
): string {
  let text = '';
  let kept = 0;
  for (const span of spans) {
    const written = sql.slice(span.start, span.end);
    const value = replace === 'all' ? undefined : literalValue(written);
    const verdict = replace === 'all' || value === undefined ? true : replace(value, written);
    if (verdict === false) continue;
    text += sql.slice(kept, span.start) + (verdict === true ? maskedLiteral : verdict);
    kept = span.end;
  }
  return text + sql.slice(kept);
}

/**
 * What a literal as written means: quotes, prefixes, escapes and continuations resolved, hexadecimal bits as the
 * text that their bytes spell. Other texts (numbers, comments) as they are. undefined: cannot be resolved (U&'').
 */
export function literalValue(written: string): string | undefined {
  const first = written.charAt(0);
  if (first === '$') {
    const tag = written.indexOf('$', 1) + 1;
    return written.slice(tag, -tag);
  }
  const quote = written.indexOf("'");
  if (quote < 0 || quote > 2 || written.at(-1) !== "'" || first === '-' || first === '/') return written;
  const prefix = written.slice(0, quote).toLowerCase();
  if (prefix === 'e') return unescaped(quotedContent(written, quote, 'escape'));
  if (prefix === 'x') return hexText(quotedContent(written, quote, 'bits'));
  if (prefix === 'b') return quotedContent(written, quote, 'bits');
  // The escape character of U&'' may be declared behind the literal, so it cannot be told from here.
  return prefix === '' ? quotedContent(written, quote, 'plain').replaceAll("''", "'") : undefined;
}

const simpleEscapes: Readonly<Record<string, string>> = {
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/** E'' escapes: https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-STRINGS-ESCAPE */
function unescaped(content: string): string {
  if (!content.includes('\\')) return content.replaceAll("''", "'");
  let text = '';
  // Bytes given one by one may only together make a character.
  let bytes: number[] = [];
  const part =
    /''|\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})|\\x([0-9a-fA-F]{1,2})|\\([0-7]{1,3})|\\([^])|[^'\\]+|[^]/gy;
  for (;;) {
    const match = part.exec(content);
    const byte = match === null ? undefined : escapedByte(match[3], match[4]);
    if (byte !== undefined) {
      bytes.push(byte);
      continue;
    }
    if (bytes.length > 0) text += Buffer.from(bytes).toString('utf8');
    bytes = [];
    if (match === null) return text;
    text += escapedText(match[0], match[1] ?? match[2], match[5]);
  }
}

function escapedByte(hex: string | undefined, octal: string | undefined): number | undefined {
  if (hex !== undefined) return Number.parseInt(hex, 16);
  return octal === undefined ? undefined : Number.parseInt(octal, 8) & 0xff;
}

function escapedText(whole: string, point: string | undefined, letter: string | undefined): string {
  if (point !== undefined) return codePoint(point) ?? '';
  if (letter !== undefined) return simpleEscapes[letter] ?? letter;
  return whole === "''" ? "'" : whole;
}

function codePoint(hex: string): string | undefined {
  const point = Number.parseInt(hex, 16);
  return point > 0x10ffff ? undefined : String.fromCodePoint(point);
}

function hexText(content: string): string {
  const digits = content.replaceAll(/\s/g, '');
  return /^([0-9a-f]{2})*$/i.test(digits) ? Buffer.from(digits, 'hex').toString('utf8') : digits;
}
