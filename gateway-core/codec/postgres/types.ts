/**
 * Built-in types (PostgreSQL's pg_type.dat): what has to be known of an oid to mask a value without breaking it.
 * Oids of built-in types never change; those from 16384 on belong to the database and are not here. RowDescription
 * shows a domain's base type.
 *
 * text: binary and text format are the same bytes. jsonb: binary is a version byte (1) and then the text. bytea: binary
 * is the raw bytes, text is hex with `\x`. array: elements of `element`. other: neither format is plain text.
 */
export type TypeKind =
  | 'text'
  | 'jsonb'
  | 'bytea'
  | 'boolean'
  | 'integer'
  | 'float'
  | 'numeric'
  | 'date-time'
  | 'uuid'
  | 'network'
  | 'record'
  | 'array'
  | 'other';

export interface TypeInfo {
  readonly oid: number;
  readonly name: string;
  readonly kind: TypeKind;
  /** For arrays. */
  readonly element?: number;
}

/** oid, oid of its array type (0: none), name. */
type Row = readonly [oid: number, array: number, name: string];

const rows: Readonly<Record<Exclude<TypeKind, 'array'>, readonly Row[]>> = {
  text: [
    [18, 1002, 'char'],
    [19, 1003, 'name'],
    [25, 1009, 'text'],
    [114, 199, 'json'],
    [142, 143, 'xml'],
    [705, 0, 'unknown'],
    [1042, 1014, 'bpchar'],
    [1043, 1015, 'varchar'],
    [1790, 2201, 'refcursor'],
    [2275, 1263, 'cstring'],
  ],
  jsonb: [
    [3802, 3807, 'jsonb'],
    // Same layout: a version byte, then text.
    [4072, 4073, 'jsonpath'],
  ],
  bytea: [[17, 1001, 'bytea']],
  boolean: [[16, 1000, 'bool']],
  integer: [
    [20, 1016, 'int8'],
    [21, 1005, 'int2'],
    [23, 1007, 'int4'],
    [24, 1008, 'regproc'],
    [26, 1028, 'oid'],
    [28, 1011, 'xid'],
    [29, 1012, 'cid'],
    [2202, 2207, 'regprocedure'],
    [2203, 2208, 'regoper'],
    [2204, 2209, 'regoperator'],
    [2205, 2210, 'regclass'],
    [2206, 2211, 'regtype'],
    [3220, 3221, 'pg_lsn'],
    [3734, 3735, 'regconfig'],
    [3769, 3770, 'regdictionary'],
    [4089, 4090, 'regnamespace'],
    [4096, 4097, 'regrole'],
    [4191, 4192, 'regcollation'],
    [5069, 271, 'xid8'],
  ],
  float: [
    [700, 1021, 'float4'],
    [701, 1022, 'float8'],
  ],
  numeric: [
    [1700, 1231, 'numeric'],
    [790, 791, 'money'],
  ],
  'date-time': [
    [1082, 1182, 'date'],
    [1083, 1183, 'time'],
    [1114, 1115, 'timestamp'],
    [1184, 1185, 'timestamptz'],
    [1186, 1187, 'interval'],
    [1266, 1270, 'timetz'],
  ],
  uuid: [[2950, 2951, 'uuid']],
  network: [
    [650, 651, 'cidr'],
    [829, 1040, 'macaddr'],
    [869, 1041, 'inet'],
    [774, 775, 'macaddr8'],
  ],
  record: [[2249, 2287, 'record']],
  other: [
    [27, 1010, 'tid'],
    [22, 1006, 'int2vector'],
    [30, 1013, 'oidvector'],
    [600, 1017, 'point'],
    [601, 1018, 'lseg'],
    [602, 1019, 'path'],
    [603, 1020, 'box'],
    [604, 1027, 'polygon'],
    [628, 629, 'line'],
    [718, 719, 'circle'],
    [1033, 1034, 'aclitem'],
    [1560, 1561, 'bit'],
    [1562, 1563, 'varbit'],
    [2278, 0, 'void'],
    [3614, 3643, 'tsvector'],
    [3615, 3645, 'tsquery'],
    [3904, 3905, 'int4range'],
    [3906, 3907, 'numrange'],
    [3908, 3909, 'tsrange'],
    [3910, 3911, 'tstzrange'],
    [3912, 3913, 'daterange'],
    [3926, 3927, 'int8range'],
    [4451, 6150, 'int4multirange'],
    [4532, 6151, 'nummultirange'],
    [4533, 6152, 'tsmultirange'],
    [4534, 6153, 'tstzmultirange'],
    [4535, 6155, 'datemultirange'],
    [4536, 6157, 'int8multirange'],
    [2970, 2949, 'txid_snapshot'],
    [5038, 5039, 'pg_snapshot'],
  ],
};

function index(): ReadonlyMap<number, TypeInfo> {
  const byOid = new Map<number, TypeInfo>();
  for (const [kind, list] of Object.entries(rows) as [TypeKind, readonly Row[]][]) {
    for (const [oid, array, name] of list) {
      byOid.set(oid, { oid, name, kind });
      if (array !== 0) byOid.set(array, { oid: array, name: `_${name}`, kind: 'array', element: oid });
    }
  }
  return byOid;
}

const byOid = index();

/** undefined: not built in, so nothing is known of its binary format. */
export function typeInfo(oid: number): TypeInfo | undefined {
  return byOid.get(oid);
}

/**
 * True when a value of this type is text in both formats, so that any replacement text is right in both. In text
 * format every type is text, but only here does every text make sense to the reader.
 */
export function isTextLike(oid: number): boolean {
  return byOid.get(oid)?.kind === 'text';
}
