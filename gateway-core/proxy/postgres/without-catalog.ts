import { parseStatements } from '../../codec/postgres/statement/index.js';

const transactionWords: ReadonlySet<string> = new Set([
  'BEGIN',
  'START TRANSACTION',
  'COMMIT',
  'ROLLBACK',
  'SAVEPOINT',
  'RELEASE',
]);

/** Neither shows a value nor reads one, and calls nothing: judged the same whatever the catalog has become. */
export function needsNoCatalog(text: string): boolean {
  const result = parseStatements(text);
  return (
    result.ok &&
    result.statements.every(
      ({ facts }) =>
        facts.functions.length === 0 &&
        (facts.command === 'CREATE TABLE' ||
          (transactionWords.has(facts.command) && facts.tables.length === 0)),
    )
  );
}
