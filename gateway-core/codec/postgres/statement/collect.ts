import type { TableUse } from '../../../contract/sql.js';
import {
  type FunctionName,
  functionAction,
  functionName,
  isBuiltin,
  runsTextAsQuery,
  takesSecrets,
} from './builtins.js';
import { type SqlAction, statementAction, strictestAction } from './commands.js';
import { isOff, optionText } from './copy-options.js';
import { type SettingClass, settingClass } from './settings.js';
import {
  bodyOf,
  constantInteger,
  constantText,
  isRangeVar,
  isTree,
  listAt,
  stringsOf,
  type Tree,
  textAt,
  treeAt,
  unwrap,
} from './tree.js';

type Access = TableUse['access'];

/** Fields of a SELECT that are not visited with the rest. */
const selectFieldsDone: ReadonlySet<string> = new Set(['withClause', 'intoClause', 'lockingClause']);

/** Everything that a walk over one statement's tree gathers for its facts. */
export class Collector {
  /** In a query whose rows all have this one `name`: pg_dump sets a setting only where the server knows it that way. */
  private namedBy: string | undefined;
  action: SqlAction = 'sql:read';
  /** The class if every function that is not built in did nothing but read. */
  actionWithoutFunctions: SqlAction = 'sql:read';
  forbidden: string | undefined;
  changesSession = false;
  literalSensitive = false;
  hasSecrets = false;
  setsApplicationName = false;
  readonly functions = new Set<string>();
  /** Names in field position: `(x).name` calls a function of one argument where x has no such field. */
  readonly fieldNames = new Set<string>();
  private readonly tables = new Map<string, TableUse>();
  /** Names of WITH queries in sight, with how many there are of each: they hide tables of the same name. */
  private readonly withNames = new Map<string, number>();
  private readonly top: Tree;

  constructor(kind: string, body: Tree) {
    this.top = body;
    this.visitStatement(kind, body);
  }

  tableUses(): TableUse[] {
    return [...this.tables.values()];
  }

  private raise(action: SqlAction): void {
    this.action = strictestAction(this.action, action);
    this.actionWithoutFunctions = strictestAction(this.actionWithoutFunctions, action);
  }

  private forbid(reason: string): void {
    this.forbidden ??= reason;
  }

  private visit(value: unknown, access: Access): void {
    if (Array.isArray(value)) {
      for (const item of value) this.visit(item, access);
      return;
    }
    if (!isTree(value)) return;
    const node = unwrap(value);
    if (node === undefined) this.visitBody(undefined, value, access);
    else if (node.kind.endsWith('Stmt')) this.visitStatement(node.kind, node.body);
    else this.visitBody(node.kind, node.body, access);
  }

  private visitBody(kind: string | undefined, body: Tree, access: Access): void {
    if (isRangeVar(body)) this.table(body, access, true);
    else if (kind === 'FuncCall') this.call(body);
    else if (kind === 'TypeCast') this.cast(body);
    else if (kind === 'A_Indirection') this.fields(listAt(body, 'indirection'));
    else if (kind === 'ColumnRef') this.fields(listAt(body, 'fields').slice(1));
    else if (kind === undefined && typeof body['limitOption'] === 'string') {
      this.select(body);
      return;
    } else if (kind === undefined && textAt(body, 'kind')?.startsWith('VAR_')) this.setting(body, false);
    const inner = kind === 'TableLikeClause' ? 'read' : access;
    for (const key in body) this.visit(body[key], inner);
  }

  private visitStatement(kind: string, body: Tree): void {
    const own = statementAction(kind, body);
    this.raise(own);
    switch (kind) {
      case 'SelectStmt':
        this.select(body);
        return;
      case 'InsertStmt':
      case 'UpdateStmt':
      case 'DeleteStmt':
      case 'MergeStmt':
        this.dataChange(body);
        return;
      case 'VariableSetStmt':
        this.setting(body, body === this.top);
        break;
      case 'DropStmt':
        this.dropped(body);
        break;
      case 'ExplainStmt':
        this.explain(body);
        break;
      case 'DoStmt':
      case 'CallStmt':
        this.changesSession = true;
        break;
      case 'LoadStmt':
        this.forbid('LOAD loads code into the server');
        break;
      case 'CopyStmt':
        this.copy(body);
        break;
      default:
    }
    const access = copyAccess(kind, body) ?? (own === 'sql:read' || kind === 'LockStmt' ? 'read' : 'write');
    for (const key in body) this.visit(body[key], access);
    if (
      (kind === 'ViewStmt' || kind === 'RuleStmt') &&
      this.tableUses().some((table) => table.name === 'pg_settings')
    ) {
      this.forbid('a view over pg_settings changes settings unseen');
    }
  }

