/**
 * The sample shop of the demo: 20,000 customers with e-mails, phones, cards and IBANs that pass their checksums,
 * 120,000 orders and 30,000 support messages that mention such values in running text. Everything is derived from
 * row numbers: every machine gets the same data. People, numbers and addresses are invented (example.* domains,
 * test ranges of card numbers).
 *
 * Statements are separated by a semicolon and an empty line (the form that `postgres --single -j` reads).
 */
export const sampleDataStatements: readonly string[] = [
  `create function pg_temp.luhn(digits text) returns text language sql immutable as $$
     select digits || ((10 - sum(case when (length(digits) - i) % 2 = 0
              then (d * 2) / 10 + (d * 2) % 10 else d end) % 10) % 10)::text
     from (select i, substr(digits, i, 1)::int as d from generate_series(1, length(digits)) as i) as each
   $$`,
  `create function pg_temp.iban(bban text) returns text language sql immutable as $$
     select 'DE' || lpad((98 - (bban || '131400')::numeric % 97)::text, 2, '0') || bban
   $$`,
  `create function pg_temp.pick(words text[], n bigint) returns text language sql immutable as $$
     select words[1 + (abs(hashint8(n)) % array_length(words, 1))]
   $$`,
  `create table customers (
     id bigint primary key,
     full_name text not null,
     email text not null unique,
     phone text not null,
     card_number text not null,
     iban text not null,
     city text not null,
     country char(2) not null,
     loyalty_points integer not null default 0,
     preferences jsonb not null,
     created_at timestamptz not null
   )`,
  `insert into customers
   select n,
     first || ' ' || last,
     lower(first) || '.' || lower(last) || '.' || n || '@' || pg_temp.pick('{example.com,example.org,mail.example.net}', n * 7),
     case when n % 3 = 0 then '+49 170 ' || lpad((n * 7919 % 10000000)::text, 7, '0')
          when n % 3 = 1 then '+1 202-555-' || lpad((n * 31 % 10000)::text, 4, '0')
          else '+44 7700 ' || lpad((900000 + n * 17 % 99999)::text, 6, '0') end,
     pg_temp.luhn(case when n % 2 = 0 then '411111' else '555555' end || lpad((n * 104729 % 1000000000)::text, 9, '0')),
     pg_temp.iban('50010517' || lpad((n * 15485863 % 10000000000)::text, 10, '0')),
     pg_temp.pick('{Berlin,Lyon,Leeds,Porto,Gdansk,Turin,Ghent,Malmo,Graz,Boston}', n * 13),
     pg_temp.pick('{DE,FR,GB,PT,PL,IT,BE,SE,AT,US}', n * 13),
     (abs(hashint8(n)) % 5000)::integer,
     jsonb_build_object('newsletter', n % 4 = 0, 'contact', lower(last) || n || '@example.com', 'theme', pg_temp.pick('{dark,light}', n)),
     timestamptz '2023-01-01 00:00:00+00' + n * interval '67 minutes'
   from (select n,
       pg_temp.pick('{Anna,Ben,Clara,David,Elena,Felix,Greta,Hugo,Ines,Jonas,Karin,Luca,Maria,Noah,Olga,Paul,Rosa,Sam,Tara,Umberto,Vera,Willem,Yara,Zoe}', n * 3) as first,
       pg_temp.pick('{Adler,Becker,Costa,Dubois,Evans,Fischer,Garcia,Hansen,Ito,Jansen,Keller,Lindberg,Moreau,Novak,Okafor,Petrov,Quinn,Rossi,Silva,Tanaka,Ueda,Varga,Weber,Young}', n * 5) as last
     from generate_series(1::bigint, 20000) as n) as people`,
  `create table products (
     id integer primary key,
     sku text not null unique,
     name text not null,
     price_cents integer not null check (price_cents > 0),
     stock integer not null
   )`,
  `insert into products
   select n, 'SKU-' || lpad(n::text, 5, '0'),
     pg_temp.pick('{Oak,Steel,Linen,Cork,Glass,Wool,Copper,Paper}', n) || ' ' || pg_temp.pick('{chair,lamp,table,blanket,bowl,shelf,mirror,notebook,kettle,rug}', n * 11),
     200 + (n * 7907 % 49800), n * 37 % 400
   from generate_series(1::bigint, 500) as n`,
  `create table orders (
     id bigint primary key,
     customer_id bigint not null references customers (id),
     product_id integer not null references products (id),
     quantity integer not null,
     total_cents bigint not null,
     status text not null check (status in ('new', 'paid', 'shipped', 'returned', 'cancelled')),
     placed_at timestamptz not null
   )`,
  `insert into orders
   select n, 1 + n * 6151 % 20000, p.id, q, q * p.price_cents,
     pg_temp.pick('{new,paid,paid,shipped,shipped,shipped,returned,cancelled}', n),
     timestamptz '2024-01-01 00:00:00+00' + n * interval '11 minutes'
   from (select n, 1 + (n * 389 % 500)::integer as product, 1 + (n % 5)::integer as q from generate_series(1::bigint, 120000) as n) as line
   join products as p on p.id = line.product`,
  `create index orders_customer on orders (customer_id)`,
  `create index orders_placed on orders (placed_at)`,
  `create table support_messages (
     id bigint primary key,
     customer_id bigint not null references customers (id),
     body text not null,
     received_at timestamptz not null
   )`,
  `insert into support_messages
   select n, c.id,
     case n % 5
       when 0 then 'Please write to ' || c.email || ' about order ' || n * 4
       when 1 then 'Call me back on ' || c.phone || ', mornings are best.'
       when 2 then 'You charged my card ' || regexp_replace(c.card_number, '(.{4})(?=.)', '\\1 ', 'g') || ' twice!'
       when 3 then 'Refund to ' || c.iban || ' please, thank you.'
       else 'The ' || pg_temp.pick('{lamp,chair,kettle,rug}', n) || ' arrived broken, ticket 2024-' || lpad(n::text, 6, '0') end,
     timestamptz '2024-02-01 00:00:00+00' + n * interval '37 minutes'
   from generate_series(1::bigint, 30000) as n join customers as c on c.id = 1 + n * 3571 % 20000`,
  `create view customer_revenue as
     select c.id, c.full_name, c.country, count(o.id) as orders, coalesce(sum(o.total_cents), 0) as revenue_cents
     from customers as c left join orders as o on o.customer_id = c.id and o.status <> 'cancelled'
     group by c.id, c.full_name, c.country`,
  `comment on table customers is 'people who bought something; contact and payment columns are masked by policy'`,
];
