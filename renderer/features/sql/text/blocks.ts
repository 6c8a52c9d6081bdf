import { nameOf, type Token } from './lexer.js';
import { isReserved, statementWords, wordsAfterSource } from './words.js';

/** Something in a FROM clause, or the target of INSERT, UPDATE, DELETE ... */
export interface Source {
  readonly kind: 'table' | 'function' | 'block';
  readonly schema?: string;
  /** Folded; empty for a subquery. */
  readonly name: string;
  readonly block?: Block;
  alias?: string;
  columnAliases?: string[];
}

export interface CommonTable {
  readonly name: string;
  columnAliases?: string[];
  block?: Block;
}

/** One level of a query: what its names can mean. */
export interface Block {
  readonly parent: Block | undefined;
  readonly sources: Source[];
  readonly commonTables: CommonTable[];
  /** A subquery in FROM or WITH: it does not see what stands beside it. */
  readonly isolated: boolean;
  /** Token indexes of its select list (or RETURNING list): from, and past the end. */
  outputs?: { readonly from: number; to: number };
}

/** What can stand at a token's place. */
export type Place =
  | 'start'
  /** A table is expected. */
  | 'source'
  | 'after-source'
  | 'select'
  | 'on'
  /** Columns that both sides of a join have. */
  | 'using'
  | 'expression'
  /** GROUP BY and ORDER BY. */
  | 'order'
  /** A list of the target's columns: INSERT (...), COPY (...), ON CONFLICT (...). */
  | 'columns'
  /** The left side of UPDATE ... SET. */
  | 'set'
  /** Names that are being made: an alias, a common table's name. */
  | 'new-name'
  /** Right behind a value of a select list: an alias, or a word that goes on. */
  | 'after-value'
  | 'type'
  | 'other';

export interface Parsed {
  readonly root: Block;
  /** For each token: the block it stands in, and what can stand there. */
  readonly blocks: readonly Block[];
  readonly places: readonly Place[];
}

/** Reads one statement's tokens (without spaces and comments). Guesses where the text is not complete; never fails. */
export function parseBlocks(text: string, tokens: readonly Token[]): Parsed {
  return new Reader(text, tokens).read();
}

/** What one pair of brackets, or the statement itself, has come to. */
interface Frame {
  block: Block;
  place: Place;
  /** Where a comma leads. */
  comma: Place;
  /** Whether SELECT and FROM count here: not in the brackets of an expression. */
  readonly query: boolean;
  /** The source that an alias would belong to. */
  source?: Source | undefined;
  /** Inside of WITH: a name comes, AS or column names come, the query comes. */
  with?: 'name' | 'as' | 'body' | undefined;
  /** The first word: what the statement does. */
  verb: string;
  /** The INSERT that a SELECT feeds: RETURNING goes back to it. */
  target?: Block;
}

const newBlock = (
  parent: Block | undefined,
  { isolated = false, commonTables = [] as CommonTable[] } = {},
): Block => ({ parent, sources: [], commonTables, isolated });
const queryFrame = (block: Block): Frame => ({
  block,
  place: 'start',
  comma: 'other',
  query: true,
  verb: '',
});
const bracketFrame = (block: Block, place: Place, source?: Source): Frame => ({
  block,
  place,
  comma: place,
  query: false,
  verb: '',
  source,
});

const queryWords = new Set(['select', 'with', 'values', 'insert', 'update', 'delete', 'merge', 'table']);
/** Verbs whose brackets after the table hold its columns. */
const columnListVerbs = new Set(['insert', 'copy', 'create', 'analyze', 'vacuum', 'grant', 'revoke']);
const tableVerbs = new Set(
  'update table truncate analyze vacuum copy lock refresh reindex cluster'.split(' '),
);
const definitionVerbs = new Set('create drop grant revoke comment alter'.split(' '));
const wordsBeforeTable = new Set(
  'table if not exists concurrently materialized view verbose full freeze index'.split(' '),
);

/** Words that lead to another clause of a query: what stands there, and where a comma leads. */
const clauses: Readonly<Record<string, readonly [Place, Place]>> = {
  from: ['source', 'source'],
  join: ['source', 'source'],
  into: ['source', 'other'],
  where: ['expression', 'expression'],
  having: ['expression', 'expression'],
  when: ['expression', 'expression'],
  values: ['expression', 'expression'],
  group: ['order', 'order'],
  order: ['order', 'order'],
  limit: ['other', 'other'],
  offset: ['other', 'other'],
  fetch: ['other', 'other'],
  for: ['other', 'other'],
  window: ['other', 'other'],
};

