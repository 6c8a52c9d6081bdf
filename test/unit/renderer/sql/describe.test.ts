import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  callAt,
  describe as describeName,
  maskedNames,
} from '../../../../renderer/features/sql/text/describe.js';
import { statementsOf } from '../../../../renderer/features/sql/text/statements.js';
import { catalog, cursor, sqlText } from './support.js';

const masked = (text: string): string[] =>
  statementsOf(text).flatMap((statement) =>
    maskedNames(text, statement, catalog).spans.map(({ start, end }) => text.slice(start, end)),
  );
const described = (marked: string) => {
  const { text, offset } = cursor(marked);
  return describeName(text, offset, catalog).description;
};

describe('masked names in a text', () => {
  it('are those that mean a masked column, through aliases, subqueries and common tables', () => {
    expect(masked('select id, email, c.email as mail from customers c where email is null')).toEqual([
      'email',
      'email',
      'email',
    ]);
    expect(masked('select x.mail from (select email mail from customers) x')).toEqual(['mail', 'email']);
    expect(masked('with w as (select email from customers) select email from w')).toEqual(['email', 'email']);
    expect(masked('update customers set email = 1')).toEqual(['email']);
    expect(masked('insert into customers (id, email) values (1, 2)')).toEqual(['email']);
  });

  it('are not strings, comments, other tables, new names or functions of the same name', () => {
    expect(masked("select 'email' /* email */ from customers")).toEqual([]);
    expect(masked('select email from orders')).toEqual([]);
    expect(masked('select total as email from orders')).toEqual([]);
    expect(masked('select name email from customers')).toEqual([]);
    expect(masked('select email(1) from customers')).toEqual([]);
    expect(masked('select name from customers as email')).toEqual([]);
  });

  it('are stars that stand for one, and no other star', () => {
    expect(masked('select * from customers')).toEqual(['*']);
    expect(masked('select c.* from customers c, orders')).toEqual(['*']);
    expect(masked('select * from orders')).toEqual([]);
    expect(masked('select count(*), 2 * 3 from customers')).toEqual([]);
  });

  it('can be looked for in any text', () => {
    fc.assert(
      fc.property(sqlText, fc.nat(100), (text, place) => {
        for (const statement of statementsOf(text)) {
          for (const { start, end } of maskedNames(text, statement, catalog).spans) {
            expect(start).toBeLessThan(end);
          }
        }
        describeName(text, place, catalog);
        callAt(text, place, catalog.schema.functions);
      }),
    );
  });
});

describe('what a name means', () => {
  it('is a column with its rule, a table with its columns, or a function with its arguments', () => {
    expect(described('select c.em|ail from customers c')).toMatchObject({
      kind: 'column',
      column: { mask: 'email: partial' },
    });
    expect(described('select 1 from cust|omers')).toMatchObject({
      kind: 'table',
      object: { name: 'customers' },
    });
    expect(described('select c|.id from customers c')).toBeUndefined();
    expect(described('select |c.id from customers c')).toMatchObject({
      kind: 'table',
      object: { name: 'customers' },
    });
    expect(described('select ref|und(1)')).toMatchObject({ kind: 'function' });
    expect(described('select |* from customers')).toMatchObject({
      kind: 'masked',
      columns: [{ name: 'email' }],
    });
    expect(described('select noth|ing')).toBeUndefined();
  });

  it('and the argument that is typed is counted outside of inner brackets', () => {
    const call = (marked: string) => {
      const { text, offset } = cursor(marked);
      return callAt(text, offset, catalog.schema.functions);
    };
    expect(call('select refund(f(1, 2), |')).toMatchObject({ argument: 1 });
    expect(call('select refund(|')).toMatchObject({ argument: 0 });
    expect(call('select refund(1)|')).toBeUndefined();
    expect(call("select refund('(,', |")).toMatchObject({ argument: 1 });
  });
});