  private select(body: Tree): void {
    const names = this.enterWith(body);
    const outer = this.namedBy;
    this.namedBy = nameOfRows(body);
    // Row locks keep others from writing, and PostgreSQL itself asks for the right to UPDATE.
    if (listAt(body, 'lockingClause').length > 0) this.raise('sql:write');
    const into = treeAt(treeAt(body, 'intoClause'), 'rel');
    if (treeAt(body, 'intoClause') !== undefined) this.raise('sql:ddl');
    if (into !== undefined) this.table(into, 'write', false);
    this.positions(body);
    for (const key in body) {
      if (!selectFieldsDone.has(key)) this.visit(body[key], 'read');
    }
    this.namedBy = outer;
    this.leaveWith(names);
  }

  private dataChange(body: Tree): void {
    const names = this.enterWith(body);
    const relation = treeAt(body, 'relation');
    // The target of a write is never a WITH query, whatever their names.
    if (relation !== undefined) this.table(relation, 'write', false);
    if (relation?.['relname'] === 'pg_settings') this.forbid('pg_settings changes settings unseen');
    for (const key in body) {
      if (key !== 'withClause' && key !== 'relation') this.visit(body[key], 'read');
    }
    this.leaveWith(names);
  }

  /** Visits the WITH queries and leaves their names in sight for the statement's own body. */
  private enterWith(body: Tree): readonly string[] {
    const clause = treeAt(body, 'withClause');
    const queries = listAt(clause, 'ctes').map((item) => bodyOf(item, 'CommonTableExpr') ?? {});
    const names = queries.map((query) => textAt(query, 'ctename') ?? '');
    const recursive = clause?.['recursive'] === true;
    if (recursive) for (const name of names) this.count(name, 1);
    queries.forEach((query, index) => {
      for (const key in query) this.visit(query[key], 'read');
      if (!recursive) this.count(names[index] ?? '', 1);
    });
    return names;
  }

  private leaveWith(names: readonly string[]): void {
    for (const name of names) this.count(name, -1);
  }

  private count(name: string, change: number): void {
    this.withNames.set(name, (this.withNames.get(name) ?? 0) + change);
  }

  private table(body: Tree, access: Access, mayBeWithQuery: boolean): void {
    const name = textAt(body, 'relname') ?? '';
    let schema = textAt(body, 'schemaname');
    if (schema === undefined) {
      if (mayBeWithQuery && (this.withNames.get(name) ?? 0) > 0) return;
      if (body['relpersistence'] === 't') {
        schema = 'pg_temp';
        this.changesSession = true;
      }
    }
    this.tables.set(`${access} ${JSON.stringify([schema, name])}`, { schema, name, access });
  }

  /** `('/etc/passwd').pg_read_file` is a call, too: a built-in that does more than read counts in any case. */
  private fields(parts: readonly unknown[]): void {
    for (const name of stringsOf(parts)) {
      const action = functionAction(functionName([name]));
      if (!isBuiltin(name)) this.fieldNames.add(name);
      else if (action !== 'sql:read') {
        this.functions.add(name);
        this.raise(action);
      }
    }
  }

  private call(body: Tree): void {
    const name = functionName(stringsOf(listAt(body, 'funcname')));
    this.functions.add(name.listed);
    const action = functionAction(name);
    this.action = strictestAction(this.action, action);
    if (name.builtin !== undefined || action === 'sql:admin') this.raise(action);
    if (takesSecrets(name)) this.hasSecrets = true;
    if (name.builtin !== undefined && runsTextAsQuery(name.builtin)) this.literalSensitive = true;
    if (name.last === 'set_config') this.setConfig(name, listAt(body, 'args'));
  }

  /** set_config(name, value, local) is SET in disguise. */
  private setConfig(name: FunctionName, args: readonly unknown[]): void {
    this.literalSensitive = true;
    if (name.builtin === undefined) return;
    const setting = constantText(args[0]) ?? (isColumnName(args[0]) ? this.namedBy : undefined);
    if (setting === undefined || args.length !== 3) {
      this.forbid('set_config with a setting that the text does not name');
      return;
    }
    const judged = settingClass(setting, constantText(args[1]));
    if (judged === 'application-name') this.forbid('application_name carries who acts');
    else this.judged(judged);
  }

