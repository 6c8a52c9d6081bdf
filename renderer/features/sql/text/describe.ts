import type { SchemaFunction, SchemaObject } from '../../../../gateway-core/contract/bridge/sql.js';
import { parseBlocks } from './blocks.js';
import { type Catalog, findObject } from './catalog.js';
import { functionsNamed } from './functions.js';
import { lex, nameOf, significant, type Token } from './lexer.js';
import { type Column, Names } from './names.js';
import { type Statement, splitTokens } from './statements.js';

/** A name or a star in the text that stands for something masked. */
export interface MaskedSpan {
  readonly start: number;
  readonly end: number;
  /** What is masked, and by which rule. */
  readonly columns: readonly { readonly name: string; readonly mask: string }[];
}

export interface MaskedNames {
  readonly spans: readonly MaskedSpan[];
  readonly missing: readonly SchemaObject[];
}

/** The names of one statement that stand for masked columns, as far as they can be told from the text. */
export function maskedNames(text: string, statement: Statement, catalog: Catalog): MaskedNames {
  const { tokens } = statement;
  const names = new Names(text, tokens, parseBlocks(text, tokens), catalog);
  const spans = tokens.flatMap((token, at): MaskedSpan[] => {
    const column = names.columnAt(at);
    const columns = (column === undefined ? (names.starAt(at) ?? []) : [column]).filter(isMasked);
    return columns.length === 0 ? [] : [{ start: token.start, end: token.end, columns }];
  });
  return { spans, missing: [...names.missing] };
}

function isMasked<T extends Column>(column: T): column is T & { mask: string } {
  return column.mask !== undefined;
}

/** What is known of the name at a place. */
export type Description = { readonly start: number; readonly end: number } & (
  | { readonly kind: 'column'; readonly column: Column }
  | { readonly kind: 'table'; readonly object: SchemaObject; readonly columns: readonly Column[] | undefined }
  | { readonly kind: 'function'; readonly functions: readonly SchemaFunction[] }
  | { readonly kind: 'masked'; readonly columns: MaskedSpan['columns'] }
);

export interface Described {
  readonly description: Description | undefined;
  readonly missing: readonly SchemaObject[];
}

/** What the name at `offset` means. */
export function describe(text: string, offset: number, catalog: Catalog): Described {
  const statement = splitTokens(text, lex(text).tokens).find(
    ({ start, end }) => start <= offset && offset <= end,
  );
  const tokens = statement?.tokens ?? [];
  const at = tokens.findIndex(({ start, end }) => start <= offset && offset < end);
  const token = tokens[at];
  if (token === undefined) return { description: undefined, missing: [] };
  const names = new Names(text, tokens, parseBlocks(text, tokens), catalog);
  const description = describeToken(text, tokens, at, names, catalog);
  return { description, missing: [...names.missing] };
}

function describeToken(
  text: string,
  tokens: readonly Token[],
  at: number,
  names: Names,
  catalog: Catalog,
): Description | undefined {
  const token = tokens[at] as Token;
  const { start, end } = token;
  const star = names.starAt(at)?.filter(isMasked) ?? [];
  if (star.length > 0) return { kind: 'masked', columns: star, start, end };
  if (token.kind !== 'word' && token.kind !== 'quoted') return undefined;
  const column = names.columnAt(at);
  if (column !== undefined) return { kind: 'column', column, start, end };
  const name = nameOf(text, token);
  const written = (index: number): string => text.slice(tokens[index]?.start ?? 0, tokens[index]?.end ?? 0);
  if (written(at + 1) === '(') {
    const functions = functionsNamed(catalog.schema.functions, name);
    if (functions.length > 0) return { kind: 'function', functions, start, end };
  }
  const object = tableAt(text, tokens, at, names, catalog);
  if (object === undefined) return undefined;
  return { kind: 'table', object, columns: names.objectColumns(object), start, end };
}

/** The table that a name in FROM means, or that a qualifier or an alias stands for. */
function tableAt(
  text: string,
  tokens: readonly Token[],
  at: number,
  names: Names,
  catalog: Catalog,
): SchemaObject | undefined {
  const name = nameOf(text, tokens[at] as Token);
  const before = tokens[at - 1];
  const block = names.parsed.blocks[at];
  const qualifier =
    before !== undefined && text.slice(before.start, before.end) === '.' ? tokens[at - 2] : undefined;
  if (names.parsed.places[at] === 'source') {
    return findObject(catalog.schema, qualifier === undefined ? undefined : nameOf(text, qualifier), name);
  }
  if (block === undefined || qualifier !== undefined) return undefined;
  const source = names.source(block, name);
  return source === undefined ? undefined : names.object(source);
}

/** The call around a place, and which of its arguments stands there. */
export interface Call {
  readonly functions: readonly SchemaFunction[];
  readonly argument: number;
}

/** For the hint that shows a function's arguments while they are typed. */
export function callAt(text: string, offset: number, own: readonly SchemaFunction[]): Call | undefined {
  const tokens = significant(lex(text.slice(0, offset)).tokens);
  let argument = 0;
  let brackets = 0;
  for (let at = tokens.length - 1; at >= 0; at--) {
    const token = tokens[at] as Token;
    const char = text.slice(token.start, token.end);
    if (char === ';') return undefined;
    if (char === ')') brackets += 1;
    else if (char === ',' && brackets === 0) argument += 1;
    else if (char === '(') {
      if (brackets === 0) return callOf(text, tokens[at - 1], own, argument);
      brackets -= 1;
    }
  }
  return undefined;
}

function callOf(
  text: string,
  token: Token | undefined,
  own: readonly SchemaFunction[],
  argument: number,
): Call | undefined {
  if (token?.kind !== 'word' && token?.kind !== 'quoted') return undefined;
  const functions = functionsNamed(own, nameOf(text, token));
  return functions.length === 0 ? undefined : { functions, argument };
}
