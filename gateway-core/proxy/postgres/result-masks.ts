import type { Column } from '../../codec/postgres/backend.js';
import type { Lineage, MaskTargets } from '../../codec/postgres/statement/index.js';
import type { CatalogCache } from './catalog.js';
import type { Judged } from './judged.js';
import type { ColumnState } from './mask-set.js';
import { type CopyMasker, copyMasker, RowMasker, type ValueMask } from './result-masker.js';

/** Nothing masked reaches the value. */
export const clean: ColumnState = { patterns: [], unknown: false, computed: false };
const opaque: ColumnState = { patterns: [], unknown: true, computed: true };

/** What the statement's lineage says of its output column at `index`. */
export function lineageState(lineage: Lineage | undefined, index: number): ColumnState {
  if (lineage === undefined) return opaque;
  if (!lineage.touchesMasked) return clean;
  const state = lineage.outputs.complete ? lineage.outputs.columns[index] : undefined;
  if (state === 'clean') return clean;
  if (state !== 'tainted') return opaque;
  return { patterns: lineage.outputPatterns[index] ?? [], unknown: false, computed: true };
}

/** Which masks reach the columns of what a judged statement returns. */
export class ResultMasks {
  /** The target's catalog may differ from what our own connection can see: DDL in a transaction that is still open. */
  uncertain = false;
  readonly #catalog: CatalogCache;

  constructor(catalog: CatalogCache) {
    this.#catalog = catalog;
  }

  /** The masker of a result with these columns. */
  rowMasker(judged: Judged, columns: readonly Column[]): RowMasker {
    const { masks, lineage, result } = judged;
    const catalog = this.#catalog.fresh ?? this.#catalog.latest;
    const known = result.columns === columns && result.catalog === catalog && !this.uncertain;
    if (known && result.masker !== undefined) return result.masker;
    const targets = masks.targets(catalog);
    const origins = columns.map((column, index) => this.#origin(targets, column, lineage, index));
    const masked = columns.map((column, index): ValueMask | undefined =>
      masks.column(origins[index] ?? opaque, column.typeOid, column.format),
    );
    const masker = new RowMasker(
      columns,
      masked,
      (name) => masks.text(name),
      () => origins.map((origin, index) => (masked[index] === undefined ? undefined : masks.rule(origin))),
    );
    if (!this.uncertain) Object.assign(result, { columns, masker, catalog });
    return masker;
  }

  #origin(
    targets: MaskTargets | 'no-catalog' | undefined,
    column: Column,
    lineage: Lineage | undefined,
    index: number,
  ): ColumnState {
    if (targets === undefined) return clean;
    if (targets === 'no-catalog') return opaque;
    if (column.tableOid !== 0 && !(this.uncertain && column.tableOid >= 16_384)) {
      const state = targets.columnMask(column.tableOid, column.columnNumber);
      if (!state.unknown) return { patterns: state.patterns, unknown: false, computed: false };
      // A relation that we have not seen yet: the next statement is judged with a newer catalog.
      this.#catalog.markStale();
    }
    return lineageState(lineage, index);
  }

  /** The masker of a COPY TO; undefined when no COPY was judged. */
  copyMasker(
    judged: Judged,
    response: { format: 0 | 1; columnFormats: readonly (0 | 1)[] },
  ): CopyMasker | undefined {
    const { copy } = judged.facts;
    if (
      copy === undefined ||
      copy.direction !== 'to' ||
      (copy.format === 'binary') !== (response.format === 1)
    )
      return undefined;
    const { masks, lineage } = judged;
    const count = response.columnFormats.length;
    const known = lineage?.outputs;
    // More or fewer columns than we reckon with: which is which is not known, so every mask reaches all of them.
    const fits = known === undefined || !known.complete || known.columns.length === count;
    const whole = this.#wholeTable(judged, count);
    return copyMasker(copy, (column) => {
      const state = !masks.hasColumns
        ? clean
        : (whole?.(column) ?? lineageState(fits ? lineage : undefined, column));
      return masks.column(state, 0, response.format);
    });
  }

  /** COPY of a table without a list leaves out generated columns; with as many as the table has, none was left out. */
  #wholeTable(judged: Judged, count: number): ((column: number) => ColumnState) | undefined {
    const { copy } = judged.facts;
    const targets = judged.masks.targets(this.#catalog.fresh);
    if (copy?.table === undefined || this.uncertain) return undefined;
    if (targets === undefined || targets === 'no-catalog') return undefined;
    const named = targets
      .relationsNamed(copy.table)
      .filter((each) => copy.schema === undefined || each.schema === copy.schema);
    const [relation] = named;
    if (relation === undefined || named.length !== 1) return undefined;
    const ordered = [...relation.columns]
      .filter((each) => copy.columns !== undefined || each.generated !== true)
      .sort((left, right) => left.number - right.number);
    const columns = copy.columns?.map((name) => ordered.find((each) => each.name === name)) ?? ordered;
    if (columns.length !== count) return undefined;
    return (column) => ({
      ...targets.columnMask(relation.oid, columns[column]?.number ?? -1),
      computed: false,
    });
  }
}
