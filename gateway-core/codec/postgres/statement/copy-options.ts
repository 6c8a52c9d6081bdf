import type { StatementFacts } from '../../../contract/sql.js';
import { bodyOf, constantText, listAt, stringOf, stringsOf, type Tree, textAt, treeAt } from './tree.js';

type CopyFacts = NonNullable<StatementFacts['copy']>;

/** COPY ... TO STDOUT and FROM STDIN with PostgreSQL's defaults filled in. */
export function copyFacts(body: Tree): CopyFacts {
  const relation = treeAt(body, 'relation');
  const columns = listAt(body, 'attlist');
  const options = new Map<string, unknown>();
  for (const item of listAt(body, 'options')) {
    const element = bodyOf(item, 'DefElem');
    options.set(textAt(element, 'defname') ?? '', element?.['arg'] ?? true);
  }
  const format = formatOf(optionText(options.get('format')));
  const quote = optionText(options.get('quote')) ?? '"';
  return {
    direction: body['is_from'] === true ? 'from' : 'to',
    schema: textAt(relation, 'schemaname'),
    table: textAt(relation, 'relname'),
    columns: columns.length === 0 ? undefined : stringsOf(columns),
    format,
    delimiter: optionText(options.get('delimiter')) ?? (format === 'csv' ? ',' : '\t'),
    quote,
    escape: optionText(options.get('escape')) ?? quote,
    nullText: optionText(options.get('null')) ?? (format === 'csv' ? '' : '\\N'),
    header: headerOf(options.get('header')),
  };
}

/** An encoding other than UTF-8 in the options, which would change how the bytes are read. */
export function foreignEncoding(body: Tree): boolean {
  return listAt(body, 'options').some((item) => {
    const element = bodyOf(item, 'DefElem');
    if (textAt(element, 'defname') !== 'encoding') return false;
    return !/^\s*(utf-?8|unicode)\s*$/i.test(optionText(element?.['arg']) ?? '');
  });
}

/** Options are bare strings, constants or `true` for a name that stands alone. */
export function optionText(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (value === true) return 'true';
  const text = stringOf(value) ?? constantText(value);
  if (text !== undefined) return text;
  const integer = bodyOf(value, 'Integer');
  if (integer !== undefined) return typeof integer['ival'] === 'number' ? String(integer['ival']) : '0';
  const truth = bodyOf(value, 'Boolean');
  return truth === undefined ? undefined : String(truth['boolval'] === true);
}

function formatOf(text: string | undefined): CopyFacts['format'] {
  return text === 'csv' || text === 'binary' ? text : 'text';
}

function headerOf(value: unknown): boolean {
  const text = optionText(value);
  return text !== undefined && !isOff(text);
}

/** How PostgreSQL spells no in options (defGetBoolean). */
export function isOff(text: string): boolean {
  return /^(off|false|0)$/i.test(text);
}
