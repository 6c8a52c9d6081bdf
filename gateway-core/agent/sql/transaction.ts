import { scan } from '../../codec/postgres/statement/lexer.js';

/**
 * What needs no transaction opened for it, as psql has it: it begins or ends one itself, or PostgreSQL runs it outside
 * of transactions only.
 */
const ownTransaction = new RegExp(
  `^(${[
    'begin|start|commit|end|rollback|abort|prepare transaction',
    'vacuum|cluster$|discard all|alter system',
    '(create|drop) (database|tablespace|subscription)',
    '(create( unique)?|drop) index concurrently',
    String.raw`reindex( \([^)]*\))?( (database|schema|system)| \w+ concurrently)`,
  ].join('|')})(?![\\w$])`,
);

/** Whether a statement that runs without autocommit has to be preceded by BEGIN. */
export function needsTransaction(text: string): boolean {
  return !ownTransaction.test(beginningOf(text));
}

const charactersLooked = 1000;

/** The first words, in lower case, with one space between them and without comments. */
function beginningOf(text: string): string {
  let rest = '';
  let at = 0;
  const { comments } = scan(text);
  for (const { start, end } of comments) {
    if (rest.length > charactersLooked) break;
    rest += `${text.slice(at, start)} `;
    at = end;
  }
  return (rest + text.slice(at, at + charactersLooked)).trim().replaceAll(/\s+/g, ' ').toLowerCase();
}
