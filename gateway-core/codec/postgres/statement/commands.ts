import type { StatementFacts } from '../../../contract/sql.js';
import { listAt, type Tree, textAt, treeAt, unwrap } from './tree.js';

export type SqlAction = StatementFacts['action'];

const rank: Readonly<Record<SqlAction, number>> = {
  'sql:read': 0,
  'sql:write': 1,
  'sql:ddl': 2,
  'sql:admin': 3,
};

export function strictestAction(left: SqlAction, right: SqlAction): SqlAction {
  return rank[left] >= rank[right] ? left : right;
}

/** Statements whose class hangs on nothing but their kind. A kind that stands nowhere in this file is sql:admin. */
const fixed: ReadonlyMap<string, SqlAction> = new Map([
  ...kinds('sql:read', [
    'SelectStmt',
    'ExplainStmt',
    'VariableSetStmt',
    'VariableShowStmt',
    'DeclareCursorStmt',
    'FetchStmt',
    'ClosePortalStmt',
    'PrepareStmt',
    'ExecuteStmt',
    'DeallocateStmt',
    'DiscardStmt',
    'ListenStmt',
    'UnlistenStmt',
    'ConstraintsSetStmt',
  ]),
  ...kinds('sql:write', [
    'InsertStmt',
    'UpdateStmt',
    'DeleteStmt',
    'MergeStmt',
    'TruncateStmt',
    'NotifyStmt',
  ]),
  ...kinds('sql:ddl', [
    'CreateStmt',
    'CreateTableAsStmt',
    'RefreshMatViewStmt',
    'ViewStmt',
    'IndexStmt',
    'CreateSeqStmt',
    'AlterSeqStmt',
    'CreateDomainStmt',
    'AlterDomainStmt',
    'CompositeTypeStmt',
    'CreateEnumStmt',
    'AlterEnumStmt',
    'CreateRangeStmt',
    'CreateStatsStmt',
    'AlterStatsStmt',
    'AlterCollationStmt',
    'CommentStmt',
    'VacuumStmt',
    'ReindexStmt',
    'ClusterStmt',
    'AlterTSDictionaryStmt',
    'AlterTSConfigurationStmt',
  ]),
]);

function kinds(action: SqlAction, names: readonly string[]): (readonly [string, SqlAction])[] {
  return names.map((name) => [name, action] as const);
}

/** Objects that hold data or describe its form. Functions, triggers, rules, policies, roles and servers are not here. */
const dataObjects: ReadonlySet<string> = new Set(
  `ATTRIBUTE COLLATION COLUMN DOMAIN DOMCONSTRAINT INDEX MATVIEW SCHEMA SEQUENCE STATISTIC_EXT TABCONSTRAINT TABLE
  TSCONFIGURATION TSDICTIONARY TYPE VIEW`
    .split(/\s+/)
    .map((name) => `OBJECT_${name}`),
);

/** ALTER TABLE without owner, triggers, rules, row security and foreign-table options. */
const dataAlterations: ReadonlySet<string> = new Set(
  `AddColumn ColumnDefault DropNotNull SetNotNull SetExpression DropExpression SetStatistics SetOptions ResetOptions
  SetStorage SetCompression DropColumn AddIndex AddConstraint AlterConstraint ValidateConstraint AddIndexConstraint
  DropConstraint AlterColumnType ClusterOn DropCluster SetLogged SetUnLogged SetAccessMethod SetTableSpace
  SetRelOptions ResetRelOptions ReplaceRelOptions AddInherit DropInherit AddOf DropOf ReplicaIdentity AttachPartition
  DetachPartition DetachPartitionFinalize AddIdentity SetIdentity DropIdentity`
    .split(/\s+/)
    .map((name) => `AT_${name}`),
);

function ofObject(objectType: string | undefined): SqlAction {
  return objectType !== undefined && dataObjects.has(objectType) ? 'sql:ddl' : 'sql:admin';
}

/** The class of one statement by itself; what it contains is judged beside it and the strictest holds. */
export function statementAction(kind: string, body: Tree): SqlAction {
  switch (kind) {
    case 'TransactionStmt':
      return /PREPARE/.test(textAt(body, 'kind') ?? '') ? 'sql:write' : 'sql:read';
    case 'LockStmt':
      // ACCESS SHARE is mode 1: what every SELECT takes.
      return body['mode'] === 1 ? 'sql:read' : 'sql:write';
    case 'CopyStmt':
      if (body['is_program'] === true || textAt(body, 'filename') !== undefined) return 'sql:admin';
      return body['is_from'] === true ? 'sql:write' : 'sql:read';
    case 'DropStmt':
      return ofObject(textAt(body, 'removeType'));
    case 'RenameStmt':
      return ofObject(textAt(body, 'renameType'));
    case 'AlterObjectSchemaStmt':
      return ofObject(textAt(body, 'objectType'));
    case 'DefineStmt': {
      const made = textAt(body, 'kind');
      return made === 'OBJECT_COLLATION' || made?.startsWith('OBJECT_TS') ? ofObject(made) : 'sql:admin';
    }
    case 'CreateSchemaStmt':
      return treeAt(body, 'authrole') === undefined ? 'sql:ddl' : 'sql:admin';
    case 'AlterTableStmt':
      return listAt(body, 'cmds').every((command) => {
        const subtype = textAt(unwrap(command)?.body, 'subtype');
        return subtype !== undefined && dataAlterations.has(subtype);
      })
        ? 'sql:ddl'
        : 'sql:admin';
    default:
      return fixed.get(kind) ?? 'sql:admin';
  }
}

