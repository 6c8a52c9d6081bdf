/** Words that begin a statement. */
export const statementWords: ReadonlySet<string> = new Set(
  `abort alter analyze begin call checkpoint close cluster comment commit copy create deallocate declare delete discard
  do drop end execute explain fetch grant import insert listen load lock merge move notify prepare reassign refresh
  reindex release reset revoke rollback savepoint security select set show start table truncate unlisten update vacuum
  values with`.split(/\s+/),
);

/** Words that cannot be an alias, because they go on with the FROM clause or end it. */
export const wordsAfterSource: ReadonlySet<string> = new Set(
  `as cross default do except fetch for from full group having inner intersect into join lateral left limit natural
  offset on order outer ordinality returning right select set tablesample then union using values when where window
  with`.split(/\s+/),
);

/** Words of the language that are offered; the more usual ones first. */
export const keywords: readonly string[] =
  `select from where join left right inner outer full cross on and or not in is null group by order having limit offset
  insert into values update set delete returning with recursive as distinct union all intersect except case when then
  else end exists between like ilike similar to any some using lateral natural asc desc nulls first last true false
  cast coalesce nullif greatest least over partition window filter within rows range groups preceding following unbounded
  current row interval date time timestamp at zone extract array fetch next only ties for share skip locked nowait
  create table view materialized index unique primary key foreign references constraint check default not collate
  if temporary unlogged alter add drop column rename truncate cascade restrict begin commit rollback savepoint release
  transaction isolation level read write committed serializable repeatable explain analyze verbose buffers format copy
  stdin stdout grant revoke function procedure returns language trigger before after each execute schema sequence type
  domain extension database role user policy comment vacuum reindex cluster refresh concurrently lock call do declare
  cursor prepare deallocate listen notify show reset conflict nothing excluded merge matched tablesample generated
  always identity stored by current_date current_timestamp current_user session_user localtime localtimestamp`
    .split(/\s+/)
    .filter((word, at, all) => all.indexOf(word) === at);

/** Names of types, as they are written most often. */
export const typeNames: readonly string[] = [
  'bigint',
  'bigserial',
  'bit',
  'boolean',
  'bytea',
  'char',
  'cidr',
  'date',
  'daterange',
  'double precision',
  'inet',
  'int4range',
  'int8range',
  'integer',
  'interval',
  'json',
  'jsonb',
  'jsonpath',
  'macaddr',
  'money',
  'name',
  'numeric',
  'numrange',
  'oid',
  'real',
  'regclass',
  'regtype',
  'serial',
  'smallint',
  'text',
  'time',
  'timestamp',
  'timestamptz',
  'timetz',
  'tsquery',
  'tsrange',
  'tstzrange',
  'tsvector',
  'uuid',
  'varchar',
  'xml',
];

const reserved = new Set(
  `all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case cast char
  character check coalesce collate collation column concurrently constraint create cross current_catalog current_date
  current_role current_schema current_time current_timestamp current_user dec decimal default deferrable desc distinct do
  else end except exists extract false fetch float for foreign freeze from full grant greatest group grouping having ilike
  in initially inner inout int integer intersect interval into is isnull join lateral leading least left like limit
  localtime localtimestamp national natural nchar none normalize not notnull null nullif numeric offset on only or order
  out outer overlaps overlay placing position precision primary real references returning right row select session_user
  setof similar smallint some substring symmetric system_user table tablesample then time timestamp to trailing treat trim
  true union unique user using values varchar variadic verbose when where window with`.split(/\s+/),
);

/** A word that is never a name by itself. */
export function isReserved(word: string): boolean {
  return reserved.has(word);
}

/** A name as it has to be written: in double quotes where folding, a space or a keyword would make it another. */
export function written(name: string): string {
  return /^[a-z_][a-z0-9_$]*$/.test(name) && !reserved.has(name) ? name : `"${name.replaceAll('"', '""')}"`;
}
