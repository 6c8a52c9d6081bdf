import type { SchemaFunction, SchemaObject } from '../../../../gateway-core/contract/bridge/sql.js';
import { type Block, type Place, parseBlocks, type Source } from './blocks.js';
import { type Catalog, schemaNames } from './catalog.js';
import { builtinFunctions } from './functions.js';
import type { Item } from './items.js';
import { joinConditions, joinTargets } from './joins.js';
import { lex, nameOf, type Token } from './lexer.js';
import { type Column, Names } from './names.js';
import { splitTokens } from './statements.js';
import { keywords, statementWords, typeNames, written } from './words.js';

export interface Completion {
  /** What is replaced: from here to the cursor. */
  readonly from: number;
  readonly items: readonly Item[];
  /** What is expected there. */
  readonly place: Place;
  /** There are more; typing on finds them. */
  readonly cut: boolean;
  /** Tables whose columns have to be read for a better answer. */
  readonly missing: readonly SchemaObject[];
}

/** More are not shown at once: nobody scrolls through them, and a list of all tables of a big schema is slow. */
export const itemsMax = 400;

const nothing = (offset: number): Completion => ({
  from: offset,
  items: [],
  place: 'other',
  cut: false,
  missing: [],
});

/** What can stand at `offset`, best first. */
export function complete(text: string, offset: number, catalog: Catalog | undefined): Completion {
  const found = cursorAt(text, offset);
  if (found === undefined) return nothing(offset);
  const made = new Maker(text, found, catalog);
  const items = made.items();
  const wanted = found.prefix.replaceAll('"', '').toLowerCase();
  const matching = items.filter(({ label }) => isSubsequence(wanted, label.toLowerCase()));
  const kept = [...matching].sort((a, b) => a.rank - b.rank).slice(0, itemsMax);
  return {
    from: found.from,
    items: kept,
    place: made.place,
    cut: kept.length < matching.length,
    missing: made.missing(),
  };
}

interface Cursor {
  readonly tokens: readonly Token[];
  /** The index of the word at the cursor; it is empty where none was begun. */
  readonly at: number;
  readonly from: number;
  readonly prefix: string;
}

/** The tokens of the statement at the cursor, with a word at the cursor; undefined inside strings and comments. */
function cursorAt(text: string, offset: number): Cursor | undefined {
  const { tokens } = lex(text);
  const around = tokens.find((token) => token.start < offset && offset < token.end + (token.open ? 1 : 0));
  if (around?.kind === 'string' || around?.kind === 'comment') return undefined;
  // A line comment goes on to the end of its line.
  const before = tokens.find((token) => token.end === offset);
  if (before?.kind === 'comment' && text.startsWith('--', before.start)) return undefined;
  if (before?.kind === 'number' || before?.kind === 'parameter') return undefined;
  const statement = splitTokens(text, tokens).find(
    ({ start, end }) => start <= offset && (offset < end || text[end - 1] !== ';'),
  );
  const own = statement?.tokens ?? [];
  const at = own.findIndex(
    ({ kind, start, end }) => (kind === 'word' || kind === 'quoted') && start < offset && offset <= end,
  );
  const word = own[at];
  if (word !== undefined)
    return { tokens: own, at, from: word.start, prefix: text.slice(word.start, offset) };
  const place = own.findIndex(({ start }) => start >= offset);
  const index = place < 0 ? own.length : place;
  const empty: Token = { kind: 'word', start: offset, end: offset, open: false };
  return { tokens: own.toSpliced(index, 0, empty), at: index, from: offset, prefix: '' };
}

class Maker {
  readonly #text: string;
  readonly #cursor: Cursor;
  readonly #catalog: Catalog | undefined;
  readonly #names: Names | undefined;
  readonly #block: Block;
  readonly place: Place;

  constructor(text: string, cursor: Cursor, catalog: Catalog | undefined) {
    this.#text = text;
    this.#cursor = cursor;
    this.#catalog = catalog;
    const parsed = parseBlocks(text, cursor.tokens);
    this.#block = parsed.blocks[cursor.at] ?? parsed.root;
    this.place = parsed.places[cursor.at] ?? 'start';
    this.#names = catalog === undefined ? undefined : new Names(text, cursor.tokens, parsed, catalog);
  }