/** Kinds whose facts never hang on a literal: the others are not cached by shape. */
const shapeKinds: ReadonlySet<string> = new Set([
  'SelectStmt',
  'InsertStmt',
  'UpdateStmt',
  'DeleteStmt',
  'MergeStmt',
  'TransactionStmt',
  'ExplainStmt',
  'DeclareCursorStmt',
  'FetchStmt',
  'ClosePortalStmt',
  'PrepareStmt',
  'ExecuteStmt',
]);

export function hasShape(kind: string): boolean {
  return shapeKinds.has(kind);
}

const commandWords: Readonly<Record<string, string>> = {
  VariableShowStmt: 'SHOW',
  DeclareCursorStmt: 'DECLARE CURSOR',
  TruncateStmt: 'TRUNCATE TABLE',
  LockStmt: 'LOCK TABLE',
  ConstraintsSetStmt: 'SET CONSTRAINTS',
  IndexStmt: 'CREATE INDEX',
  ViewStmt: 'CREATE VIEW',
  RuleStmt: 'CREATE RULE',
  CompositeTypeStmt: 'CREATE TYPE',
  CreateEnumStmt: 'CREATE TYPE',
  CreateRangeStmt: 'CREATE TYPE',
  AlterEnumStmt: 'ALTER TYPE',
  CreateSeqStmt: 'CREATE SEQUENCE',
  AlterSeqStmt: 'ALTER SEQUENCE',
  CreateStatsStmt: 'CREATE STATISTICS',
  AlterStatsStmt: 'ALTER STATISTICS',
  CreateTrigStmt: 'CREATE TRIGGER',
  CreateEventTrigStmt: 'CREATE EVENT TRIGGER',
  AlterEventTrigStmt: 'ALTER EVENT TRIGGER',
  CreateAmStmt: 'CREATE ACCESS METHOD',
  CreatePLangStmt: 'CREATE LANGUAGE',
  CreateFdwStmt: 'CREATE FOREIGN DATA WRAPPER',
  AlterFdwStmt: 'ALTER FOREIGN DATA WRAPPER',
  CreateForeignServerStmt: 'CREATE SERVER',
  AlterForeignServerStmt: 'ALTER SERVER',
  CreatedbStmt: 'CREATE DATABASE',
  DropdbStmt: 'DROP DATABASE',
  AlterDatabaseSetStmt: 'ALTER DATABASE',
  AlterRoleSetStmt: 'ALTER ROLE',
  GrantRoleStmt: 'GRANT ROLE',
  RefreshMatViewStmt: 'REFRESH MATERIALIZED VIEW',
  SecLabelStmt: 'SECURITY LABEL',
  CheckPointStmt: 'CHECKPOINT',
  ClosePortalStmt: 'CLOSE CURSOR',
};

function spaced(name: string): string {
  return name.replaceAll(/([a-z])([A-Z])/g, '$1 $2').toUpperCase();
}

function objectWords(objectType: string | undefined): string {
  const words = (objectType ?? 'OBJECT').replace(/^OBJECT_/, '').replaceAll('_', ' ');
  return words === 'MATVIEW' ? 'MATERIALIZED VIEW' : words;
}

/** The first words of the command tag, or of the statement where the tag says less. */
export function commandOf(kind: string, body: Tree): string {
  switch (kind) {
    case 'SelectStmt':
      return treeAt(body, 'intoClause') === undefined ? 'SELECT' : 'SELECT INTO';
    case 'CopyStmt':
      return body['is_from'] === true ? 'COPY FROM' : 'COPY TO';
    case 'CreateTableAsStmt':
      return textAt(body, 'objtype') === 'OBJECT_MATVIEW' ? 'CREATE MATERIALIZED VIEW' : 'CREATE TABLE AS';
    case 'CreateStmt':
      return 'CREATE TABLE';
    case 'AlterTableStmt':
      return `ALTER ${objectWords(textAt(body, 'objtype'))}`;
    case 'DropStmt':
      return `DROP ${objectWords(textAt(body, 'removeType'))}`;
    case 'RenameStmt':
      return `ALTER ${objectWords(textAt(body, 'renameType'))}`;
    case 'AlterObjectSchemaStmt':
    case 'AlterOwnerStmt':
      return `ALTER ${objectWords(textAt(body, 'objectType'))}`;
    case 'DefineStmt':
      return `CREATE ${objectWords(textAt(body, 'kind'))}`;
    case 'VariableSetStmt':
      return textAt(body, 'kind')?.startsWith('VAR_RESET') ? 'RESET' : 'SET';
    case 'GrantStmt':
      return body['is_grant'] === true ? 'GRANT' : 'REVOKE';
    case 'VacuumStmt':
      return body['is_vacuumcmd'] === true ? 'VACUUM' : 'ANALYZE';
    case 'FetchStmt':
      return body['ismove'] === true ? 'MOVE' : 'FETCH';
    case 'DiscardStmt':
      return (textAt(body, 'target') ?? 'DISCARD').replace('_', ' ');
    case 'TransactionStmt':
      return transactionWords(textAt(body, 'kind'));
    default:
      return commandWords[kind] ?? spaced(kind.replace(/Stmt$/, ''));
  }
}

function transactionWords(kind: string | undefined): string {
  const words = (kind ?? '').replace('TRANS_STMT_', '').replaceAll('_', ' ');
  if (words === 'START') return 'START TRANSACTION';
  if (words === 'PREPARE') return 'PREPARE TRANSACTION';
  return words === 'ROLLBACK TO' ? 'ROLLBACK' : words;
}
