import type { MaskedUse } from '../../../contract/sql.js';
import { statementLimits } from './limits.js';
import { clean, type Row, type Taint } from './rows.js';
import { type Relation, type RelationTraits, relationOf, type Scope, type WithQueries } from './scope.js';
import type { MaskTargets } from './targets.js';
import type { Tree } from './tree.js';

/** What a session adds to the catalog. */
export interface LineageSession {
  /** Schemas that unqualified names are looked up in, as the target resolves them; undefined: not known. */
  readonly searchPath: readonly string[] | undefined;
  /**
   * Temporary tables of the session, and others that it made and has not committed, by name: they hide tables of the
   * catalog. `clean`: made and filled by statements without the use copy-into-table. A name that is missing here is
   * looked up in the catalog.
   */
  readonly temporary: ReadonlyMap<string, 'clean' | 'unknown'>;
}

type QueryReader = (analysis: Analysis, body: Tree, outer: Scope | undefined, queries: WithQueries) => Row;

/** What INSERT, UPDATE, DELETE or MERGE returns; undefined for other kinds. */
type ChangeReader = (analysis: Analysis, kind: string, body: Tree, queries: WithQueries) => Row | undefined;

/** Thrown inside one analysis when it takes more than its steps; never leaves the room. */
export class TooManySteps extends Error {}

/** State of one statement's analysis. */
export class Analysis {
  readonly targets: MaskTargets;
  readonly session: LineageSession;
  /** Analyses a query below this one. Handed in, because expressions hold queries and queries hold expressions. */
  readonly query: QueryReader;
  readonly change: ChangeReader;
  readonly uses = new Map<MaskedUse, Taint>();
  /** Everything masked or unknown that was read at all. */
  touched: Taint = clean;
  /** Read other than as a plain output column: a literal of the statement may have been matched against it. */
  combined: Taint = clean;
  writesMasked = false;
  private steps = 0;

  constructor(targets: MaskTargets, session: LineageSession, query: QueryReader, change: ChangeReader) {
    this.targets = targets;
    this.session = session;
    this.query = query;
    this.change = change;
  }

  readonly step = (count: number): void => {
    this.steps += count;
    if (this.steps > statementLimits.lineageStepsMax) throw new TooManySteps();
  };

  /** Records a use of what `taint` stands for; of nothing masked there is none. */
  use(use: MaskedUse, taint: Taint): void {
    if (taint === clean) return;
    this.uses.set(use, (this.uses.get(use) ?? clean) | taint);
    this.touched |= taint;
    this.combined |= taint;
  }

  /** A relation for a scope; wide rows take steps, so that queries cannot multiply them for ever. */
  relation(alias: string | undefined, row: Row, traits: RelationTraits = {}): Relation {
    this.step(row.columns.length + 1);
    return relationOf(alias, row, traits);
  }

  read(taint: Taint, plainly = false): Taint {
    this.touched |= taint;
    if (!plainly) this.combined |= taint;
    return taint;
  }
}
