"""psycopg 3, used in every way that speaks a different part of the protocol.

Finds the server in libpq's variables and prints one JSON object, which must be the same whether it reached
PostgreSQL or the gateway.
"""

import json
import sys
import threading
import time

import psycopg

out = {}


def failure(work):
    try:
        work()
    except psycopg.Error as error:
        return [error.sqlstate, error.diag.severity, error.diag.message_primary]
    return "no error"


with psycopg.connect(autocommit=True) as conn:
    out["server"] = conn.info.server_version
    out["encoding"] = conn.info.encoding
    out["simple"] = conn.execute("select 1, null, 'zwei'").fetchall()
    out["parameters"] = [
        str(value)
        for value in conn.execute(
            "select %s::int, %s::text, %s::int[], %s::jsonb, %s::numeric",
            (42, "größer \U0001f600", [1, 2], json.dumps({"k": 1}), "12.50"),
        ).fetchone()
    ]

    # Binary results of many types.
    binary = conn.cursor(binary=True)
    binary.execute(
        "select id, name, amount, at, tags, doc, true, 1.5::float8, '\\x00ff'::bytea,"
        " 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid, null::int from items order by id limit 5"
    )
    out["binary"] = [[str(value) for value in row] for row in binary.fetchall()]
    out["binary_format"] = binary.pgresult.fformat(0)

    # A server-side cursor: DECLARE, FETCH, CLOSE.
    with conn.transaction():
        with conn.cursor(name="walk") as walk:
            walk.itersize = 9
            walk.execute("select id from items order by id")
            out["cursor"] = [row[0] for row in walk]
        with conn.cursor(name="scrolling", scrollable=True, binary=True) as scrolling:
            scrolling.execute("select id, name from items order by id")
            scrolling.fetchmany(5)
            scrolling.scroll(-2)
            out["scrolled"] = scrolling.fetchone()

    # Prepared at once, executed often.
    out["prepared"] = [
        conn.execute("select name from items where id = %s", (number,), prepare=True).fetchone()[0]
        for number in (1, 2, 3, 1)
    ]

    # executemany goes out as one pipeline; so does an explicit one.
    conn.execute("delete from scratch")
    with conn.cursor() as cursor:
        cursor.executemany(
            "insert into scratch values (%s, %s) returning id",
            [(number, f"name {number}") for number in range(50)],
            returning=True,
        )
        returned = []
        while True:
            returned.append(cursor.fetchone()[0])
            if not cursor.nextset():
                break
        out["executemany"] = returned
    with conn.pipeline():
        first = conn.execute("select count(*) from scratch")
        second = conn.execute("update scratch set name = 'x' where id < 10")
        third = conn.execute("select name, count(*) from scratch group by name order by 2 desc limit 1")
        out["pipeline"] = [first.fetchone()[0], second.rowcount, third.fetchone()]

    def failing_pipeline():
        with conn.pipeline():
            conn.execute("insert into scratch values (1000, 'before')")
            conn.execute("select 1/0")
            conn.execute("insert into scratch values (1001, 'after')")

    out["pipeline_failure"] = failure(failing_pipeline)
    out["pipeline_left"] = conn.execute("select count(*) from scratch where id >= 1000").fetchone()[0]

    # COPY both ways, text and binary.
    conn.execute("delete from scratch")
    with conn.cursor() as cursor:
        with cursor.copy("copy scratch (id, name) from stdin") as copy:
            for number in range(1000):
                copy.write_row((number, f"tab\tline\nback\\slash {number}" if number % 2 else None))
        with cursor.copy("copy scratch (id, name) from stdin (format binary)") as copy:
            copy.set_types(["int4", "text"])
            for number in range(1000, 1500):
                copy.write_row((number, f"größer {number}"))
        with cursor.copy("copy (select id, name from scratch order by id) to stdout") as copy:
            rows = list(copy.rows())
        out["copy_text"] = [len(rows), rows[1], rows[2], rows[1499]]
        with cursor.copy("copy (select id, name from scratch order by id) to stdout (format binary)") as copy:
            copy.set_types(["int4", "text"])
            rows = list(copy.rows())
        out["copy_binary"] = [len(rows), rows[1], rows[2], rows[1499]]
        with cursor.copy("copy scratch to stdout (format csv, header)") as copy:
            out["copy_csv_bytes"] = sum(len(block) for block in copy)

    def broken_copy():
        with conn.cursor() as cursor, cursor.copy("copy scratch (id, name) from stdin") as copy:
            copy.write("not a number\tname\n")

    def abandoned_copy():
        with conn.cursor() as cursor, cursor.copy("copy scratch (id, name) from stdin") as copy:
            copy.write("9999\tname\n")
            raise psycopg.DataError("the program changed its mind")

    out["broken_copy"] = failure(broken_copy)
    failure(abandoned_copy)
    out["after_copy"] = conn.execute("select count(*) from scratch").fetchone()[0]

    out["errors"] = [
        failure(lambda: conn.execute("select 1/0")),
        failure(lambda: conn.execute("select * from not_there")),
        failure(lambda: conn.execute("insert into scratch values (1, 'again')")),
    ]

    with psycopg.connect(autocommit=True) as other:
        other.execute("listen psycopg_news")
        conn.execute("notify psycopg_news, 'hello'")
        note = next(other.notifies())
        out["notify"] = [note.channel, note.payload, isinstance(note.pid, int)]

    notices = []
    conn.add_notice_handler(lambda diag: notices.append([diag.severity, diag.message_primary]))
    conn.execute("rollback")
    out["notices"] = notices

    # A cancel that comes before its statement is rightly lost: asked again until it has worked.
    cancelled = threading.Event()

    def cancel_until_done():
        while not cancelled.wait(0.3):
            conn.cancel()

    canceller = threading.Thread(target=cancel_until_done)
    canceller.start()
    out["cancel"] = failure(lambda: conn.execute("select pg_sleep(600)"))
    cancelled.set()
    canceller.join()
    time.sleep(0.1)
    out["after_cancel"] = conn.execute("select 9").fetchone()

json.dump(out, sys.stdout)
