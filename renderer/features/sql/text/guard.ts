import { lex, type Token } from './lexer.js';
import { type Statement, splitTokens } from './statements.js';

/** A statement that changes every row of a table, because it has no WHERE. */
export interface Unguarded {
  readonly verb: 'DELETE' | 'UPDATE';
  readonly table: string;
}

/** What of a text would change whole tables: asked about before it runs. */
export function unguarded(text: string): Unguarded[] {
  return splitTokens(text, lex(text).tokens).flatMap((statement) => check(text, statement) ?? []);
}

function check(text: string, { tokens }: Statement): Unguarded | undefined {
  const word = (token: Token | undefined): string =>
    token?.kind === 'word' ? text.slice(token.start, token.end).toLowerCase() : '';
  const verb = word(tokens[0]);
  if (verb !== 'delete' && verb !== 'update') return undefined;
  if (hasWhere(text, tokens, word)) return undefined;
  const skipped = new Set(['delete', 'update', 'from', 'only']);
  const from = tokens.findIndex((token) => !skipped.has(word(token)));
  const name: Token[] = [];
  for (const token of tokens.slice(Math.max(0, from))) {
    const isDot = text.slice(token.start, token.end) === '.';
    const isName = token.kind === 'word' || token.kind === 'quoted';
    if (!isDot && (!isName || (name.length > 0 && name.at(-1)?.kind !== 'punctuation'))) break;
    name.push(token);
  }
  const table = name.map((token) => text.slice(token.start, token.end)).join('');
  return { verb: verb === 'delete' ? 'DELETE' : 'UPDATE', table };
}

/** A WHERE of the statement itself, not of a subquery. */
function hasWhere(text: string, tokens: readonly Token[], word: (token: Token) => string): boolean {
  let brackets = 0;
  for (const token of tokens) {
    const char = text.slice(token.start, token.end);
    if (char === '(') brackets += 1;
    else if (char === ')') brackets -= 1;
    else if (brackets === 0 && word(token) === 'where') return true;
  }
  return false;
}

/** Commands after which the schema is another one. */
export function changesSchema(tag: string | undefined): boolean {
  return tag !== undefined && /^(CREATE|ALTER|DROP|SELECT INTO|COMMENT|SET)\b/i.test(tag);
}

/** A statement without the EXPLAIN that stands before it: the plan is asked for in its own way. */
export function withoutExplain(text: string): string {
  const [statement] = splitTokens(text, lex(text).tokens);
  const tokens = statement?.tokens ?? [];
  const char = (at: number): string => text.slice(tokens[at]?.start ?? 0, tokens[at]?.end ?? 0).toLowerCase();
  if (statement === undefined || char(0) !== 'explain') return text;
  let at = 1;
  if (char(at) === '(') {
    while (at < tokens.length && char(at) !== ')') at += 1;
    at += 1;
  } else while (char(at) === 'analyze' || char(at) === 'verbose') at += 1;
  const first = tokens[at];
  return first === undefined ? text : text.slice(first.start, statement.end);
}
