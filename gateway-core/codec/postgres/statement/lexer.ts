import type { Span } from '../../../contract/sql.js';
import { Nesting } from './nesting.js';

/** A string, bit or number literal. The span takes in prefix and quotes: `E'a'`, `$x$a$x$`, `U&'a'`. */
export interface Literal extends Span {
  readonly kind: 'string' | 'number';
}

export interface Lexed {
  readonly literals: readonly Literal[];
  readonly comments: readonly Span[];
  /** An estimate of how deep the tree will nest: open brackets (twice), operators since the last comma, joins. */
  readonly depth: number;
  /** An upper estimate of the tree's nodes, by tokens. */
  readonly weight: number;
}

/** What `scan` found before a quote or comment that does not close, and where that one opens. */
interface Scanned extends Lexed {
  readonly open: number | undefined;
}

/**
 * Finds literals and comments by the rules of PostgreSQL's scan.l with standard_conforming_strings on, which the
 * gateway pins. Own code because the parser's `scan` costs more than the parse itself; the tests compare the two.
 * undefined: a quote or comment is not closed, so that nothing after it can be told apart.
 */
export function lex(sql: string): Lexed | undefined {
  const scanned = scan(sql);
  return scanned.open === undefined ? scanned : undefined;
}

/** As `lex`, for who has use for the part before a quote or comment that is not closed. */
export function scan(sql: string): Scanned {
  const literals: Literal[] = [];
  const comments: Span[] = [];
  const nesting = new Nesting();
  let at = 0;
  while (at < sql.length) {
    const code = sql.charCodeAt(at);
    if (isIdentifierStart(code)) {
      const end = prefixedQuote(sql, at, code);
      if (end === undefined) {
        const wordEnd = identifierEnd(sql, at);
        nesting.word(sql, at, wordEnd);
        at = wordEnd;
        continue;
      }
      if (end.at < 0) break;
      nesting.value();
      if (end.literal) literals.push({ start: at, end: end.at, kind: 'string' });
      at = end.at;
    } else if (isDigit(code) || (code === DOT && isDigit(sql.charCodeAt(at + 1)))) {
      const end = numberEnd(sql, at);
      nesting.value();
      literals.push({ start: at, end, kind: 'number' });
      at = end;
    } else if (code === QUOTE) {
      const end = stringEnd(sql, at + 1, 'plain');
      if (end < 0) break;
      nesting.value();
      literals.push({ start: at, end, kind: 'string' });
      at = end;
    } else if (code === DOUBLE_QUOTE) {
      const end = quotedEnd(sql, at + 1, DOUBLE_QUOTE);
      if (end < 0) break;
      nesting.value();
      at = end;
    } else if (code === DASH && sql.charCodeAt(at + 1) === DASH) {
      const end = lineEnd(sql, at);
      comments.push({ start: at, end });
      at = end;
    } else if (code === SLASH && sql.charCodeAt(at + 1) === STAR) {
      const end = blockCommentEnd(sql, at);
      if (end < 0) break;
      comments.push({ start: at, end });
      at = end;
    } else if (code === DOLLAR) {
      const end = dollarEnd(sql, at);
      if (end < 0) break;
      nesting.value();
      if (!isDigit(sql.charCodeAt(at + 1)) && end > at + 1) literals.push({ start: at, end, kind: 'string' });
      at = end;
    } else {
      if (!isSpace(code)) nesting.symbol(code);
      at += code === DOT && sql.charCodeAt(at + 1) === DOT ? 2 : 1;
    }
  }
  return {
    literals,
    comments,
    depth: nesting.deepest,
    weight: nesting.weight,
    open: at < sql.length ? at : undefined,
  };
}

const QUOTE = 39;
const DOUBLE_QUOTE = 34;
const DOLLAR = 36;
const DASH = 45;
const SLASH = 47;
const STAR = 42;
const DOT = 46;
const BACKSLASH = 92;
const NEWLINE = 10;
const RETURN = 13;
const UNDERSCORE = 95;
const AMPERSAND = 38;

export function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

/** Letters, underscore and everything beyond ASCII. */
export function isIdentifierStart(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || code === UNDERSCORE || code >= 128;
}

export function isIdentifierPart(code: number): boolean {
  return isIdentifierStart(code) || isDigit(code) || code === DOLLAR;
}

export function identifierEnd(sql: string, start: number): number {
  let at = start + 1;
  while (at < sql.length && isIdentifierPart(sql.charCodeAt(at))) at += 1;
  return at;
}

function isSpace(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13);
}

function lineEnd(sql: string, start: number): number {
  let at = start;
  while (at < sql.length) {
    const code = sql.charCodeAt(at);
    if (code === NEWLINE || code === RETURN) break;
    at += 1;
  }
  return at;
}

/** Block comments nest. */
function blockCommentEnd(sql: string, start: number): number {
  let depth = 0;
  let at = start;
  while (at < sql.length) {
    const code = sql.charCodeAt(at);
    const next = sql.charCodeAt(at + 1);
    if (code === SLASH && next === STAR) {
      depth += 1;
      at += 2;
    } else if (code === STAR && next === SLASH) {
      depth -= 1;
      at += 2;
      if (depth === 0) return at;
    } else at += 1;
  }
  return -1;
}

/** Past the closing quote, where a doubled quote stands for itself; -1 when it is missing. */
function quotedEnd(sql: string, start: number, quote: number): number {
  let at = start;
  while (at < sql.length) {
    if (sql.charCodeAt(at) === quote) {
      if (sql.charCodeAt(at + 1) !== quote) return at + 1;
      at += 1;
    }
    at += 1;
  }
  return -1;
}

