import type { Catalog, MaskedUse, OutputColumns } from '../../../contract/sql.js';
import { Analysis, type LineageSession, TooManySteps } from './analysis.js';
import { functionAction, functionName } from './builtins.js';
import { explainRuns } from './collect.js';
import { type SqlAction, strictestAction } from './commands.js';
import { dataChangeRow } from './data-changes.js';
import { definitionUses } from './definitions.js';
import { type ParsedStatement, parseStatements } from './facts.js';
import { selectRow } from './queries.js';
import {
  clean,
  openRow,
  patternsOf,
  type Row,
  rowOf,
  type Taint,
  unknown,
  unknownRow,
  wholeRow,
} from './rows.js';
import { catalogRelations, tableRow } from './tables.js';
import { MaskTargets, orderedColumns } from './targets.js';
import { listAt, stringsOf, type Tree, textAt, treeAt, unwrap } from './tree.js';

export interface Lineage {
  /**
   * For PREPARE and DECLARE: what EXECUTE and FETCH will return. For EXECUTE and FETCH themselves: not complete, the
   * caller has the columns from before. For COPY FROM: the columns of the rows that come in.
   */
  readonly outputs: OutputColumns;
  /** Per output column the mask patterns that reach it, by index; beside `outputs.columns`. */
  readonly outputPatterns: readonly (readonly number[])[];
  /** `columns`: the patterns concerned, as written; `*` alone where it cannot be known which. */
  readonly uses: readonly { readonly use: MaskedUse; readonly columns: readonly string[] }[];
  /** Something masked or unknown is read. false: every output is clean, even where `outputs` is not complete. */
  readonly touchesMasked: boolean;
  /** A masked or unknown column is written: literals and parameters may be values that are masked when read. */
  readonly writesMasked: boolean;
  /** Literals may stand for masked values (written, compared or combined with them): mask all in the kept text. */
  readonly literalsMayMatch: boolean;
}

/**
 * Compiles the catalog and the columns to mask. Patterns are `schema.table.column` (contract/masks.ts); throws
 * `invalid-config` for one that cannot be read. Await `loadParser` first: definitions of views are parsed.
 */
export function compileMaskTargets(catalog: Catalog, patterns: readonly string[]): MaskTargets {
  return new MaskTargets(catalog, patterns, readView);
}

/** The search path that a view's definition was printed for is not known: names that are not qualified must be sole. */
const viewSession: LineageSession = { searchPath: undefined, temporary: new Map() };

function readView(definition: string, targets: MaskTargets): Row | undefined {
  const parsed = parseStatements(definition);
  const statement = parsed.ok && parsed.statements.length === 1 ? parsed.statements[0] : undefined;
  const node = unwrap(statement?.tree);
  if (node?.kind !== 'SelectStmt') return undefined;
  try {
    return selectRow(newAnalysis(targets, viewSession), node.body, undefined, undefined);
  } catch (error) {
    if (isTooMuch(error)) return undefined;
    throw error;
  }
}

function newAnalysis(targets: MaskTargets, session: LineageSession): Analysis {
  return new Analysis(targets, session, selectRow, dataChangeRow);
}

/** Recursion follows the tree's depth, so a deep stack of the caller's could run out first. */
function isTooMuch(error: unknown): boolean {
  return error instanceof TooManySteps || error instanceof RangeError;
}

const nothing: Lineage = {
  outputs: { columns: [], complete: false },
  outputPatterns: [],
  uses: [],
  touchesMasked: false,
  writesMasked: false,
  literalsMayMatch: false,
};

const anything: Lineage = {
  outputs: { columns: [], complete: false },
  outputPatterns: [],
  uses: [{ use: 'opaque', columns: ['*'] }],
  touchesMasked: true,
  writesMasked: true,
  literalsMayMatch: true,
};

/**
 * What a statement's results, writes and conditions have to do with masked columns. May say too much, never too
 * little, as far as the catalog is that of the target. Operators, casts and triggers of the target's own are taken
 * for functions of their operands. Bounded; what is beyond the bounds counts as touching everything.
 */
export function analyseLineage(
  statement: ParsedStatement,
  targets: MaskTargets,
  session: LineageSession,
): Lineage {
  if (targets.empty) return nothing;
  const node = unwrap(statement.tree);
  if (node === undefined) return anything;
  try {
    const analysis = newAnalysis(targets, session);
    const row = statementRow(analysis, node.kind, node.body);
    return result(analysis, row);
  } catch (error) {
    if (isTooMuch(error)) return anything;
    throw error;
  }
}

function result(analysis: Analysis, row: Row): Lineage {
  const whole = wholeRow(row);
  const touched = analysis.touched | whole;
  const columns = row.complete ? row.columns.map((column) => stateOf(column.taint)) : [];
  return {
    outputs: { columns, complete: row.complete },
    outputPatterns: row.complete ? row.columns.map((column) => patternsOf(column.taint)) : [],
    uses: [...analysis.uses].map(([use, taint]) => ({ use, columns: columnsOf(analysis, taint) })),
    touchesMasked: touched !== clean || analysis.uses.size > 0,
    writesMasked: analysis.writesMasked,
    literalsMayMatch: analysis.writesMasked || analysis.combined !== clean,
  };
}

function stateOf(taint: Taint): OutputColumns['columns'][number] {
  if ((taint & unknown) !== clean) return 'unknown';
  return taint === clean ? 'clean' : 'tainted';
}

