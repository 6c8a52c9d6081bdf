import createInstance, { type ParserInstance } from 'libpg-query/wasm/libpg-query.js';
import { limits } from '../../../contract/limits.js';
import { type Lexed, lex } from './lexer.js';
import { statementLimits } from './limits.js';
import { isTree, listAt, type Tree, treeAt } from './tree.js';

/** One statement as the grammar of PostgreSQL 18 sees it; `start` and `end` in UTF-16 code units, white space trimmed. */
export interface RawStatement {
  readonly tree: Tree;
  readonly start: number;
  readonly end: number;
}

export type RawResult =
  | { readonly ok: true; readonly statements: readonly RawStatement[]; readonly lexed: Lexed }
  | {
      readonly ok: false;
      /** PostgreSQL's wording. It may quote the statement: for the client, never for the record. */
      readonly message: string;
      /** Without any text of the statement. */
      readonly reason: 'syntax' | 'too-long' | 'too-deep' | 'not-text' | 'busy';
      /** In UTF-16 code units, where the parser names a place. */
      readonly position?: number;
      /** Literals where they could still be told apart, for the kept text. */
      readonly lexed: Lexed | undefined;
    };

/**
 * INVARIANT: an instance that has thrown anything of its own (stack overflow, trap, abort) is never used again. Its
 * shadow stack is not unwound: after some thirty overflows every later parse failed with an access out of bounds.
 */
let active: ParserInstance | undefined;
let spare: ParserInstance | undefined;
let loading: Promise<void> | undefined;

/** Loads two instances, so that one can be dropped without a statement having to wait. Call once before parsing. */
export function loadParser(): Promise<void> {
  return loadUntil(() => spare !== undefined);
}

/** Loads one instance: all that parsing needs, when `loadParser` follows in a moment that is less busy. */
export function loadFirstParser(): Promise<void> {
  return loadUntil(() => active !== undefined);
}

async function loadUntil(enough: () => boolean): Promise<void> {
  while (!enough()) {
    loading ??= loadNext();
    await loading;
  }
}

async function loadNext(): Promise<void> {
  try {
    // Not on the caller's stack, which may be the one that has just overflowed.
    await Promise.resolve();
    const instance = await createInstance();
    if (active === undefined) active = instance;
    else spare = instance;
  } finally {
    loading = undefined;
  }
}

function dropInstance(): void {
  active = spare;
  spare = undefined;
  // A failed reload leaves no instance, and every statement is refused until a later one succeeds.
  loadParser().catch(() => undefined);
}

/** Parses a whole text, never throws for what is in it. Statements are in the order of the text. */
export function parseRaw(sql: string): RawResult {
  if (sql.length > limits.statementBytesMax) return refuse('too-long', 'the statement is too long');
  const bytes = Buffer.byteLength(sql, 'utf8');
  if (bytes > limits.statementBytesMax) return refuse('too-long', 'the statement is too long');
  if (sql.includes('\0') || (bytes !== sql.length && /\p{Surrogate}/u.test(sql))) {
    return refuse('not-text', 'the statement is not valid text');
  }
  const lexed = lex(sql);
  if (lexed !== undefined && lexed.depth > statementLimits.depthMax) {
    return refuse('too-deep', 'the statement is nested too deeply', lexed);
  }
  if (lexed !== undefined && lexed.weight > statementLimits.weightMax) {
    return refuse('too-long', 'the statement is too large', lexed);
  }
  if (active === undefined) {
    loadParser().catch(() => undefined);
    return refuse('busy', 'the statement parser is being reloaded, try again', lexed);
  }
  const answer = callParser(active, sql, bytes);
  if (answer.kind === 'broken') {
    dropInstance();
    return refuse('too-deep', 'the statement is nested too deeply', lexed);
  }
  if (active.HEAPU8.length > statementLimits.parserBytesMax) dropInstance();
  if (answer.kind === 'error') {
    const position = characterOffset(sql, answer.position);
    return { ok: false, message: answer.message, reason: 'syntax', lexed, position };
  }
  if (lexed === undefined) return refuse('syntax', 'the statement could not be read', lexed);
  return readStatements(sql, bytes, answer.json, lexed);
}