class Reader {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  readonly #root: Block = newBlock(undefined);
  readonly #blocks: Block[] = [];
  readonly #places: Place[] = [];
  readonly #frames: Frame[] = [queryFrame(this.#root)];
  #at = 0;

  constructor(text: string, tokens: readonly Token[]) {
    this.#text = text;
    this.#tokens = tokens;
  }

  read(): Parsed {
    for (; this.#at < this.#tokens.length; this.#at++) {
      const token = this.#tokens[this.#at] as Token;
      if (token.kind === 'punctuation') this.#punctuation(this.#char(0));
      else if (token.kind === 'word' || token.kind === 'quoted') this.#name(token);
      else this.#operator(token);
    }
    for (const { block } of this.#frames) this.#endOutputs(block);
    return { root: this.#root, blocks: this.#blocks, places: this.#places };
  }

  get #frame(): Frame {
    return this.#frames.at(-1) as Frame;
  }
  /** The lower-case word so many tokens away, or the empty string where no plain word stands. */
  #word(distance: number): string {
    const token = this.#tokens[this.#at + distance];
    return token?.kind === 'word' ? this.#text.slice(token.start, token.end).toLowerCase() : '';
  }
  #char(distance: number): string {
    const token = this.#tokens[this.#at + distance];
    return token?.kind === 'punctuation' ? this.#text.slice(token.start, token.end) : '';
  }
  #record(place: Place = this.#frame.place): void {
    this.#blocks.push(this.#frame.block);
    this.#places.push(place);
  }

  #operator(token: Token): void {
    const frame = this.#frame;
    this.#record();
    if (frame.place === 'set' && this.#text.slice(token.start, token.end) === '=') frame.place = 'expression';
  }

  #punctuation(char: string): void {
    this.#record();
    const frame = this.#frame;
    if (char === '(') this.#open(frame);
    else if (char === ')') this.#close();
    else if (char === ',') {
      if (frame.with === 'as') frame.with = 'name';
      frame.place = frame.with === 'name' ? 'new-name' : frame.comma;
      if (frame.place === 'source') frame.source = undefined;
    }
  }

  #open(frame: Frame): void {
    const { block } = frame;
    if (frame.with === 'body') this.#openCommonTable(frame);
    else if (frame.with === 'as') this.#frames.push(bracketFrame(block, 'new-name'));
    else if (queryWords.has(this.#word(1))) {
      const isolated = frame.place === 'source' && this.#word(-1) !== 'lateral';
      const inner = newBlock(block, { isolated });
      if (frame.place === 'source') this.#addSource({ kind: 'block', name: '', block: inner });
      this.#frames.push(queryFrame(inner));
    } else if (frame.place === 'after-source') this.#openAfterSource(frame);
    else this.#frames.push(bracketFrame(block, this.#placeInBrackets(frame)));
  }

  #placeInBrackets({ place }: Frame): Place {
    const before = this.#word(-1);
    if (before === 'conflict' || before === 'insert') return 'columns';
    if (before === 'over') return 'order';
    if (place === 'source' || place === 'columns' || place === 'set' || place === 'using') return place;
    return 'expression';
  }

  #openCommonTable(frame: Frame): void {
    const inner = newBlock(frame.block, { isolated: true });
    const last = frame.block.commonTables.at(-1);
    if (last !== undefined) last.block = inner;
    frame.with = 'as';
    this.#frames.push(queryFrame(inner));
  }

  /** `f(`: arguments of a function. `t alias (`: names of its columns. `INSERT INTO t (`: columns of the target. */
  #openAfterSource(frame: Frame): void {
    const { block, source } = frame;
    if (this.#word(-1) === 'using') this.#frames.push(bracketFrame(block, 'using'));
    else if (columnListVerbs.has(frame.verb)) this.#frames.push(bracketFrame(block, 'columns'));
    else if (source === undefined) this.#frames.push(bracketFrame(block, 'expression'));
    else if (source.kind === 'table' && source.alias === undefined) {
      frame.source = { ...source, kind: 'function' };
      block.sources[block.sources.indexOf(source)] = frame.source;
      this.#frames.push(bracketFrame(block, 'expression'));
    } else this.#frames.push(bracketFrame(block, 'new-name', source));
  }

  #close(): void {
    if (this.#frames.length === 1) return;
    const closed = this.#frames.pop() as Frame;
    if (closed.query) this.#endOutputs(closed.block);
    const frame = this.#frame;
    // The brackets of a join: what follows is as after any source.
    if (!closed.query && closed.comma === 'source') this.#go(frame, 'after-source', 'source');
  }

  #name(token: Token): void {
    const frame = this.#frame;
    const word = this.#char(-1) === '.' ? '' : this.#word(0);
    if (frame.with !== undefined && this.#withName(frame, token, word)) return;
    if (this.#char(-1) === '::') return this.#record('type');
    if (this.#word(-1) === 'as' && frame.place !== 'after-source' && frame.place !== 'source') {
      if (!queryWords.has(word)) return this.#record(frame.place === 'select' ? 'new-name' : 'type');
    }
    if (word !== '' && this.#keyword(frame, word)) return;
    if (frame.place === 'select' && this.#afterValue(word)) return this.#record('after-value');
    if (frame.place === 'source') this.#table(token);
    else if (frame.place === 'after-source') this.#afterSource(frame, token, word);
    else {
      this.#record();
      if (frame.place === 'new-name') this.#newName(frame, token);
      else if (frame.place === 'start') frame.place = 'other';
    }
  }

  /** Whether a name stands right behind a value: `count(*) n`, `name "Name"`. */
  #afterValue(word: string): boolean {
    const before = this.#tokens[this.#at - 1];
    if (before === undefined || isReserved(word) || this.#char(-1) === '.') return false;
    if (before.kind === 'word') return !isReserved(this.#word(-1));
    return ['quoted', 'string', 'number', 'parameter'].includes(before.kind) || this.#char(-1) === ')';
  }

  /** `WITH name (columns) AS MATERIALIZED (`. @returns whether the token belongs to it */
  #withName(frame: Frame, token: Token, word: string): boolean {
    if (frame.with === 'name') {
      this.#record('new-name');
      if (word === 'recursive') return true;
      frame.block.commonTables.push({ name: nameOf(this.#text, token) });
      frame.with = 'as';
      frame.place = 'other';
      return true;
    }
    if (word === 'as' || word === 'not' || word === 'materialized') {
      this.#record('other');
      frame.with = 'body';
      return true;
    }
    // The main query begins.
    frame.with = undefined;
    frame.place = 'start';
    return false;
  }

  #newName(frame: Frame, token: Token): void {
    const owner = frame.source ?? frame.block.commonTables.at(-1);
    if (!frame.query && owner !== undefined) (owner.columnAliases ??= []).push(nameOf(this.#text, token));
  }

  #table(token: Token): void {
    const name = nameOf(this.#text, token);
    const second = this.#tokens[this.#at + 2];
    this.#record();
    if (this.#char(1) === '.' && (second?.kind === 'word' || second?.kind === 'quoted')) {
      this.#record();
      this.#record();
      this.#at += 2;
      this.#addSource({ kind: 'table', schema: name, name: nameOf(this.#text, second) });
    } else this.#addSource({ kind: 'table', name });
  }

  #addSource(source: Source): void {
    const frame = this.#frame;
    frame.block.sources.push(source);
    frame.source = source;
    frame.place = 'after-source';
  }

  #afterSource(frame: Frame, token: Token, word: string): void {
    this.#record();
    const { source } = frame;
    if (source === undefined || this.#char(-1) === '.') return;
    const next = this.#tokens[this.#at + 1];
    if (word === 'as' && (next?.kind === 'word' || next?.kind === 'quoted')) {
      // The alias follows, whatever word it is: except after CREATE TABLE t AS.
      if (frame.verb === 'create') return;
      this.#at += 1;
      this.#record('new-name');
      source.alias = nameOf(this.#text, next);
    } else if (
      source.alias === undefined &&
      !wordsAfterSource.has(word) &&
      !definitionVerbs.has(frame.verb)
    ) {
      source.alias = nameOf(this.#text, token);
    }
  }

  /** @returns whether the word was taken as a keyword */
  #keyword(frame: Frame, word: string): boolean {
    if (frame.place === 'source' && this.#beforeTable(frame, word)) return this.#keep();
    if (!frame.query) return this.#keywordInBrackets(frame, word);
    if (frame.place === 'start' && statementWords.has(word)) return this.#begin(frame, word);
    if (frame.verb === 'grant' || frame.verb === 'revoke') return this.#grant(frame, word);
    if (this.#special(frame, word)) return true;
    const clause = Object.hasOwn(clauses, word) ? clauses[word] : undefined;
    if (clause === undefined || (word === 'from' && this.#isDistinctFrom())) return false;
    this.#endOutputs(frame.block);
    return this.#keep(() => this.#go(frame, ...clause));
  }

  /** `FROM ONLY t`, `DROP TABLE IF EXISTS t`. */
  #beforeTable({ verb }: Frame, word: string): boolean {
    return word === 'only' || word === 'lateral' || (verb !== 'select' && wordsBeforeTable.has(word));
  }

  /** Takes the word, as it stands, and then does what it says. */
  #keep(then?: () => void): true {
    this.#record();
    then?.();
    return true;
  }

  #keywordInBrackets(frame: Frame, word: string): boolean {
    if (word === 'references') {
      // As after CREATE INDEX ON t: a bracket holds columns.
      frame.verb = 'create';
      return this.#keep(() => this.#go(frame, 'source', 'other'));
    }
    if (frame.comma !== 'source') return false;
    if (word === 'join') return this.#keep(() => this.#go(frame, 'source', 'source'));
    if (word === 'on') return this.#keep(() => this.#go(frame, 'on', 'source'));
    return frame.place === 'on' && wordsAfterSource.has(word) && this.#keep();
  }

  #grant(frame: Frame, word: string): boolean {
    return word === 'on' && this.#keep(() => this.#go(frame, 'source', 'source'));
  }

  #begin(frame: Frame, word: string): true {
    this.#record();
    if (word === 'explain') {
      frame.verb = word;
      return true;
    }
    if (frame.verb === 'explain' && word === 'analyze') return true;
    frame.verb = word;
    if (word === 'with') {
      frame.with = 'name';
      frame.place = 'new-name';
    } else if (word === 'select') this.#select(frame);
    else if (word === 'values') this.#go(frame, 'expression', 'expression');
    else if (tableVerbs.has(word)) this.#go(frame, 'source', 'source');
    else frame.place = 'other';
    return true;
  }

  #select(frame: Frame): void {
    if (frame.verb === 'insert') {
      frame.target = frame.block;
      frame.block = newBlock(frame.block.parent, frame.block);
    }
    this.#go(frame, 'select', 'select');
    frame.block.outputs ??= { from: this.#at + 1, to: -1 };
  }

  #special(frame: Frame, word: string): boolean {
    switch (word) {
      case 'select':
        return this.#keep(() => this.#select(frame));
      case 'returning':
        frame.block = frame.target ?? frame.block;
        this.#endOutputs(frame.block);
        frame.block.outputs = { from: this.#at + 1, to: -1 };
        return this.#keep(() => this.#go(frame, 'select', 'select'));
      case 'union':
      case 'intersect':
      case 'except':
        return this.#keep(() => this.#nextQuery(frame));
      case 'set':
        return frame.verb !== 'set' && this.#keep(() => this.#go(frame, 'set', 'set'));
      case 'table':
      case 'view':
        if (frame.place !== 'other' || frame.verb === 'create') return false;
        return this.#keep(() => this.#go(frame, 'source', 'source'));
      case 'column':
        return frame.verb === 'alter' && this.#keep(() => this.#go(frame, 'columns', 'other'));
      case 'on':
        return this.#on(frame);
      case 'using':
        if (this.#char(1) === '(' || (frame.verb !== 'delete' && frame.verb !== 'merge')) return false;
        return this.#keep(() => this.#go(frame, 'source', 'source'));
      default:
        return false;
    }
  }

  #on(frame: Frame): true {
    if (this.#word(1) === 'conflict') {
      frame.block = frame.target ?? frame.block;
      return this.#keep(() => this.#go(frame, 'other', 'other'));
    }
    if (definitionVerbs.has(frame.verb)) return this.#keep(() => this.#go(frame, 'source', 'source'));
    return this.#keep(() => this.#go(frame, 'on', 'source'));
  }

  /** After UNION comes a query with names of its own; the first one's columns are the result's. */
  #nextQuery(frame: Frame): void {
    this.#endOutputs(frame.block);
    frame.block = newBlock(frame.block.parent, frame.block);
    this.#go(frame, 'start', 'other');
  }

  #go(frame: Frame, place: Place, comma: Place): void {
    frame.place = place;
    frame.comma = comma;
    frame.source = undefined;
  }

  #endOutputs(block: Block): void {
    if (block.outputs !== undefined && block.outputs.to < 0) block.outputs.to = this.#at;
  }

  #isDistinctFrom(): boolean {
    return this.#word(-1) === 'distinct' && (this.#word(-2) === 'is' || this.#word(-2) === 'not');
  }
}