function columnsOf(analysis: Analysis, taint: Taint): string[] {
  const columns = patternsOf(taint).map((index) => analysis.targets.patterns[index] ?? '*');
  return (taint & unknown) === clean ? columns : [...columns, '*'];
}

/** Statements that return nothing of any table and reach none: what they answer is clean. */
const outOfReach: ReadonlySet<string> = new Set(
  `TransactionStmt VariableSetStmt VariableShowStmt DeallocateStmt DiscardStmt ListenStmt UnlistenStmt NotifyStmt
  ConstraintsSetStmt LockStmt TruncateStmt VacuumStmt ReindexStmt ClusterStmt CheckPointStmt ClosePortalStmt DropStmt
  CommentStmt RefreshMatViewStmt CreateSeqStmt AlterSeqStmt CreateEnumStmt AlterEnumStmt CompositeTypeStmt
  CreateRoleStmt AlterRoleStmt AlterRoleSetStmt DropRoleStmt GrantStmt GrantRoleStmt AlterDefaultPrivilegesStmt
  CreatedbStmt DropdbStmt AlterDatabaseStmt AlterDatabaseSetStmt CreateTableSpaceStmt DropTableSpaceStmt AlterOwnerStmt
  CreateExtensionStmt AlterExtensionStmt AlterSystemStmt SecLabelStmt AlterStatsStmt AlterCollationStmt
  CreateForeignServerStmt AlterForeignServerStmt CreateUserMappingStmt AlterUserMappingStmt DropUserMappingStmt`.split(
    /\s+/,
  ),
);

function statementRow(analysis: Analysis, kind: string, body: Tree): Row {
  const change = dataChangeRow(analysis, kind, body, undefined);
  if (change !== undefined) return change;
  switch (kind) {
    case 'SelectStmt': {
      const row = selectRow(analysis, body, undefined, undefined);
      return treeAt(body, 'intoClause') === undefined ? row : rowOf([]);
    }
    case 'PrepareStmt':
    case 'DeclareCursorStmt':
      return innerRow(analysis, body['query']);
    case 'ExecuteStmt':
    case 'FetchStmt':
      analysis.read(unknown);
      return unknownRow;
    case 'ExplainStmt':
      return explainRow(analysis, body);
    case 'CopyStmt':
      return copyRow(analysis, body);
    case 'CreateSchemaStmt':
      for (const element of listAt(body, 'schemaElts')) innerRow(analysis, element);
      return openRow(clean);
    case 'CreateTableAsStmt':
    case 'ViewStmt':
      analysis.use('copy-into-table', wholeRow(innerRow(analysis, body['query'])));
      return rowOf([]);
    default:
      if (outOfReach.has(kind)) return openRow(clean);
      definitionUses(analysis, kind, body);
      return openRow(clean);
  }
}

function innerRow(analysis: Analysis, query: unknown): Row {
  const node = unwrap(query);
  return node === undefined ? unknownRow : statementRow(analysis, node.kind, node.body);
}

/** The plan shows the query, not its rows; run, it shows how many rows each step met. */
function explainRow(analysis: Analysis, body: Tree): Row {
  innerRow(analysis, body['query']);
  if (explainRuns(body)) analysis.use('explain-analyze', analysis.touched);
  return rowOf([{ name: undefined, taint: analysis.uses.size > 0 ? unknown : clean }]);
}

function copyRow(analysis: Analysis, body: Tree): Row {
  const relation = treeAt(body, 'relation');
  const isFrom = body['is_from'] === true;
  const row =
    relation === undefined ? innerRow(analysis, body['query']) : copiedColumns(analysis, body, relation);
  if (isFrom) {
    if (wholeRow(row) !== clean) analysis.writesMasked = true;
  } else if (textAt(body, 'filename') === undefined) analysis.read(wholeRow(row), true);
  else analysis.use('copy-into-table', wholeRow(row));
  return row;
}

function copiedColumns(analysis: Analysis, body: Tree, relation: Tree): Row {
  const row = tableRow(analysis, relation).row;
  const listed = stringsOf(listAt(body, 'attlist'));
  if (listed.length > 0) {
    return rowOf(
      listed.map((name) => {
        const column = row.columns.find((candidate) => candidate.name === name);
        return { name, taint: column?.taint ?? (row.complete ? unknown : row.rest) };
      }),
    );
  }
  // Generated columns are left out; while the catalog does not tell which those are, no position is certain.
  const [named, ...others] = catalogRelations(analysis, relation);
  const columns = named === undefined ? [] : orderedColumns(named);
  const isKnown = row.complete && others.length === 0 && columns.length === row.columns.length;
  if (!isKnown || columns.some((column) => column.generated === undefined)) {
    return wholeRow(row) === clean ? row : openRow(wholeRow(row));
  }
  return rowOf(row.columns.filter((_, index) => columns[index]?.generated === false));
}

/**
 * `facts.action` with what only the catalog can tell: `x.name` and `(x).name` call a function of the target's own
 * when there is one of that name and no column.
 */
export function effectiveAction(statement: ParsedStatement, targets: MaskTargets): SqlAction {
  let action = statement.facts.action;
  for (const name of statement.fieldNames) {
    if (!targets.catalog.userFunctions.has(name.toLowerCase()) || targets.hasColumnNamed(name)) continue;
    action = strictestAction(action, functionAction(functionName([name])));
  }
  return action;
}