/** plain: doubled quotes. escape: backslashes too. bits: neither. */
type Quoting = 'plain' | 'escape' | 'bits';

/** Past the whole literal, with its continuations on further lines; -1 when it is not closed. */
function stringEnd(sql: string, start: number, quoting: Quoting): number {
  let at = start;
  for (;;) {
    at = partEnd(sql, at, quoting);
    if (at < 0) return -1;
    const next = continuation(sql, at);
    if (next < 0) return at;
    at = next;
  }
}

/** The content of a quoted literal whose first quote stands at `start`, with its continuations joined. */
export function quotedContent(sql: string, start: number, quoting: Quoting): string {
  let content = '';
  let from = start + 1;
  for (;;) {
    const end = partEnd(sql, from, quoting);
    if (end < 0) return content + sql.slice(from);
    content += sql.slice(from, end - 1);
    const next = continuation(sql, end);
    if (next < 0) return content;
    from = next;
  }
}

function partEnd(sql: string, start: number, quoting: Quoting): number {
  if (quoting === 'plain') return quotedEnd(sql, start, QUOTE);
  let at = start;
  while (at < sql.length) {
    const code = sql.charCodeAt(at);
    if (code === QUOTE) {
      if (quoting === 'bits' || sql.charCodeAt(at + 1) !== QUOTE) return at + 1;
      at += 1;
    } else if (code === BACKSLASH && quoting === 'escape') at += 1;
    at += 1;
  }
  return -1;
}

/**
 * scan.l's quotecontinue: white space with a newline, then another quote. Past that quote, or -1. PostgreSQL lets
 * line comments stand between the two; libpg_query does not, and refuses such texts.
 */
function continuation(sql: string, start: number): number {
  let at = start;
  let newline = false;
  while (at < sql.length) {
    const code = sql.charCodeAt(at);
    if (code === QUOTE) return newline ? at + 1 : -1;
    if (!isSpace(code)) return -1;
    newline ||= code === NEWLINE || code === RETURN;
    at += 1;
  }
  return -1;
}

/** A quote behind `E`, `B`, `X`, `U&` (N is a word of its own). undefined: just a word. at -1: not closed. */
function prefixedQuote(sql: string, at: number, code: number): { at: number; literal: boolean } | undefined {
  const next = sql.charCodeAt(at + 1);
  const letter = code | 32;
  if (next === QUOTE) {
    if (letter === 101) return { at: stringEnd(sql, at + 2, 'escape'), literal: true };
    if (letter === 98 || letter === 120) return { at: stringEnd(sql, at + 2, 'bits'), literal: true };
  }
  if (letter !== 117 || next !== AMPERSAND) return undefined;
  const quote = sql.charCodeAt(at + 2);
  if (quote === QUOTE) return { at: stringEnd(sql, at + 3, 'plain'), literal: true };
  if (quote === DOUBLE_QUOTE) return { at: quotedEnd(sql, at + 3, DOUBLE_QUOTE), literal: false };
  return undefined;
}

/** `$1` and `$tag$...$tag$`. A lone dollar is one symbol. -1 when the closing tag is missing. */
function dollarEnd(sql: string, start: number): number {
  let at = start + 1;
  if (isDigit(sql.charCodeAt(at))) {
    while (isDigit(sql.charCodeAt(at))) at += 1;
    return at;
  }
  if (isIdentifierStart(sql.charCodeAt(at))) {
    at += 1;
    while (isIdentifierStart(sql.charCodeAt(at)) || isDigit(sql.charCodeAt(at))) at += 1;
  }
  if (sql.charCodeAt(at) !== DOLLAR) return start + 1;
  const tag = sql.slice(start, at + 1);
  const close = sql.indexOf(tag, at + 1);
  return close < 0 ? -1 : close + tag.length;
}

function digitsEnd(sql: string, start: number, isPart: (code: number) => boolean): number {
  let at = start;
  for (;;) {
    const code = sql.charCodeAt(at);
    if (isPart(code)) at += 1;
    else if (code === UNDERSCORE && at > start && isPart(sql.charCodeAt(at + 1))) at += 2;
    else return at;
  }
}

function isHexDigit(code: number): boolean {
  return isDigit(code) || ((code | 32) >= 97 && (code | 32) <= 102);
}

function numberEnd(sql: string, start: number): number {
  if (sql.charCodeAt(start) === 48) {
    const base = sql.charCodeAt(start + 1) | 32;
    if (base === 120 || base === 111 || base === 98) {
      const from = start + (sql.charCodeAt(start + 2) === UNDERSCORE ? 3 : 2);
      const end = digitsEnd(sql, from, isHexDigit);
      if (end > from) return end;
    }
  }
  let at = digitsEnd(sql, start, isDigit);
  if (sql.charCodeAt(at) === DOT && !(sql.charCodeAt(at + 1) === DOT && at > start)) {
    at += 1;
    if (isDigit(sql.charCodeAt(at))) at = digitsEnd(sql, at, isDigit);
  }
  if ((sql.charCodeAt(at) | 32) !== 101) return at;
  const sign = sql.charCodeAt(at + 1);
  const exponent = sign === 43 || sign === DASH ? at + 2 : at + 1;
  return isDigit(sql.charCodeAt(exponent)) ? digitsEnd(sql, exponent, isDigit) : at;
}