  private setting(body: Tree, own: boolean): void {
    this.literalSensitive = true;
    const kind = textAt(body, 'kind');
    if (kind === 'VAR_SET_MULTI') return;
    if (kind === 'VAR_RESET_ALL') {
      this.changesSession = true;
      return;
    }
    const args = listAt(body, 'args');
    const value = kind === 'VAR_SET_VALUE' ? (args.length === 1 ? optionText(args[0]) : undefined) : null;
    const judged = settingClass(textAt(body, 'name') ?? '', value);
    if (judged !== 'application-name') this.judged(judged);
    else if (own) this.setsApplicationName = true;
    else this.forbid('application_name carries who acts');
  }

  private judged(judged: Exclude<SettingClass, 'application-name'>): void {
    if (typeof judged === 'object') {
      this.forbid(judged.forbidden);
      this.changesSession = true;
    } else if (judged !== 'harmless') {
      this.changesSession = true;
      if (judged === 'write') this.raise('sql:write');
      else if (judged === 'admin') this.raise('sql:admin');
    }
  }

  /** `ORDER BY 1` means the first column: there the number is no mere value. */
  private positions(body: Tree): void {
    for (const field of ['sortClause', 'groupClause', 'distinctClause']) {
      for (const item of listAt(body, field)) if (mentionsPosition(item)) this.literalSensitive = true;
    }
  }

  private cast(body: Tree): void {
    const type = stringsOf(listAt(treeAt(body, 'typeName'), 'names')).at(-1);
    if (type?.startsWith('reg') && constantText(body['arg']) !== undefined) this.literalSensitive = true;
  }

  private dropped(body: Tree): void {
    const type = textAt(body, 'removeType') ?? '';
    if (!/^OBJECT_(TABLE|VIEW|MATVIEW|SEQUENCE|FOREIGN_TABLE)$/.test(type)) return;
    for (const item of listAt(body, 'objects')) {
      const parts = stringsOf(listAt(bodyOf(item, 'List'), 'items'));
      const name = parts.at(-1);
      if (name !== undefined) this.table({ relname: name, schemaname: parts.at(-2) }, 'write', false);
    }
  }

  private explain(body: Tree): void {
    for (const item of listAt(body, 'options')) {
      if (bodyOf(item, 'DefElem')?.['arg'] !== undefined) this.literalSensitive = true;
    }
  }

  private copy(body: Tree): void {
    if (body['is_program'] === true) this.forbid('COPY with a program runs on the server, out of sight');
    else if (textAt(body, 'filename') !== undefined) {
      this.forbid('COPY with a file moves rows on the server, out of sight');
    }
  }
}

function copyAccess(kind: string, body: Tree): Access | undefined {
  if (kind !== 'CopyStmt') return undefined;
  return body['is_from'] === true ? 'write' : 'read';
}

function mentionsPosition(item: unknown): boolean {
  if (constantInteger(item) !== undefined || bodyOf(item, 'A_Const') !== undefined) return true;
  const node = unwrap(item);
  if (node?.kind === 'SortBy') return mentionsPosition(node.body['node']);
  if (node?.kind === 'GroupingSet') return listAt(node.body, 'content').some(mentionsPosition);
  return node?.kind === 'RowExpr' && listAt(node.body, 'args').some(mentionsPosition);
}

/** Whether an EXPLAIN also runs its statement. */
export function explainRuns(body: Tree): boolean {
  return listAt(body, 'options').some((item) => {
    const element = bodyOf(item, 'DefElem');
    if (textAt(element, 'defname') !== 'analyze') return false;
    const text = optionText(element?.['arg']);
    return text === undefined || !isOff(text);
  });
}

/**
 * 'x' for `... FROM one_table WHERE name = 'x'`, and nothing else in the query that could bring in another row or
 * another column of that name. undefined for everything else.
 */
function nameOfRows(select: Tree): string | undefined {
  const from = listAt(select, 'fromClause');
  const where = bodyOf(select['whereClause'], 'A_Expr');
  if (from.length !== 1 || bodyOf(from[0], 'RangeVar') === undefined || where === undefined) return undefined;
  if (textAt(where, 'kind') !== 'AEXPR_OP' || stringsOf(listAt(where, 'name')).join('.') !== '=')
    return undefined;
  return isColumnName(where['lexpr']) ? constantText(where['rexpr']) : undefined;
}

function isColumnName(value: unknown): boolean {
  const reference = bodyOf(value, 'ColumnRef');
  const fields = listAt(reference, 'fields');
  return fields.length === 1 && stringsOf(fields)[0] === 'name';
}
