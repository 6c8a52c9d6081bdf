import { maskedText, type ParsedStatement } from '../../codec/postgres/statement/index.js';
import { limits } from '../../contract/limits.js';
import type { StatementFacts } from '../../contract/sql.js';
import type { MaskSet } from './mask-set.js';

const rowless =
  /^(BEGIN|START|COMMIT|END|ROLLBACK|ABORT|SAVEPOINT|RELEASE|SET|RESET|LISTEN|UNLISTEN|NOTIFY|LOCK|DISCARD|DEALLOCATE|PREPARE|DECLARE|CLOSE|CREATE|ALTER|DROP|TRUNCATE|GRANT|REVOKE|COMMENT|VACUUM|ANALYZE|COPY)\b/;

/** False: nothing that this statement answers has columns to describe. */
export function returnsRows(facts: StatementFacts): boolean {
  return !rowless.test(facts.command);
}

/** Of a text without a statement. */
export function emptyFacts(text: string): StatementFacts {
  return {
    action: 'sql:read',
    command: 'EMPTY',
    span: { start: 0, end: text.length },
    tables: [],
    functions: [],
    literals: [],
    forbidden: undefined,
    defines: undefined,
    refersTo: undefined,
    changesCatalog: false,
    changesSession: false,
    copy: undefined,
  };
}

/** One statement of a text as it may be kept: literals and comments masked (`all`, or where the detectors hit), bounded. */
export function keptText(
  text: string,
  parsed: ParsedStatement,
  single: boolean,
  comments: readonly { start: number; end: number }[],
  all: boolean,
  masks: MaskSet,
): string {
  const { span, literals } = parsed.facts;
  const from = single ? 0 : span.start;
  const to = single ? text.length : span.end;
  const inside = comments.filter((comment) => comment.start >= from && comment.end <= to);
  const spans = [...literals, ...inside]
    .sort((a, b) => a.start - b.start)
    .map((each) => ({ start: each.start - from, end: each.end - from }));
  const own = text.slice(from, to);
  if (all) return bounded(masks.text(maskedText(own, spans, 'all')));
  const replaced = spans.length === 0 ? own : maskedText(own, spans, (value) => masks.finds(value));
  return bounded(masks.text(replaced));
}

export function bounded(text: string): string {
  if (text.length <= limits.keptTextBytesMax) return text;
  return `${text.slice(0, limits.keptTextBytesMax)} … (${text.length} characters in all)`;
}

/** Statements of which a part is the gateway's to say (application_name), replaced in the text. */
export function rewrite(text: string, statements: readonly ParsedStatement[]): string | undefined {
  if (statements.every((each) => each.sendInstead === undefined)) return undefined;
  let rewritten = '';
  let at = 0;
  for (const { facts, sendInstead } of statements) {
    if (sendInstead === undefined) continue;
    rewritten += text.slice(at, facts.span.start) + sendInstead;
    at = facts.span.end;
  }
  return rewritten + text.slice(at);
}
