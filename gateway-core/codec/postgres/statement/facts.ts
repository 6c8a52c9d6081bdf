import type { StatementFacts } from '../../../contract/sql.js';
import { Collector } from './collect.js';
import { commandOf, hasShape, type SqlAction } from './commands.js';
import { copyFacts, foreignEncoding } from './copy-options.js';
import type { Literal } from './lexer.js';
import { parseRaw, type RawResult, type RawStatement } from './parser.js';
import { type Tree, textAt, unwrap } from './tree.js';

export interface ParsedStatement {
  readonly facts: StatementFacts;
  /** The parse tree, for `analyseLineage`. */
  readonly tree: Tree;
  /** Facts or lineage hang on the value of a literal: never reuse them for another text of the same shape. */
  readonly literalSensitive: boolean;
  /** Literals are credentials (ALTER ROLE ... PASSWORD, CREATE USER MAPPING, dblink, crypt): mask all of them. */
  readonly alwaysMaskLiterals: boolean;
  /**
   * `SET application_name`: allowed, but the name is the gateway's. Send this text in place of the statement's span;
   * it answers with the same command tag and leaves the start-up value in force.
   */
  readonly sendInstead: string | undefined;
  /**
   * The class if every function that is not built in only reads. `facts.action` counts them as writing; a caller
   * that knows from pg_proc that all of them are stable or immutable may use this one.
   */
  readonly actionWithoutFunctions: SqlAction;
  /**
   * Names after a dot that are no built-in function. `(x).name` and `x.name` call a function where x has no such
   * field: `effectiveAction` tells with the catalog.
   */
  readonly fieldNames: readonly string[];
}

export type ParseResult =
  | {
      readonly ok: true;
      readonly statements: readonly ParsedStatement[];
      /** Comments of the whole text: they may hold values too. */
      readonly comments: readonly { readonly start: number; readonly end: number }[];
    }
  | {
      readonly ok: false;
      /** In PostgreSQL's words, may quote the statement: for the client only. */
      readonly message: string;
      readonly reason: Extract<RawResult, { ok: false }>['reason'];
      /** UTF-16 offset. */
      readonly position?: number;
      /** For the kept text; undefined: literals cannot be told apart, keep nothing of the text. */
      readonly literals: readonly Literal[] | undefined;
    };

/**
 * Parses one Query or Parse text into facts per statement; an empty text has none. Never throws for what is in
 * it. `loadParser` must have been awaited, else everything is refused with `busy`.
 */
export function parseStatements(sql: string): ParseResult {
  try {
    const raw = parseRaw(sql);
    if (!raw.ok) return refusal(raw);
    let next = 0;
    const statements = raw.statements.map((statement) => {
      const literals: Literal[] = [];
      for (; next < raw.lexed.literals.length; next += 1) {
        const literal = raw.lexed.literals[next];
        if (literal === undefined || literal.start >= statement.end) break;
        if (literal.start >= statement.start) literals.push(literal);
      }
      return readStatement(statement, literals);
    });
    return { ok: true, statements, comments: raw.lexed.comments };
  } catch (error) {
    // The walk recurses as deep as the tree; the parser's own limit comes first unless the caller's stack is deep.
    if (error instanceof RangeError) {
      return {
        ok: false,
        message: 'the statement is nested too deeply',
        reason: 'too-deep',
        literals: undefined,
      };
    }
    throw error;
  }
}

function refusal(raw: Extract<RawResult, { ok: false }>): ParseResult {
  const { message, reason, position, lexed } = raw;
  return {
    ok: false,
    message,
    reason,
    literals: lexed?.literals,
    ...(position !== undefined && { position }),
  };
}

function readStatement(statement: RawStatement, literals: readonly Literal[]): ParsedStatement {
  const node = unwrap(statement.tree) ?? { kind: 'Unknown', body: {} };
  const { kind, body } = node;
  const found = new Collector(kind, body);
  const isCopy = kind === 'CopyStmt';
  const forbidden =
    found.forbidden ?? (isCopy && foreignEncoding(body) ? 'COPY in another encoding than UTF-8' : undefined);
  const copy = isCopy && textAt(body, 'filename') === undefined ? copyFacts(body) : undefined;
  return {
    facts: {
      action: found.action,
      command: commandOf(kind, body),
      span: { start: statement.start, end: statement.end },
      tables: found.tableUses(),
      functions: [...found.functions].sort(),
      literals,
      forbidden,
      defines: defined(kind, body),
      refersTo: referred(kind, body),
      changesCatalog: found.action === 'sql:ddl' || found.action === 'sql:admin',
      changesSession: found.changesSession || kind === 'DiscardStmt',
      copy,
    },
    tree: statement.tree,
    literalSensitive: found.literalSensitive || !hasShape(kind),
    alwaysMaskLiterals: found.hasSecrets || holdsCredentials.test(kind),
    sendInstead: found.setsApplicationName ? ownApplicationName(body) : undefined,
    actionWithoutFunctions: found.actionWithoutFunctions,
    fieldNames: [...found.fieldNames],
  };
}

/** Statements with passwords or connection strings among their literals. */
const holdsCredentials =
  /^((Create|Alter)(Role|UserMapping|ForeignServer|ForeignTable|Fdw|Subscription)Stmt|ImportForeignSchemaStmt|AlterSystemStmt|AlterRoleSetStmt|AlterDatabaseSetStmt)$/;

function ownApplicationName(body: Tree): string {
  if (textAt(body, 'kind')?.startsWith('VAR_RESET')) return 'RESET application_name';
  return `SET ${body['is_local'] === true ? 'LOCAL ' : ''}application_name TO DEFAULT`;
}

function defined(kind: string, body: Tree): StatementFacts['defines'] {
  const prepared = textAt(body, 'name');
  if (kind === 'PrepareStmt' && prepared !== undefined) return { kind: 'prepared', name: prepared };
  const cursor = textAt(body, 'portalname');
  return kind === 'DeclareCursorStmt' && cursor !== undefined ? { kind: 'cursor', name: cursor } : undefined;
}

/** The prepared statement or cursor that this one uses, also below EXPLAIN and CREATE TABLE AS. */
function referred(kind: string, body: Tree): StatementFacts['refersTo'] {
  if (kind === 'ExplainStmt' || kind === 'CreateTableAsStmt') {
    const inner = unwrap(body['query']);
    return inner === undefined ? undefined : referred(inner.kind, inner.body);
  }
  const prepared = textAt(body, 'name');
  if ((kind === 'ExecuteStmt' || kind === 'DeallocateStmt') && prepared !== undefined) {
    return { kind: 'prepared', name: prepared };
  }
  const cursor = textAt(body, 'portalname');
  const usesCursor = kind === 'FetchStmt' || kind === 'ClosePortalStmt';
  return usesCursor && cursor !== undefined ? { kind: 'cursor', name: cursor } : undefined;
}
