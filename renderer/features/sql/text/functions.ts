import type { SchemaFunction } from '../../../../gateway-core/contract/bridge/sql.js';

/** Functions that PostgreSQL brings along and that are used most: `name(arguments) returns`. */
const lines = `abs(numeric) numeric
age(timestamptz, timestamptz) interval
array_agg(anyelement) anyarray
array_length(anyarray, dimension integer) integer
array_position(anyarray, anyelement) integer
array_to_string(anyarray, delimiter text, null_string text) text
avg(numeric) numeric
bool_and(boolean) boolean
bool_or(boolean) boolean
btrim(text, characters text) text
ceil(numeric) numeric
char_length(text) integer
clock_timestamp() timestamptz
coalesce(anyelement, ...) anyelement
concat(any, ...) text
concat_ws(separator text, any, ...) text
count(*) bigint
current_setting(name text, missing_ok boolean) text
date_part(field text, timestamptz) double precision
date_trunc(field text, timestamptz, zone text) timestamptz
dense_rank() bigint
encode(bytea, format text) text
exp(numeric) numeric
first_value(anyelement) anyelement
floor(numeric) numeric
format(template text, any, ...) text
gen_random_uuid() uuid
generate_series(start, stop, step) setof
greatest(anyelement, ...) anyelement
initcap(text) text
json_agg(anyelement) json
json_build_object(key, value, ...) json
jsonb_agg(anyelement) jsonb
jsonb_array_elements(jsonb) setof jsonb
jsonb_build_object(key, value, ...) jsonb
jsonb_each(jsonb) setof record
jsonb_object_agg(key, value) jsonb
jsonb_object_keys(jsonb) setof text
jsonb_path_query(target jsonb, path jsonpath) setof jsonb
jsonb_pretty(jsonb) text
jsonb_set(target jsonb, path text[], value jsonb, create boolean) jsonb
jsonb_typeof(jsonb) text
lag(anyelement, offset integer, default anyelement) anyelement
last_value(anyelement) anyelement
lead(anyelement, offset integer, default anyelement) anyelement
least(anyelement, ...) anyelement
left(text, count integer) text
length(text) integer
lower(text) text
lpad(text, length integer, fill text) text
ltrim(text, characters text) text
make_date(year integer, month integer, day integer) date
make_interval(years, months, weeks, days, hours, mins, secs) interval
max(anyelement) anyelement
md5(text) text
min(anyelement) anyelement
mod(numeric, numeric) numeric
now() timestamptz
ntile(buckets integer) integer
nullif(anyelement, anyelement) anyelement
percent_rank() double precision
percentile_cont(fraction double precision) double precision
pg_size_pretty(bytes bigint) text
pg_total_relation_size(regclass) bigint
pg_typeof(any) regtype
position(substring in text) integer
power(numeric, numeric) numeric
quote_ident(text) text
quote_literal(text) text
random() double precision
rank() bigint
regexp_match(text, pattern text, flags text) text[]
regexp_matches(text, pattern text, flags text) setof text[]
regexp_replace(text, pattern text, replacement text, flags text) text
repeat(text, count integer) text
replace(text, from text, to text) text
reverse(text) text
right(text, count integer) text
round(numeric, digits integer) numeric
row_number() bigint
row_to_json(record) json
rpad(text, length integer, fill text) text
rtrim(text, characters text) text
sign(numeric) numeric
split_part(text, delimiter text, field integer) text
sqrt(numeric) numeric
starts_with(text, prefix text) boolean
stddev(numeric) numeric
string_agg(text, delimiter text) text
string_to_array(text, delimiter text) text[]
strpos(text, substring text) integer
substr(text, start integer, count integer) text
substring(text from integer for integer) text
sum(numeric) numeric
to_char(timestamptz, format text) text
to_date(text, format text) date
to_json(anyelement) json
to_jsonb(anyelement) jsonb
to_number(text, format text) numeric
to_timestamp(seconds double precision) timestamptz
to_tsquery(text) tsquery
to_tsvector(text) tsvector
translate(text, from text, to text) text
trim(both characters from text) text
trunc(numeric, digits integer) numeric
unnest(anyarray) setof anyelement
upper(text) text
variance(numeric) numeric
width_bucket(operand, low, high, count integer) integer`;

export const builtinFunctions: readonly SchemaFunction[] = lines.split('\n').map((line) => {
  const open = line.indexOf('(');
  const close = line.indexOf(')');
  return {
    schema: 'pg_catalog',
    name: line.slice(0, open),
    arguments: line.slice(open + 1, close),
    returns: line.slice(close + 2),
  };
});

/** All overloads of a function: the schema's own first, then what PostgreSQL brings along. */
export function functionsNamed(own: readonly SchemaFunction[], name: string): SchemaFunction[] {
  const found = own.filter((each) => each.name === name);
  return found.length > 0 ? found : builtinFunctions.filter((each) => each.name === name);
}
