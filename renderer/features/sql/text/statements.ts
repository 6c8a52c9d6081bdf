import { lex, type Token } from './lexer.js';

/** One statement of a text. Offsets in UTF-16 units. */
export interface Statement {
  /** Its first token or comment. */
  readonly start: number;
  /** Its first token that is no comment. */
  readonly head: number;
  /** Past its semicolon, or past its last token where none follows. */
  readonly end: number;
  /** Its tokens that mean something, without the semicolon. */
  readonly tokens: readonly Token[];
}

/**
 * The statements of a text. Splits where psql does: at a semicolon outside of brackets, quotes, comments and
 * `BEGIN ATOMIC ... END` bodies. What holds only comments is no statement.
 */
export function statementsOf(text: string): Statement[] {
  return splitTokens(text, lex(text).tokens);
}

export function splitTokens(text: string, tokens: readonly Token[]): Statement[] {
  const statements: Statement[] = [];
  let own: Token[] = [];
  let start = -1;
  let brackets = 0;
  const body = new Body();
  const finish = (end: number): void => {
    const [head] = own;
    if (head !== undefined) statements.push({ start, head: head.start, end, tokens: own });
    own = [];
    start = -1;
    brackets = 0;
    body.reset();
  };
  for (const token of tokens) {
    if (token.kind === 'space') continue;
    if (start < 0) start = token.start;
    if (token.kind === 'comment') continue;
    if (token.kind === 'word' && brackets === 0) body.word(text.slice(token.start, token.end).toLowerCase());
    else if (token.kind === 'punctuation') {
      const char = text[token.start];
      if (char === '(') brackets += 1;
      else if (char === ')') brackets = Math.max(0, brackets - 1);
      else if (char === ';' && brackets === 0 && body.depth === 0) {
        if (own.length === 0) start = -1;
        else finish(token.end);
        continue;
      }
    }
    own.push(token);
  }
  finish(own.at(-1)?.end ?? 0);
  return statements;
}

/** Semicolons inside of `CREATE FUNCTION ... BEGIN ATOMIC ...; END` belong to the function, as psql counts them. */
class Body {
  depth = 0;
  #words: string[] = [];

  reset(): void {
    this.depth = 0;
    this.#words = [];
  }

  word(word: string): void {
    if (this.#words.length < 4) this.#words.push(word);
    if (!this.#definesRoutine()) return;
    if (word === 'begin') this.depth += 1;
    else if (word === 'case' && this.depth > 0) this.depth += 1;
    else if (word === 'end' && this.depth > 0) this.depth -= 1;
  }

  #definesRoutine(): boolean {
    const [first, second, third, fourth] = this.#words;
    const what = second === 'or' && third === 'replace' ? fourth : second;
    return first === 'create' && (what === 'function' || what === 'procedure');
  }
}

/**
 * The statement that the cursor means: the one around it; right after a semicolon the one before; on a line of its own
 * between two the one before, and before the first the first.
 */
export function statementAt(
  text: string,
  statements: readonly Statement[],
  offset: number,
): Statement | undefined {
  const at = lastStartingBefore(statements, offset);
  const before = statements[at];
  const after = statements[at + 1];
  if (before === undefined) return after;
  if (offset <= before.end || after === undefined) return before;
  const sameLine = !text.slice(before.end, offset).includes('\n');
  const afterOnLine = !text.slice(offset, after.start).includes('\n');
  return !sameLine && afterOnLine ? after : before;
}

/** The index of the last statement with `start <= offset`, or -1. */
function lastStartingBefore(statements: readonly Statement[], offset: number): number {
  let low = 0;
  let high = statements.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((statements[middle]?.start ?? 0) <= offset) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
