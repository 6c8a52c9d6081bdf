import fc from 'fast-check';
import type { Schema, SchemaColumn, SchemaObject } from '../../../../gateway-core/contract/bridge/sql.js';
import type { Catalog } from '../../../../renderer/features/sql/text/catalog.js';

/** Pieces that SQL is made of, and pieces that break it: put together at random. */
const pieces = [
  'select',
  'FROM',
  'a',
  '"A ""b"',
  "'it''s'",
  "E'a\\'b'",
  "U&'x'",
  "'open",
  '"open',
  '$$',
  '$tag$',
  '$1',
  '--',
  '-- note\n',
  '/*',
  '*/',
  '/* a /* b */ */',
  ';',
  '(',
  ')',
  ',',
  '.',
  '::',
  ':=',
  '=>',
  '->>',
  '<=',
  '=-',
  '1.5e3',
  '0x1F',
  '..',
  '\\',
  '{',
  '\n',
  ' ',
  '\t',
  'begin',
  'end',
  'create function',
  'atomic',
  'naïve',
  '🙂',
  '\u202e',
  "'a'\n'b'",
];

export const sqlText: fc.Arbitrary<string> = fc
  .array(fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 4 })), { maxLength: 40 })
  .map((parts) => parts.join(''));

const table = (name: string, schema = 'public'): SchemaObject => ({ schema, name, kind: 'table' });
const column = (name: string, type: string, more: Partial<SchemaColumn> = {}): SchemaColumn => ({
  name,
  type,
  notNull: false,
  primaryKey: false,
  ...more,
});

export const shop: Schema = {
  connection: 'shop-db',
  readAt: '2026-11-21T00:00:00.000Z',
  searchPath: ['public'],
  objects: [
    table('customers'),
    table('orders'),
    table('order_items'),
    table('Odd Name'),
    { schema: 'public', name: 'recent', kind: 'view' },
    table('events', 'audit'),
  ],
  functions: [
    { schema: 'public', name: 'refund', arguments: 'order_id bigint, reason text', returns: 'void' },
  ],
  cut: false,
};

const columns: Readonly<Record<string, readonly SchemaColumn[]>> = {
  customers: [
    column('id', 'bigint', { primaryKey: true, notNull: true }),
    column('name', 'text'),
    column('email', 'text', { mask: 'email: partial' }),
  ],
  orders: [
    column('id', 'bigint', { primaryKey: true, notNull: true }),
    column('customer_id', 'bigint', { references: 'public.customers.id' }),
    column('total', 'numeric'),
  ],
  order_items: [
    column('order_id', 'bigint', { references: 'public.orders.id' }),
    column('Quantity', 'integer'),
  ],
  'Odd Name': [column('a b', 'text')],
  recent: [column('id', 'bigint')],
  events: [column('at', 'timestamptz'), column('payload', 'jsonb', { mask: 'payload: redact' })],
};

/** The shop's schema with all columns read. */
export const catalog: Catalog = { schema: shop, columns: (object) => columns[object.name] };
/** The same before any column was read. */
export const unread: Catalog = { schema: shop, columns: () => undefined };

/** A text with `|` where the cursor stands. */
export function cursor(marked: string): { readonly text: string; readonly offset: number } {
  const offset = marked.indexOf('|');
  return { text: marked.slice(0, offset) + marked.slice(offset + 1), offset };
}
