import { identifierEnd, isIdentifierStart, scan } from '../../codec/postgres/statement/lexer.js';

/** One statement of a text, without the semicolon and without white space around it. UTF-16 units. */
export interface StatementSpan {
  readonly offset: number;
  readonly length: number;
}

/**
 * Cuts a text into statements as psql does: at semicolons outside of quotes, comments, brackets and the body of a
 * function in SQL-standard form (BEGIN ATOMIC ... END). A text whose quotes do not close is one statement from there on:
 * PostgreSQL says where it is wrong.
 */
export function splitStatements(text: string): StatementSpan[] {
  const spans = spansOf(text);
  const found: StatementSpan[] = [];
  let start = 0;
  let span = 0;
  let brackets = 0;
  const body = new AtomicBody();
  let at = 0;
  while (at < text.length) {
    const next = spans[span];
    if (next !== undefined && at === next.start) {
      at = next.end;
      span += 1;
      continue;
    }
    const code = text.charCodeAt(at);
    if (isIdentifierStart(code)) {
      const end = identifierEnd(text, at);
      body.word(text.slice(at, end).toLowerCase());
      at = end;
      continue;
    }
    if (code === 0x28) brackets += 1;
    else if (code === 0x29) brackets = Math.max(0, brackets - 1);
    else if (code === 0x3b && brackets === 0 && !body.open) {
      add(found, text, start, at);
      start = at + 1;
      body.reset();
    }
    at += 1;
  }
  add(found, text, start, text.length);
  return found.filter((each) => !isComment(text, each));
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/** Literals, comments and quoted names, in order; what opens and does not close goes to the end. */
function spansOf(text: string): Span[] {
  const { literals, comments, open } = scan(text);
  const spans: Span[] = [...literals, ...comments];
  spans.sort((a, b) => a.start - b.start);
  return withNames(text, spans, open ?? text.length);
}

/** Adds the quoted identifiers, which the lexer passes over in silence. */
function withNames(text: string, spans: readonly Span[], end: number): Span[] {
  const all: Span[] = [];
  let quote = text.indexOf('"');
  let at = 0;
  for (const span of [...spans, { start: end, end: text.length }]) {
    // Each quote is looked for once: most texts have none, and they are long.
    while (quote >= 0 && quote < span.start) {
      if (quote >= at) {
        at = nameEnd(text, quote);
        all.push({ start: quote, end: at });
      }
      quote = text.indexOf('"', Math.max(at, quote + 1));
    }
    if (span.start < span.end) all.push(span);
    at = Math.max(at, span.end);
  }
  return all;
}

function nameEnd(text: string, quote: number): number {
  let at = quote + 1;
  while (at < text.length && !(text[at] === '"' && text[at + 1] !== '"')) at += text[at] === '"' ? 2 : 1;
  return at + 1;
}

/** CREATE FUNCTION ... BEGIN ATOMIC ...; ... END: semicolons inside belong to it. CASE has an END of its own. */
class AtomicBody {
  #before = '';
  #depth = 0;
  #first = '';
  #routine = false;

  get open(): boolean {
    return this.#depth > 0;
  }

  reset(): void {
    this.#before = '';
    this.#depth = 0;
    this.#first = '';
    this.#routine = false;
  }

  word(word: string): void {
    if (this.#first === '') this.#first = word;
    if (this.#first === 'create' && (word === 'function' || word === 'procedure')) this.#routine = true;
    const before = this.#before;
    this.#before = word;
    if (!this.#routine) return;
    if (this.#depth === 0) {
      if (word === 'atomic' && before === 'begin') this.#depth = 1;
      return;
    }
    if (word === 'case') this.#depth += 1;
    if (word === 'end') this.#depth -= 1;
  }
}

function add(found: StatementSpan[], text: string, from: number, to: number): void {
  let start = from;
  let end = to;
  while (start < end && /\s/.test(text.charAt(start))) start += 1;
  while (end > start && /\s/.test(text.charAt(end - 1))) end -= 1;
  if (end > start) found.push({ offset: start, length: end - start });
}

/** A statement of nothing but comments would be an empty query. */
function isComment(text: string, { offset, length }: StatementSpan): boolean {
  const own = text.slice(offset, offset + length);
  const lexed = scan(own);
  if (lexed.open !== undefined) return false;
  let rest = '';
  let at = 0;
  for (const { start, end } of lexed.comments) {
    rest += own.slice(at, start);
    at = end;
  }
  return (rest + own.slice(at)).trim() === '';
}

/**
 * The place of PostgreSQL's error position (characters from 1, in what was sent) as an offset in UTF-16 units.
 */
export function offsetOfPosition(statement: string, position: number): number {
  let left = position - 1;
  let at = 0;
  while (left > 0 && at < statement.length) {
    at += (statement.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
    left -= 1;
  }
  return at;
}
