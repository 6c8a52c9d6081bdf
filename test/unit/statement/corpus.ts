import type { Catalog, CatalogRelation } from '../../../gateway-core/contract/sql.js';

type More = Partial<CatalogRelation>;

function relation(oid: number, name: string, columns: string, more: More = {}): CatalogRelation {
  const names = columns.split(' ');
  return {
    oid,
    schema: 'public',
    name,
    kind: 'r',
    definition: undefined,
    parents: [],
    columns: names.map((column, index) => ({
      name: column,
      number: index + 1,
      typeOid: 25,
      generated: false,
    })),
    ...more,
  };
}

/** A shop: the e-mail, card and PIN of customers are to be masked, and the code of a child table. */
export const catalog: Catalog = {
  relations: [
    relation(20_001, 'customers', 'id name email card pin city doc'),
    relation(20_002, 'orders', 'id customer_id total email note'),
    relation(20_003, 'staff', 'id name city'),
    relation(20_004, 'contacts', 'who id', {
      kind: 'v',
      definition: ' SELECT c.email AS who,\n    c.id\n   FROM public.customers c;',
    }),
    relation(20_005, 'contacts2', 'who2 n', {
      kind: 'v',
      definition:
        ' SELECT upper(contacts.who) AS who2, count(*) AS n FROM public.contacts GROUP BY contacts.who;',
    }),
    relation(20_006, 'cities', 'city n', {
      kind: 'm',
      definition: ' SELECT customers.city, count(*) AS n FROM public.customers GROUP BY customers.city;',
    }),
    relation(20_007, 'lost', 'a b', { kind: 'v', definition: ' SELECT gone.a, gone.b FROM elsewhere.gone;' }),
    relation(20_008, 'hidden', 'a', { kind: 'v', definition: undefined }),
    relation(20_009, 'loop', 'a', { kind: 'v', definition: ' SELECT loop.a FROM public.loop;' }),
    relation(20_010, 'part', 'id label email', { kind: 'p' }),
    relation(20_011, 'part_1', 'email label id', { parents: [20_010] }),
    relation(20_012, 'base', 'id code'),
    relation(20_013, 'kid', 'id code extra', { parents: [20_012] }),
    relation(20_014, 'orders', 'id secret', { schema: 'archive' }),
    relation(20_015, 'Odd', 'id Name', { schema: 'Shop' }),
    relation(20_016, 'called', 'a', {
      kind: 'v',
      definition: ' SELECT public.leak(orders.id) AS a FROM public.orders;',
    }),
  ],
  userFunctions: new Set(['leak', 'archive_all']),
};

export const patterns = [
  'public.customers.email',
  'public.customers.card',
  'public.customers.pin',
  'public.part.email',
  'public.kid.code',
  '*.*.secret',
  '"Shop"."Odd".name',
];

/** Statements for properties and for the fuzz run; `?` never stands for anything. */
export const statements: readonly string[] = [
  "select id, name from customers where id = 17 and name like 'a%' order by id limit 10",
  'select c.*, o.total from customers c join orders o on o.customer_id = c.id where o.total between 1 and 20.5',
  "insert into orders (id, note) values (1, 'a'), (2, 'it''s'), (-3, null) on conflict (id) do nothing returning id",
  "update customers set email = 'a@b.c', name = upper('x') || name where id in (1, 2, 3) returning *",
  'delete from orders using customers c where c.id = orders.customer_id and c.pin = 1234',
  'with recursive t(n) as (values (1) union all select n + 1 from t where n < 100) select sum(n) from t',
  "select case when email like 'a%' then 1 else 0 end, count(*) filter (where pin > 5) from customers group by 1",
  "select x.a, y->>'b' from unnest(array[1, 2, 3]) with ordinality x(a, i), lateral (select doc as y from customers) q",
  "select * from (select email as name from customers) q where q.name = 'x' union all select name from staff",
  "merge into orders o using customers c on c.id = o.customer_id when matched and c.pin > 3 then update set note = 'x'",
  "copy (select id, email from customers where id < 10) to stdout with (format csv, header true, delimiter ';')",
  "set search_path = 'a', 'b'; select set_config('work_mem', '4MB', false)",
  "create table a (b int default 1, c text check (c <> 'x')); drop table a",
  'begin; savepoint s; rollback to s; commit',
  'prepare p(int) as select email from customers where id = $1; execute p(1); fetch 10 from c',
  'select row_number() over (partition by city order by pin) as n, (c).email, c.row_to_json from customers c',
  "select xmlforest(email, name as n), json_build_object('k', card), extract(year from now()) from customers",
  'select distinct on (city) city, email from customers order by city, 2 desc nulls last for update of customers',
  "explain (analyze, costs off) select max(email) from contacts where who > 'm' group by grouping sets ((id), ())",
  "select 'a' 'b', E'c\\n', $x$ d $x$, U&'\\0041', b'01', x'ff', 1.5e3, .5, 0x1f -- comment",
  'alter table customers rename column email to mail; create view v as select * from customers',
  'select (1).archive_all, lower(c::text), array(select pin from customers), exists (select from staff) from orders c',
];
