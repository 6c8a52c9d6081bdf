import type { Lineage } from '../../codec/postgres/statement/index.js';
import type { StatementFacts } from '../../contract/sql.js';

interface Named {
  readonly action: StatementFacts['action'];
  readonly lineage: Lineage | undefined;
  /** Made by Parse or Bind: its text is recorded when the protocol runs it, and only then. */
  readonly byProtocol: boolean;
}

const namesMax = 10_000;
const actionOrder = ['sql:read', 'sql:write', 'sql:ddl', 'sql:admin'] as const;

/** Nothing is known: every mask reaches every column. */
export const unknownLineage: Lineage = {
  outputs: { columns: [], complete: false },
  outputPatterns: [],
  uses: [],
  touchesMasked: true,
  writesMasked: true,
  literalsMayMatch: true,
};

/**
 * What SQL can name: by PREPARE and DECLARE, and by Parse and Bind, which share their names with SQL. A definition may fail at the target while we believe it, and an old one
 * may live on: so every definition of a name counts until the target has confirmed that the name is gone, and where
 * several count, the strictest class holds and the result's columns are unknown.
 */
export class SqlNames {
  readonly #prepared = new Map<string, Named[]>();
  readonly #cursors = new Map<string, Named[]>();
  #cursorsLost = false;

  /** True: names of cursors went beyond the bound, so an unknown one may be of any kind. */
  get cursorsLost(): boolean {
    return this.#cursorsLost;
  }

  define(kind: 'prepared' | 'cursor', name: string, named: Named): void {
    const names = this.#of(kind);
    // Beyond the bound the oldest goes: its name is then unknown, which refuses an EXECUTE and a FETCH.
    if (names.size >= namesMax && !names.has(name))
      for (const oldest of names.keys()) {
        names.delete(oldest);
        if (kind === 'cursor') this.#cursorsLost = true;
        break;
      }
    const known = names.get(name) ?? [];
    if (known.length < 2) names.set(name, [...known, named]);
    else names.set(name, [united([...known, named]), ...known.slice(0, 1)]);
  }

  get(kind: 'prepared' | 'cursor', name: string): Named | undefined {
    const known = this.#of(kind).get(name);
    const [first, ...others] = known ?? [];
    if (first === undefined || others.length === 0) return first;
    return united([first, ...others]);
  }

  /** The target has confirmed that the name (undefined: every name) is gone. */
  forget(kind: 'prepared' | 'cursor', name: string | undefined): void {
    if (name !== undefined) this.#of(kind).delete(name);
    else {
      this.#of(kind).clear();
      if (kind === 'cursor') this.#cursorsLost = false;
    }
  }

  #of(kind: 'prepared' | 'cursor'): Map<string, Named[]> {
    return kind === 'prepared' ? this.#prepared : this.#cursors;
  }
}

function united(named: readonly Named[]): Named {
  return {
    action: named.reduce<Named['action']>((worst, each) => stricter(worst, each.action), 'sql:read'),
    lineage: unknownLineage,
    byProtocol: named.some((each) => each.byProtocol),
  };
}

/** The class of a statement that may be either of two. */
export function stricter(
  left: StatementFacts['action'],
  right: StatementFacts['action'],
): StatementFacts['action'] {
  return actionOrder.indexOf(left) > actionOrder.indexOf(right) ? left : right;
}
