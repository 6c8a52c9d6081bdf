import { typeInfo } from '../../codec/postgres/types.js';
import type { ResultColumn } from '../../contract/bridge/sql.js';

/** As people write them; pg_type has older names for some. */
const written: Readonly<Record<string, string>> = {
  int2: 'smallint',
  int4: 'integer',
  int8: 'bigint',
  float4: 'real',
  float8: 'double precision',
  bool: 'boolean',
  bpchar: 'character',
  varchar: 'character varying',
  timestamptz: 'timestamp with time zone',
  timestamp: 'timestamp without time zone',
  timetz: 'time with time zone',
  varbit: 'bit varying',
};

export function typeName(oid: number): string {
  const info = typeInfo(oid);
  if (info === undefined) return `type ${oid}`;
  if (info.kind !== 'array') return written[info.name] ?? info.name;
  const element = info.element === undefined ? '' : typeName(info.element);
  return `${element}[]`;
}

export function typeKind(oid: number): ResultColumn['kind'] {
  const info = typeInfo(oid);
  switch (info?.kind) {
    case 'integer':
    case 'float':
    case 'numeric':
      return 'number';
    case 'boolean':
      return 'boolean';
    case 'date-time':
      return 'time';
    case 'bytea':
      return 'binary';
    case 'jsonb':
      return 'json';
    case 'text':
      return info.name === 'json' ? 'json' : 'text';
    case 'uuid':
    case 'array':
    case 'network':
    case 'record':
    case 'other':
    case undefined:
      return 'other';
  }
}
