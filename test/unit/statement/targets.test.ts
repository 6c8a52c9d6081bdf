import { beforeAll, expect, test } from 'vitest';
import {
  compileMaskTargets,
  loadParser,
  type MaskTargets,
} from '../../../gateway-core/codec/postgres/statement/index.js';
import { catalog, patterns } from './corpus.js';

let targets: MaskTargets;

beforeAll(async () => {
  await loadParser();
  targets = compileMaskTargets(catalog, patterns);
});

const none = { patterns: [], unknown: false };

test.each([
  ['a masked column', 20_001, 3, { patterns: [0], unknown: false }],
  ['another of the same table', 20_001, 2, none],
  ['a whole row', 20_001, 0, { patterns: [0, 1, 2], unknown: false }],
  ['a system column', 20_001, -1, none],
  ['a column that the catalog does not have', 20_001, 99, { patterns: [], unknown: true }],
  ['a view over it', 20_004, 1, { patterns: [0], unknown: false }],
  ['another column of the view', 20_004, 2, none],
  ['a view over the view', 20_005, 1, { patterns: [0], unknown: false }],
  ['a count in it', 20_005, 2, none],
  ['a materialised view without masked columns', 20_006, 1, none],
  ['a view over an unknown table', 20_007, 2, { patterns: [], unknown: true }],
  ['a view without a definition', 20_008, 1, { patterns: [], unknown: true }],
  ['a view that is defined by itself', 20_009, 1, { patterns: [], unknown: true }],
  ['a view that calls a function', 20_016, 1, { patterns: [], unknown: true }],
  ['a partition, where the column has another number', 20_011, 1, { patterns: [3], unknown: false }],
  ['another column of the partition', 20_011, 3, none],
  ['the parent of a masked child', 20_012, 2, { patterns: [4], unknown: false }],
  ['a column named by a star pattern', 20_014, 2, { patterns: [5], unknown: false }],
  ['a quoted table, the column unquoted', 20_015, 2, { patterns: [6], unknown: false }],
  ['no table', 0, 0, none],
  ['a system table', 1259, 2, none],
  ['pg_statistic', 2619, 26, { patterns: [], unknown: true }],
  ['a table that the catalog does not have', 99_999, 1, { patterns: [], unknown: true }],
])('the mask of %s', (_, oid, number, expected) => {
  expect(targets.columnMask(oid, number)).toEqual(expected);
});

test('a generated column may be made of any masked column beside it', () => {
  const relations = [
    {
      ...catalog.relations[0],
      oid: 1,
      schema: 's',
      name: 't',
      kind: 'r' as const,
      definition: undefined,
      parents: [],
      columns: ['id', 'email', 'shown'].map((name, index) => ({
        name,
        number: index + 1,
        typeOid: 25,
        generated: name === 'shown',
      })),
    },
  ];
  const compiled = compileMaskTargets({ relations, userFunctions: new Set() }, ['s.t.email']);
  expect([1, 2, 3].map((number) => compiled.columnMask(1, number).patterns)).toEqual([[], [0], [0]]);
});

test('patterns that match nothing are named', () => {
  expect(targets.unmatched).toEqual([]);
  expect(compileMaskTargets(catalog, ['public.customers.email', 'public.customers.mail']).unmatched).toEqual([
    1,
  ]);
});

test.each([
  ['public.customers.email', 20_001, 3, true],
  ['PUBLIC.Customers.EMAIL', 20_001, 3, true],
  ['"PUBLIC".customers.email', 20_001, 3, false],
  ['*.customers.email', 20_001, 3, true],
  ['*.*.*', 20_003, 1, true],
  ['"*".customers.email', 20_001, 3, false],
  ['shop.odd.name', 20_015, 2, true],
  ['"Shop"."Odd"."Name"', 20_015, 2, true],
  ['"Shop"."Odd"."name"', 20_015, 2, false],
])('%s', (pattern, oid, number, matches) => {
  expect(compileMaskTargets(catalog, [pattern]).columnMask(oid, number).patterns).toEqual(matches ? [0] : []);
});

test.each(['email', 'customers.email', 'a.b.c.d', 'a..c', '.a.b', 'a.b.', 'a."b.c', '"".a.b', ''])(
  'a pattern that cannot be read is an error and never skipped: %j',
  (pattern) => {
    expect(() => compileMaskTargets(catalog, [pattern])).toThrowError(/cannot be read/);
  },
);
