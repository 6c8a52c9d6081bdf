import { type NoticeField, noticeField } from '../../codec/postgres/backend.js';
import type { Judged } from './judged.js';
import type { MaskSet } from './mask-set.js';

/** SQLSTATE classes that are raised about states, whatever a row holds: connection, transaction, statements' names, rollback, cancel. */
const valuelessClasses: ReadonlySet<string> = new Set(['08', '25', '26', '40', '57']);

/**
 * The server's routines whose messages quote only names, of the statement's own text or of the catalog. By class it
 * cannot be told: a cast to regclass turns a value into a name, and its error is one about an unknown table.
 */
const nameRoutines: ReadonlySet<string> = new Set([
  'errorMissingColumn',
  'errorMissingRTE',
  'parserOpenTable',
  'ParseFuncOrColumn',
  'op_error',
  'checkInsertTargets',
  'check_ungrouped_columns_walker',
  '_bt_check_unique',
  'check_exclusion_or_unique_constraint',
  'ExecConstraints',
  'ri_ReportViolation',
]);

/** Errors and notices quote values: detectors look at every field, and around masked columns nothing quoted stays. */
export function maskNotice(
  base: MaskSet,
  judged: Judged | undefined,
  fields: readonly NoticeField[],
): NoticeField[] {
  const masks = judged?.masks ?? base;
  const touches =
    masks.hasColumns &&
    (judged === undefined ||
      judged.lineage === undefined ||
      judged.lineage.touchesMasked ||
      // An index or a new column type evaluates expressions over every row.
      judged.facts.changesCatalog ||
      judged.lineage.writesMasked);
  const sqlState = noticeField(fields, 'C') ?? '';
  const quotesValues = touches && !valuelessClasses.has(sqlState.slice(0, 2));
  const namesOnly = nameRoutines.has(noticeField(fields, 'R') ?? '');
  return fields.flatMap(({ code, value }) => {
    // Severity, SQLSTATE and the server's own source places hold no values.
    if ('SVCFLR'.includes(code)) return [{ code, value }];
    if (!quotesValues) return [{ code, value: 'Pp'.includes(code) ? value : masks.text(value) }];
    // Names of schema, table, column, type and constraint are the catalog's, not a row's.
    if ('stcdn'.includes(code)) return [{ code, value }];
    if (namesOnly && code === 'P') return [{ code, value }];
    if (namesOnly && (code === 'M' || code === 'H')) return [{ code, value: masks.text(value) }];
    // A value can stand anywhere in a message, in quotes or as a number; a position can be one inside of it.
    if ('Ppq'.includes(code)) return [];
    return [{ code, value: code === 'M' ? `[masked] (SQLSTATE ${sqlState})` : '[masked]' }];
  });
}