  missing(): SchemaObject[] {
    return [...(this.#names?.missing ?? [])];
  }

  items(): Item[] {
    if (this.#written(-1) === '.') return this.#qualified();
    switch (this.place) {
      case 'start':
        return [...this.#keywords(statementWords, 1), ...snippets];
      case 'source':
        return [...this.#joinTargets(), ...this.#tables(2), ...this.#keywords(['only', 'lateral'], 9)];
      case 'after-value':
        return this.#keywords(afterValueWords, 1);
      case 'after-source':
        return this.#keywords(afterSourceWords, 1);
      case 'on':
        return [...this.#joinConditions(), ...this.#values()];
      case 'using':
        return this.#common();
      case 'columns':
      case 'set':
        return this.#targetColumns();
      case 'select':
        return [...this.#star(), ...this.#values()];
      case 'expression':
      case 'order':
        return this.#values();
      case 'type':
        return typeNames.map((label) => ({ label, insert: label, kind: 'type', rank: 1 }));
      case 'other':
        return this.#keywords(keywords, 5);
      case 'new-name':
        return [];
    }
  }

  #written(distance: number): string {
    const token = this.#cursor.tokens[this.#cursor.at + distance];
    return token === undefined ? '' : this.#text.slice(token.start, token.end);
  }
  #nameBefore(distance: number): string | undefined {
    const token = this.#cursor.tokens[this.#cursor.at + distance];
    return token?.kind === 'word' || token?.kind === 'quoted' ? nameOf(this.#text, token) : undefined;
  }

  /** After `a.`: columns of what `a` means, or what is in the schema `a`. */
  #qualified(): Item[] {
    const qualifier = this.#nameBefore(-2);
    const names = this.#names;
    if (qualifier === undefined || names === undefined || this.#catalog === undefined) return [];
    const outer = this.#written(-3) === '.' ? this.#nameBefore(-4) : undefined;
    if (this.place !== 'source') {
      const source = names.source(this.#block, qualifier, outer);
      const columns = source === undefined ? undefined : names.columns(this.#block, source);
      if (columns !== undefined) return columns.map((column) => columnItem(column, 1));
      if (source !== undefined) return [];
    }
    const { objects, functions } = this.#catalog.schema;
    const tables = objects.filter(({ schema }) => schema === qualifier);
    const own = this.place === 'source' ? [] : functions.filter(({ schema }) => schema === qualifier);
    return [
      ...tables.map((object) => tableItem(object, false, 1)),
      ...own.map((each) => functionItem(each, 2)),
    ];
  }

  #tables(rank: number): Item[] {
    const common = (this.#names?.commonTables(this.#block) ?? []).map(
      ({ name }): Item => ({
        label: name,
        insert: written(name),
        kind: 'table',
        detail: 'WITH',
        rank: rank - 1,
      }),
    );
    if (this.#catalog === undefined) return common;
    const { schema } = this.#catalog;
    const near = new Set(schema.searchPath);
    const tables = schema.objects
      .filter(({ kind }) => kind !== 'sequence')
      .map((object) =>
        tableItem(object, !near.has(object.schema), near.has(object.schema) ? rank : rank + 2),
      );
    const schemas = schemaNames(schema).map(
      (name): Item => ({
        label: name,
        insert: written(name),
        kind: 'schema',
        detail: 'schema',
        rank: rank + 3,
      }),
    );
    return [...common, ...tables, ...schemas];
  }

  /** Everything that can be part of an expression. */
  #values(): Item[] {
    const functions = this.#catalog?.schema.functions ?? [];
    const known = new Set(functions.map(({ name }) => name));
    return [
      ...this.#columns(),
      ...[...functions, ...builtinFunctions.filter(({ name }) => !known.has(name))]
        .filter(firstOfName())
        .map((each) => functionItem(each, isUsual(each) ? 4 : 6)),
      ...this.#keywords(keywords, 5),
    ];
  }

  /** Columns of all sources; with their source where a name alone would mean two. */
  #columns(): Item[] {
    const sources = this.#names?.sources(this.#block) ?? [];
    const all = sources.map((source) => ({ source, columns: this.#columnsOf(source) }));
    const count = new Map<string, number>();
    for (const { columns } of all)
      for (const { name } of columns) count.set(name, (count.get(name) ?? 0) + 1);
    const items = all.flatMap(({ source, columns }) =>
      columns.map((column) => {
        const prefix = (count.get(column.name) ?? 0) > 1 ? `${written(labelOf(source))}.` : '';
        return columnItem(column, 1, prefix);
      }),
    );
    const labels = sources
      .map(labelOf)
      .filter((label) => label !== '')
      .map((label): Item => ({ label, insert: written(label), kind: 'alias', detail: 'in FROM', rank: 2 }));
    return [...items, ...labels];
  }

  #columnsOf(source: Source): readonly Column[] {
    return this.#names?.columns(this.#block, source) ?? [];
  }

  #targetColumns(): Item[] {
    const [target] = this.#block.sources;
    return target === undefined ? [] : this.#columnsOf(target).map((column) => columnItem(column, 1));
  }

  /** Columns that the newest source and one before it share. */
  #common(): Item[] {
    const [newest, ...others] = this.#block.sources.map((source) => this.#columnsOf(source)).reverse();
    const there = new Set(others.flat().map(({ name }) => name));
    return (newest ?? []).filter(({ name }) => there.has(name)).map((column) => columnItem(column, 1));
  }

  #star(): Item[] {
    const columns = this.#block.sources.flatMap((source) =>
      this.#columnsOf(source).map(({ name }) =>
        this.#block.sources.length > 1 ? `${written(labelOf(source))}.${written(name)}` : written(name),
      ),
    );
    if (columns.length === 0) return [];
    const detail = `all ${columns.length} columns by name`;
    return [{ label: '*', insert: columns.join(', '), kind: 'snippet', detail, rank: 3 }];
  }

  #joinTargets(): Item[] {
    if (this.#catalog === undefined || this.#names === undefined) return [];
    if (this.#written(-1).toLowerCase() !== 'join') return [];
    // The word that is being typed is itself taken for a source.
    const sources = this.#block.sources.filter(({ name }) => name !== this.#nameBefore(0));
    return joinTargets(this.#catalog.schema, this.#names, this.#block, sources, this.#upper());
  }

  #joinConditions(): Item[] {
    if (this.#names === undefined || this.#written(-1).toLowerCase() !== 'on') return [];
    return joinConditions(this.#names, this.#block);
  }

  #keywords(words: Iterable<string>, rank: number): Item[] {
    const upper = this.#upper();
    return [...words].map((word, order) => {
      const label = upper ? word.toUpperCase() : word;
      return { label, insert: label, kind: 'keyword', rank: rank + order / 10_000 };
    });
  }

  /** As the person writes: by what was begun, else by the statement's first word. */
  #upper(): boolean {
    const { prefix, tokens, at } = this.#cursor;
    const first = tokens.find((token, index) => token.kind === 'word' && index !== at);
    const sample =
      prefix !== '' ? prefix : first === undefined ? '' : this.#text.slice(first.start, first.end);
    return sample !== '' && sample === sample.toUpperCase() && sample !== sample.toLowerCase();
  }
}

const afterSourceWords = (
  'join|left join|inner join|right join|full join|cross join|on|using|where|group by|having|order by|limit|offset|' +
  'union|union all|intersect|except|as|values|select|set|returning|for update|tablesample|window|lateral|natural join'
).split('|');

const afterValueWords =
  'as from where over filter union intersect except limit order group and or is in like between'.split(' ');

const snippets: readonly Item[] = [
  ['sel', 'select ${1:*}\nfrom ${2:table}\nlimit ${3:100};$0', 'SELECT ... LIMIT'],
  ['selw', 'select ${1:*}\nfrom ${2:table}\nwhere ${3:condition};$0', 'SELECT ... WHERE'],
  ['cnt', 'select count(*)\nfrom ${1:table};$0', 'SELECT count(*)'],
  ['ins', 'insert into ${1:table} (${2:columns})\nvalues (${3:values});$0', 'INSERT'],
  ['upd', 'update ${1:table}\nset ${2:column} = ${3:value}\nwhere ${4:condition};$0', 'UPDATE ... WHERE'],
  ['del', 'delete from ${1:table}\nwhere ${2:condition};$0', 'DELETE ... WHERE'],
  ['cte', 'with ${1:name} as (\n  ${2:select 1}\n)\nselect *\nfrom ${1:name};$0', 'WITH ... SELECT'],
  ['tx', 'begin;\n$0\nrollback;', 'Transaction that is rolled back'],
].map(([label = '', insert = '', detail = '']) => ({
  label,
  insert,
  detail,
  snippet: true,
  kind: 'snippet',
  rank: 3,
}));

function labelOf(source: Source): string {
  return source.alias ?? source.name;
}

function columnItem(column: Column, rank: number, prefix = ''): Item {
  const detail = [column.type, column.from].filter((part) => part !== '').join(' · ');
  const item = {
    label: column.name,
    insert: prefix + written(column.name),
    kind: 'column',
    detail,
    rank,
  } as const;
  return column.mask === undefined ? item : { ...item, mask: column.mask };
}

function tableItem(object: SchemaObject, qualify: boolean, rank: number): Item {
  const insert = qualify ? `${written(object.schema)}.${written(object.name)}` : written(object.name);
  return {
    label: qualify ? `${object.schema}.${object.name}` : object.name,
    insert,
    kind: object.kind.includes('view') ? 'view' : 'table',
    detail: `${object.kind.replace('-', ' ')} · ${object.schema}`,
    rank,
  };
}

function functionItem(each: SchemaFunction, rank: number): Item {
  const call = each.arguments === '' ? '()' : '($0)';
  return {
    label: each.name,
    insert: written(each.name).replaceAll('$', '\\$') + call,
    snippet: true,
    kind: 'function',
    detail: `(${each.arguments}) ${each.returns}`,
    rank,
  };
}

const usualNames = new Set(builtinFunctions.map(({ name }) => name));

/** The database's own functions, and what everybody uses: the three thousand others come after the keywords. */
function isUsual({ schema, name }: SchemaFunction): boolean {
  return schema !== 'pg_catalog' || usualNames.has(name);
}

function firstOfName(): (each: { readonly name: string }) => boolean {
  const seen = new Set<string>();
  return ({ name }) => seen.size < seen.add(name).size;
}

function isSubsequence(wanted: string, label: string): boolean {
  let at = 0;
  for (const char of wanted) {
    at = label.indexOf(char, at) + 1;
    if (at === 0) return false;
  }
  return true;
}