function refuse(
  reason: Extract<RawResult, { ok: false }>['reason'],
  message: string,
  lexed?: Lexed,
): RawResult {
  return { ok: false, reason, message, lexed };
}

type Answer =
  | { readonly kind: 'tree'; readonly json: string }
  /** `position` in characters (code points), as PostgreSQL reports it, from 0. */
  | { readonly kind: 'error'; readonly message: string; readonly position: number }
  | { readonly kind: 'broken' };

/** struct PgQueryParseResult { char *tree; char *stderr; PgQueryError *error } and its error, of libpg_query. */
function callParser(instance: ParserInstance, sql: string, bytes: number): Answer {
  const {
    _malloc: allocate,
    _free: release,
    _wasm_parse_query_raw: parse,
    _wasm_free_parse_result: free,
  } = instance;
  // The parser's exit() sets the exit status of the whole process.
  const { exitCode } = process;
  try {
    const text = allocate(bytes + 1);
    instance.stringToUTF8(sql, text, bytes + 1);
    const result = parse(text);
    release(text);
    if (text === 0 || result === 0) return { kind: 'broken' };
    const answer = readResult(instance, result);
    free(result);
    return answer;
  } catch {
    process.exitCode = exitCode;
    return { kind: 'broken' };
  }
}

function readResult(instance: ParserInstance, result: number): Answer {
  const tree = instance.getValue(result, 'i32');
  const error = instance.getValue(result + 8, 'i32');
  if (error === 0)
    return tree === 0 ? { kind: 'broken' } : { kind: 'tree', json: instance.UTF8ToString(tree) };
  const message = instance.getValue(error, 'i32');
  return {
    kind: 'error',
    message: message === 0 ? 'syntax error' : instance.UTF8ToString(message),
    position: Math.max(instance.getValue(error + 16, 'i32') - 1, 0),
  };
}

function readStatements(sql: string, bytes: number, json: string, lexed: Lexed): RawResult {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    return refuse('syntax', 'the statement could not be read', lexed);
  }
  const raw = listAt(isTree(parsed) ? parsed : undefined, 'stmts').filter(isTree);
  if (raw.length > statementLimits.statementsMax)
    return refuse('too-long', 'too many statements in one text', lexed);
  const ends: number[] = [];
  for (const statement of raw) {
    const start = numberAt(statement, 'stmt_location');
    const length = numberAt(statement, 'stmt_len');
    ends.push(start, length === 0 ? bytes : start + length);
  }
  const offsets = byteOffsets(sql, bytes, ends);
  const statements = raw.map((statement, index) => {
    const span = trimmed(sql, offsets[2 * index] ?? 0, offsets[2 * index + 1] ?? sql.length);
    return { tree: treeAt(statement, 'stmt') ?? {}, ...span };
  });
  return { ok: true, statements, lexed };
}

function numberAt(node: Tree, field: string): number {
  const value = node[field];
  return typeof value === 'number' ? value : 0;
}

function trimmed(sql: string, start: number, end: number): { start: number; end: number } {
  let from = start;
  let to = end;
  while (from < to && sql.charCodeAt(from) <= 32) from += 1;
  while (to > from && sql.charCodeAt(to - 1) <= 32) to -= 1;
  return { start: from, end: to };
}

/** UTF-8 byte offsets, not falling, as UTF-16 offsets. */
function byteOffsets(sql: string, bytes: number, offsets: readonly number[]): number[] {
  if (bytes === sql.length) return [...offsets];
  const found: number[] = [];
  let at = 0;
  let byte = 0;
  for (const offset of offsets) {
    while (byte < offset && at < sql.length) {
      const code = sql.codePointAt(at) ?? 0;
      at += code > 0xffff ? 2 : 1;
      byte += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    }
    found.push(at);
  }
  return found;
}

function characterOffset(sql: string, characters: number): number {
  let at = 0;
  for (let passed = 0; passed < characters && at < sql.length; passed += 1) {
    at += (sql.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
  }
  return at;
}
