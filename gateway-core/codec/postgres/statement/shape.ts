import type { ParsedStatement } from './facts.js';
import { identifierEnd, isDigit, isIdentifierPart, isIdentifierStart, type Literal } from './lexer.js';
import { statementLimits } from './limits.js';

export interface Shape {
  /** The text with each literal replaced by a mark for its kind. Texts of equal shape have equal trees but for values. */
  readonly shape: string;
  readonly literals: readonly Literal[];
}

const stringMark = '\u0001';
const integerMark = '\u0002';
const numericMark = '\u0003';
const integerMax = 2_147_483_647;

/**
 * A cache key for statements that differ in their literals only, and the literals' places. undefined for every text
 * in which telling literals apart takes more than a look: comments, dollar quotes, backslashes, prefixed strings,
 * anything beyond printable ASCII, strings continued on another line, and long texts. Such texts are parsed each time.
 */
export function fingerprintShape(sql: string): Shape | undefined {
  const length = sql.length;
  if (length > statementLimits.shapeLengthMax) return undefined;
  const literals: Literal[] = [];
  let shape = '';
  let kept = 0;
  let at = 0;
  let afterString = false;
  while (at < length) {
    const code = sql.charCodeAt(at);
    if (code === 32 || code === 10 || code === 9 || code === 13) {
      at += 1;
      continue;
    }
    if (isIdentifierStart(code)) {
      if (code >= 128) return undefined;
      at = identifierEnd(sql, at);
      // The word's last letters could be a prefix of the string (E'', U&''), so such words are not looked at further.
      if (sql.charCodeAt(at) === 39) return undefined;
      afterString = false;
      continue;
    }
    if (code === 39) {
      if (afterString) return undefined;
      const end = plainStringEnd(sql, at + 1);
      if (end < 0) return undefined;
      shape += sql.slice(kept, at) + stringMark;
      literals.push({ start: at, end, kind: 'string' });
      at = end;
      kept = end;
      afterString = true;
      continue;
    }
    afterString = false;
    if (isDigit(code) || (code === 46 && isDigit(sql.charCodeAt(at + 1)))) {
      const end = plainNumberEnd(sql, at);
      if (end < 0) return undefined;
      shape += sql.slice(kept, at) + numberMark(sql, at, end);
      literals.push({ start: at, end, kind: 'number' });
      at = end;
      kept = end;
      continue;
    }
    const end = symbolEnd(sql, at, code);
    if (end < 0) return undefined;
    at = end;
  }
  return { shape: shape + sql.slice(kept), literals };
}

/** Past the closing quote; -1 when it is missing, or for content that a shape does not take. */
function plainStringEnd(sql: string, start: number): number {
  for (let at = start; at < sql.length; at += 1) {
    const code = sql.charCodeAt(at);
    if (code === 39) {
      if (sql.charCodeAt(at + 1) !== 39) return at + 1;
      at += 1;
    } else if (code < 32 || code > 126 || code === 92) return -1;
  }
  return -1;
}

/** Digits with at most one point; -1 where the grammars of different versions part: `1e5`, `0x1`, `1_000`, `1..2`. */
function plainNumberEnd(sql: string, start: number): number {
  let at = start;
  while (isDigit(sql.charCodeAt(at))) at += 1;
  if (sql.charCodeAt(at) === 46) {
    at += 1;
    while (isDigit(sql.charCodeAt(at))) at += 1;
  }
  const next = sql.charCodeAt(at);
  return next === 46 || isIdentifierPart(next) ? -1 : at;
}

/** The grammar takes some numbers as integers only, so what does not fit into one has a mark of its own. */
function numberMark(sql: string, start: number, end: number): string {
  for (let at = start; at < end; at += 1) if (sql.charCodeAt(at) === 46) return numericMark;
  if (end - start < 10) return integerMark;
  return Number(sql.slice(start, end)) <= integerMax ? integerMark : numericMark;
}

/** Past a quoted identifier, a parameter or one symbol; -1 for what a shape does not take. */
function symbolEnd(sql: string, at: number, code: number): number {
  const next = sql.charCodeAt(at + 1);
  if (code === 34) return sql.charCodeAt(at - 1) === 38 ? -1 : quotedIdentifierEnd(sql, at + 1);
  if (code === 36) {
    if (!isDigit(next)) return -1;
    let end = at + 2;
    while (isDigit(sql.charCodeAt(end))) end += 1;
    return isIdentifierPart(sql.charCodeAt(end)) ? -1 : end;
  }
  if (code < 32 || code > 126 || code === 92 || (code === 46 && next === 46)) return -1;
  if ((code === 45 && next === 45) || (code === 47 && next === 42)) return -1;
  // `U&'...'` and `U&"..."` begin with a word, an ampersand and a quote.
  if (code === 38 && (next === 39 || next === 34)) return -1;
  return at + 1;
}

function quotedIdentifierEnd(sql: string, start: number): number {
  for (let at = start; at < sql.length; at += 1) {
    const code = sql.charCodeAt(at);
    if (code === 34) {
      if (sql.charCodeAt(at + 1) !== 34) return at + 1;
      at += 1;
    } else if (code < 32 || code > 126 || code === 92) return -1;
  }
  return -1;
}

/**
 * The statements of another text of the same shape, with spans moved to this text's literals. `parsed` and
 * `parsedLiterals` belong to the text that was parsed; none of `parsed` may be `literalSensitive`.
 */
export function reuseForShape(
  parsed: readonly ParsedStatement[],
  parsedLiterals: readonly Literal[],
  literals: readonly Literal[],
): ParsedStatement[] {
  let passed = 0;
  let moved = 0;
  const move = (offset: number): number => {
    for (; passed < parsedLiterals.length; passed += 1) {
      const before = parsedLiterals[passed];
      const now = literals[passed];
      if (before === undefined || now === undefined || before.start >= offset) break;
      moved = now.end - before.end;
    }
    return offset + moved;
  };
  return parsed.map((statement) => {
    const start = move(statement.facts.span.start);
    const first = passed;
    const end = move(statement.facts.span.end);
    const facts = { ...statement.facts, span: { start, end }, literals: literals.slice(first, passed) };
    return { ...statement, facts };
  });
}
