import type { SchemaObject } from '../../../../gateway-core/contract/bridge/sql.js';
import type { Block, CommonTable, Parsed, Place, Source } from './blocks.js';
import { type Catalog, findObject } from './catalog.js';
import { nameOf, type Token } from './lexer.js';

/** A column as a name in the text can mean it. */
export interface Column {
  readonly name: string;
  readonly type: string;
  readonly notNull: boolean;
  readonly primaryKey: boolean;
  readonly references?: string;
  /** The rule that masks it, also where it comes through a subquery. */
  readonly mask?: string;
  /** `schema.table`, or what stands in FROM. */
  readonly from: string;
}

const depthMax = 16;

/** What the names of one statement mean, as far as the text and the schema say. */
export class Names {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  readonly parsed: Parsed;
  readonly #catalog: Catalog;
  /** Tables whose columns are not read yet, though some name here needs them. */
  readonly missing = new Set<SchemaObject>();
  readonly #outputs = new Map<Block, readonly Column[] | undefined>();
  #depth = 0;

  constructor(text: string, tokens: readonly Token[], parsed: Parsed, catalog: Catalog) {
    this.#text = text;
    this.#tokens = tokens;
    this.parsed = parsed;
    this.#catalog = catalog;
  }

  /** The sources that a name in this block can mean: its own first, then those around it. */
  sources(block: Block): Source[] {
    const all: Source[] = [];
    for (let each: Block | undefined = block; each !== undefined; each = each.parent)
      all.push(...each.sources);
    return all;
  }

