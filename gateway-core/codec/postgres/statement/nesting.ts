/** Words that put one more level on the tree without a bracket, and those that do so however long the list. */
const chainWords = new Set(['NOT', 'COLLATE', 'AT', 'OVERLAPS', 'IS']);
const stickyWords = new Set(['JOIN', 'UNION', 'INTERSECT', 'EXCEPT']);

/** A bracket or CASE takes the parser about twice the stack of one more operator. */
const nestedWeight = 2;

/** What is known inside one pair of brackets. */
interface Level {
  /** Operators since the last comma, AND or OR: those make flat lists. */
  chain: number;
  /** Joins and set operations, which nest across commas. */
  sticky: number;
  cases: number;
  commas: number;
  /** How often the parser writes out what stands here. */
  factor: number;
  /** The factor of the brackets themselves, in force again behind a comma. */
  readonly outerFactor: number;
}

function newLevel(factor: number): Level {
  return { chain: 0, sticky: 0, cases: 0, commas: 0, factor, outerFactor: factor };
}

/**
 * Estimates from tokens alone how deep a text's tree will nest and how large it will be, before the parser is asked.
 * One construct makes the tree larger than the text: in `SET (a, b, c) = source` the parser writes the source out
 * once per column, so 20,000 columns take gigabytes.
 */
export class Nesting {
  deepest = 0;
  weight = 0;
  private total = 0;
  private level = newLevel(1);
  private readonly outer: Level[] = [];
  /** Columns of the bracket that the last token closed; zero behind any other token. */
  private closedColumns = 0;

  /** A literal, a quoted identifier or a parameter. */
  value(): void {
    this.weigh();
    this.closedColumns = 0;
  }

  symbol(code: number): void {
    this.weigh();
    const columns = this.closedColumns;
    this.closedColumns = 0;
    if (code === 40 || code === 91) {
      this.outer.push(this.level);
      this.level = newLevel(this.level.factor);
      this.add(nestedWeight);
    } else if (code === 41 || code === 93) this.close();
    else if (code === 44) {
      this.endChain();
      this.level.commas += 1;
      this.level.factor = this.level.outerFactor;
    } else if (code === 59) this.reset();
    else if (code !== 46) {
      // `(a, b) =`: up to the next comma, whatever the source looks like.
      if (code === 61 && columns > 1) this.level.factor *= columns;
      this.level.chain += 1;
      this.add(1);
    }
  }

  word(sql: string, start: number, end: number): void {
    this.value();
    const length = end - start;
    if (length < 2 || length > 9) return;
    const word = sql.slice(start, end).toUpperCase();
    if (word === 'AND' || word === 'OR') this.endChain();
    else if (word === 'CASE') {
      this.level.cases += 1;
      this.add(nestedWeight);
    } else if (word === 'END') {
      if (this.level.cases > 0) {
        this.level.cases -= 1;
        this.total -= nestedWeight;
      }
    } else if (word === 'WHERE') this.level.factor = this.level.outerFactor;
    else if (chainWords.has(word)) {
      this.level.chain += 1;
      this.add(1);
    } else if (stickyWords.has(word)) {
      this.level.sticky += 1;
      this.add(1);
    }
  }

  private weigh(): void {
    this.weight += this.level.factor;
  }

  private add(levels: number): void {
    this.total += levels;
    if (this.total > this.deepest) this.deepest = this.total;
  }

  private endChain(): void {
    this.total -= this.level.chain;
    this.level.chain = 0;
  }

  private close(): void {
    const outer = this.outer.pop();
    if (outer === undefined) return;
    this.total -= this.level.chain + this.level.sticky + nestedWeight * (this.level.cases + 1);
    this.closedColumns = this.level.commas + 1;
    this.level = outer;
  }

  private reset(): void {
    if (this.outer.length > 0) return;
    this.total = 0;
    this.level = newLevel(1);
  }
}
