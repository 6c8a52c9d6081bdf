import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { complete, itemsMax } from '../../../../renderer/features/sql/text/complete.js';
import { lex } from '../../../../renderer/features/sql/text/lexer.js';
import { catalog, cursor, shop, sqlText, unread } from './support.js';

const at = (marked: string, known = catalog) => {
  const { text, offset } = cursor(marked);
  return complete(text, offset, known);
};
const labels = (marked: string, kind?: string): string[] =>
  at(marked)
    .items.filter((item) => kind === undefined || item.kind === kind)
    .map(({ label }) => label);
const inserts = (marked: string, kind: string): string[] =>
  at(marked)
    .items.filter((item) => item.kind === kind)
    .map(({ insert }) => insert);

describe('completion', () => {
  it('never fails and never replaces anything but the word before the cursor', () => {
    fc.assert(
      fc.property(sqlText, fc.nat(200), (text, place) => {
        const offset = Math.min(place, text.length);
        const { from, items } = complete(text, offset, catalog);
        expect(from).toBeLessThanOrEqual(offset);
        expect(items.length).toBeLessThanOrEqual(itemsMax);
        if (items.length > 0)
          expect(text.slice(from, offset)).toMatch(/^$|^"|^[\p{L}\p{N}\p{P}\p{S}\p{C}\p{M}\p{Z}$_]+$/u);
      }),
    );
  });

  it('offers nothing inside of strings and comments', () => {
    for (const marked of [
      "select 'cus|'",
      'select 1 -- cus|',
      'select /* cus| */ 1',
      "select 'open |",
      'select 1|',
    ]) {
      expect(at(marked).items).toEqual([]);
    }
  });

  it('offers tables where a table is expected, and those of other schemas with their schema', () => {
    for (const marked of [
      'select * from |',
      'select * from customers c join |',
      'update |',
      'insert into |',
      'delete from |',
      'truncate |',
      'drop table if exists |',
      'create index on |',
      'select 1 from a, |',
    ]) {
      expect(labels(marked)).toContain('orders');
    }
    expect(inserts('select * from |', 'table')).toContain('"Odd Name"');
    expect(inserts('select * from |', 'table')).toContain('audit.events');
    expect(labels('select * from audit.|')).toEqual(['events']);
    expect(labels('select * from |', 'view')).toEqual(['recent']);
  });

  it('offers the columns behind an alias, wherever the alias is made', () => {
    expect(labels('select c.| from customers c')).toEqual(['id', 'name', 'email']);
    expect(labels('select * from customers as c where c.|')).toEqual(['id', 'name', 'email']);
    expect(labels('select x.| from (select id, total t from orders) x')).toEqual(['id', 't']);
    expect(labels('with w as (select email e from customers) select w.| from w')).toEqual(['e']);
    expect(labels('with w(q) as (select email from customers) select w.| from w')).toEqual(['q']);
    expect(labels('select (select o.| from orders o) from customers c')).toEqual([
      'id',
      'customer_id',
      'total',
    ]);
    expect(labels('select (select c.| from orders o) from customers c')).toEqual(['id', 'name', 'email']);
    expect(labels('select * from public.customers where customers.|')).toEqual(['id', 'name', 'email']);
  });

  it('sees only its own statement', () => {
    expect(labels('select 1 from orders o; select | from customers', 'column')).not.toContain('total');
  });

  it('qualifies a column only where its name alone would mean two', () => {
    const columns = inserts('select | from customers c join orders o on true', 'column');
    expect(columns).toContain('c.id');
    expect(columns).toContain('o.id');
    expect(columns).toContain('email');
  });

  it('offers the columns of the target of INSERT, UPDATE and ON CONFLICT', () => {
    expect(labels('insert into customers (|')).toEqual(['id', 'name', 'email']);
    expect(labels('insert into customers (id, |) values (1)')).toEqual(['id', 'name', 'email']);
    expect(labels('update customers set |')).toEqual(['id', 'name', 'email']);
    expect(labels('update customers set name = 1, |')).toEqual(['id', 'name', 'email']);
    expect(labels('insert into customers (id) values (1) on conflict (|')).toEqual(['id', 'name', 'email']);
    expect(labels('insert into customers (id) select | from orders', 'column')).toEqual([
      'id',
      'customer_id',
      'total',
    ]);
    expect(labels('insert into customers (id) select 1 from orders returning |', 'column')).toContain(
      'email',
    );
  });

  it('offers joins by foreign key, either way', () => {
    expect(inserts('select * from orders o join |', 'join')).toEqual(['customers c on c.id = o.customer_id']);
    expect(inserts('SELECT * FROM orders o JOIN |', 'join')).toEqual(['customers c ON c.id = o.customer_id']);
    expect(labels('select * from customers c join orders o on |', 'join')).toEqual(['o.customer_id = c.id']);
    expect(labels('select * from orders o join customers c on |', 'join')).toEqual(['o.customer_id = c.id']);
    expect(labels('select * from orders join order_items i using (|')).toEqual([]);
  });

  it('marks masked columns with their rule, also through a subquery', () => {
    const mask = (marked: string): unknown =>
      at(marked).items.find((each) => each.kind === 'column' && each.mask !== undefined)?.mask;
    expect(mask('select | from customers')).toBe('email: partial');
    expect(mask('select x.| from (select upper(email) mail from customers) x')).toBe('email: partial');
    expect(mask('select x.| from (select name from customers) x')).toBeUndefined();
  });

  it('names the tables whose columns have to be read first', () => {
    expect(at('select c.| from customers c', unread).missing.map(({ name }) => name)).toEqual(['customers']);
    expect(
      at('select | from customers c join orders o on true', unread).missing.map(({ name }) => name),
    ).toEqual(['customers', 'orders']);
  });

  it('writes keywords as the person does', () => {
    expect(labels('SELECT * FROM orders WH|')).toContain('WHERE');
    expect(labels('select * from orders wh|')).toContain('where');
    expect(labels('|')).toContain('select');
  });

  it('offers functions with their arguments', () => {
    const refund = at('select ref|').items.find(({ label }) => label === 'refund');
    expect(refund).toMatchObject({
      kind: 'function',
      insert: 'refund($0)',
      detail: '(order_id bigint, reason text) void',
    });
    expect(labels('select dat|', 'function')).toContain('date_trunc');
  });

  it('offers types after a cast and nothing where a name is made', () => {
    expect(labels('select a::|')).toContain('timestamptz');
    expect(labels('select cast(a as |')).toContain('uuid');
    expect(labels('select id as | from orders')).toEqual([]);
    expect(labels('with | as (select 1)')).toEqual([]);
    expect(labels('select id | from orders')).toContain('from');
  });

  it('is cut for a schema of thirty thousand tables, and finds what is typed', () => {
    const objects = Array.from({ length: 30_000 }, (_, index) => ({
      schema: 'public',
      name: `table_${index}`,
      kind: 'table' as const,
    }));
    const big = { schema: { ...shop, objects }, columns: () => undefined };
    const first = at('select * from |', big);
    expect(first.items).toHaveLength(itemsMax);
    expect(first.cut).toBe(true);
    expect(at('select * from table_2999|', big).items.map(({ label }) => label)).toContain('table_29999');
  });

  it('quotes what folding or a keyword would change', () => {
    for (const { insert, kind, label } of at('select | from order_items, "Odd Name"').items) {
      if (kind !== 'column') continue;
      const [token] = lex(insert).tokens;
      expect(token?.kind).toBe(label === 'order_id' ? 'word' : 'quoted');
    }
  });
});