  /** The common table that the name means, seen from a block. */
  commonTable(block: Block, name: string): CommonTable | undefined {
    for (let each: Block | undefined = block; each !== undefined; each = each.parent) {
      const found = each.commonTables.find((table) => table.name === name);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  commonTables(block: Block): CommonTable[] {
    const all: CommonTable[] = [];
    for (let each: Block | undefined = block; each !== undefined; each = each.parent)
      all.push(...each.commonTables);
    return all;
  }

  object(source: Source): SchemaObject | undefined {
    if (source.kind !== 'table') return undefined;
    return findObject(this.#catalog.schema, source.schema, source.name);
  }

  /** Columns of a source; undefined where they are not known. */
  columns(block: Block, source: Source): readonly Column[] | undefined {
    const plain = this.#plainColumns(block, source);
    return plain === undefined ? undefined : renamed(plain, source.columnAliases);
  }

  #plainColumns(block: Block, source: Source): readonly Column[] | undefined {
    if (source.block !== undefined) return this.#labelled(this.outputs(source.block), source);
    if (source.kind !== 'table') return undefined;
    const common = source.schema === undefined ? this.commonTable(block, source.name) : undefined;
    if (common !== undefined) {
      if (common.block === undefined) return undefined;
      const inner = this.outputs(common.block);
      return inner === undefined
        ? undefined
        : renamed(this.#labelled(inner, source) ?? [], common.columnAliases);
    }
    const object = this.object(source);
    return object === undefined ? undefined : this.objectColumns(object);
  }

  objectColumns(object: SchemaObject): readonly Column[] | undefined {
    const columns = this.#catalog.columns(object);
    if (columns === undefined) {
      this.missing.add(object);
      return undefined;
    }
    const from = `${object.schema}.${object.name}`;
    return columns.map((column) => ({ ...column, from }));
  }

  #labelled(columns: readonly Column[] | undefined, source: Source): readonly Column[] | undefined {
    const label = source.alias ?? source.name;
    return label === '' ? columns : columns?.map((column) => ({ ...column, from: label }));
  }

  /** The columns that a query has as a table. */
  outputs(block: Block): readonly Column[] | undefined {
    if (this.#outputs.has(block)) return this.#outputs.get(block);
    if (block.outputs === undefined || this.#depth >= depthMax) return undefined;
    // A recursive common table meets itself: it has no columns then.
    this.#outputs.set(block, undefined);
    this.#depth += 1;
    const columns = this.#items(block).flatMap((item) => this.#outputOf(block, item));
    this.#depth -= 1;
    this.#outputs.set(block, columns);
    return columns;
  }

  /** The items of a select list, each as token indexes. */
  #items(block: Block): (readonly number[])[] {
    const { from, to } = block.outputs ?? { from: 0, to: 0 };
    const items: number[][] = [[]];
    let brackets = 0;
    for (let at = from; at < to; at++) {
      const char = this.#written(at);
      if (char === '(' || char === '[') brackets += 1;
      else if (char === ')' || char === ']') brackets -= 1;
      if (char === ',' && brackets === 0) items.push([]);
      else items.at(-1)?.push(at);
    }
    return items.filter((item) => item.length > 0);
  }

  #outputOf(block: Block, item: readonly number[]): readonly Column[] {
    const last = item.at(-1) as number;
    if (this.#written(last) === '*' && (item.length === 1 || this.#written(last - 1) === '.')) {
      return this.#star(block, item);
    }
    const { name, body } = this.#named(item);
    const found = item.flatMap((at) => this.columnAt(at) ?? []);
    const [own] = found;
    const simple = body.every((at, order) =>
      order % 2 === 0 ? this.#isName(at) : this.#written(at) === '.',
    );
    if (simple && own !== undefined) return [{ ...own, name }];
    // An expression over a masked column is masked as well: the gateway follows where a value comes from.
    const mask = found.find((column) => column.mask !== undefined)?.mask;
    const made = { name, type: '', notNull: false, primaryKey: false, from: '' };
    return [mask === undefined ? made : { ...made, mask }];
  }

  #star(block: Block, item: readonly number[]): readonly Column[] {
    const [first = 0] = item;
    if (item.length === 1) return block.sources.flatMap((source) => this.columns(block, source) ?? []);
    const source = this.source(block, this.#nameAt(first));
    return source === undefined ? [] : (this.columns(block, source) ?? []);
  }

  /** The name of an output, and what of the item is not that name: `email AS mail`, `count(*) n`, `c.id`. */
  #named(item: readonly number[]): { readonly name: string; readonly body: readonly number[] } {
    const last = item.at(-1) as number;
    const before = item.at(-2);
    const word = this.#written(last).toLowerCase();
    if (word === 'end') return { name: 'case', body: item };
    if (this.#isName(last) && before !== undefined) {
      const joint = this.#written(before);
      if (joint.toLowerCase() === 'as') return { name: this.#nameAt(last), body: item.slice(0, -2) };
      if (joint === '.') return { name: this.#nameAt(last), body: item };
      const { kind } = this.#tokens[before] as Token;
      if (kind === 'operator') return { name: '?column?', body: item };
      if (joint !== '::') return { name: this.#nameAt(last), body: item.slice(0, -1) };
    }
    const [first = last] = item;
    return { name: this.#isName(first) ? this.#nameAt(first) : '?column?', body: item };
  }

  /** The source that a qualifier means. */
  source(block: Block, qualifier: string, schema?: string): Source | undefined {
    return this.sources(block).find((source) => {
      if (source.alias !== undefined) return schema === undefined && source.alias === qualifier;
      return source.name === qualifier && (schema === undefined || source.schema === schema);
    });
  }

  /** The column that the name at this token means. undefined: none, not known yet, or more than one. */
  columnAt(at: number): Column | undefined {
    if (!this.#isName(at) || !readsColumns.has(this.parsed.places[at] ?? 'other')) return undefined;
    if (this.#written(at + 1) === '(' || this.#written(at + 1) === '.') return undefined;
    const block = this.parsed.blocks[at];
    if (block === undefined) return undefined;
    const name = this.#nameAt(at);
    if (this.#written(at - 1) !== '.') return this.#unqualified(block, name);
    if (!this.#isName(at - 2)) return undefined;
    const schema = this.#written(at - 3) === '.' && this.#isName(at - 4) ? this.#nameAt(at - 4) : undefined;
    const source = this.source(block, this.#nameAt(at - 2), schema);
    if (source === undefined) return undefined;
    return this.columns(block, source)?.find((column) => column.name === name);
  }

  #unqualified(block: Block, name: string): Column | undefined {
    for (const each of visible(block)) {
      const found: Column[] = [];
      for (const source of each.sources) {
        const column = this.columns(each, source)?.find((own) => own.name === name);
        if (column !== undefined) found.push(column);
      }
      // USING and NATURAL join equal names: where any of them is masked, so is what comes out.
      if (found.length > 0) return found.find(({ mask }) => mask !== undefined) ?? found[0];
    }
    return undefined;
  }

  /** What a `*` in a select list stands for; undefined where the star is a multiplication or an argument. */
  starAt(at: number): readonly Column[] | undefined {
    const block = this.parsed.blocks[at];
    if (block === undefined || this.parsed.places[at] !== 'select' || this.#written(at) !== '*')
      return undefined;
    const { from } = block.outputs ?? { from: -1 };
    const before = this.#written(at - 1);
    if (before === '.') return this.#star(block, [at - 2, at - 1, at]);
    return at === from || before === ',' ? this.#star(block, [at]) : undefined;
  }

  #written(at: number): string {
    const token = this.#tokens[at];
    return token === undefined ? '' : this.#text.slice(token.start, token.end);
  }
  #isName(at: number): boolean {
    const kind = this.#tokens[at]?.kind;
    return kind === 'word' || kind === 'quoted';
  }
  #nameAt(at: number): string {
    const token = this.#tokens[at];
    return token === undefined ? '' : nameOf(this.#text, token);
  }
}

const readsColumns = new Set<Place>(['select', 'on', 'using', 'expression', 'order', 'columns', 'set']);

/** The blocks whose sources a name can mean, the nearest first. */
function visible(block: Block): Block[] {
  const seen: Block[] = [block];
  let { isolated } = block;
  for (let each = block.parent; each !== undefined; each = each.parent) {
    if (!isolated) seen.push(each);
    isolated = each.isolated;
  }
  return seen;
}

function renamed(columns: readonly Column[], aliases: readonly string[] | undefined): readonly Column[] {
  if (aliases === undefined) return columns;
  return columns.map((column, at) => ({ ...column, name: aliases[at] ?? column.name }));
}
