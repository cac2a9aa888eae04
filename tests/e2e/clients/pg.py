# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL clients by their drivers: asyncpg, psycopg, SQLAlchemy."""

import asyncio
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import psycopg
import sqlalchemy


def copy(url, count, rows):
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(count):
            with connection.cursor().copy("COPY pair FROM STDIN") as writer:
                for i in range(rows):
                    writer.write_row((i, i))
            with connection.cursor().copy("COPY (SELECT * FROM pair LIMIT 1000) TO STDOUT") as out:
                assert sum(1 for _ in out.rows()) == min(rows, 1000)
            try:
                with connection.cursor().copy("COPY pair FROM STDIN") as writer:
                    writer.write("not a number\n")
            except psycopg.errors.Error:
                pass
            connection.execute("TRUNCATE pair")


def pipeline(url, count):
    """psycopg's pipeline mode, with an error in the middle."""
    errors = 0
    with psycopg.connect(url, autocommit=True) as connection:
        for i in range(count):
            with connection.pipeline():
                for j in range(5):
                    connection.execute("INSERT INTO pair VALUES (%s, %s)", (i, j))
                connection.execute("SELECT count(*) FROM pair")
            try:
                with connection.pipeline():
                    # Not folded when planned: it fails when executed.
                    bad = "1/(%s::int + 0 * pg_backend_pid())"
                    for text, value in (("%s::int", 1), (bad, 0), ("%s::int", 2)):
                        connection.execute(f"SELECT {text}", (value,), prepare=False)
            except psycopg.errors.Error:
                errors += 1
    return errors


def session(url, count):
    """psycopg as applications use it: transactions, prepared statements, a server-side cursor."""
    with psycopg.connect(url) as connection:
        for i in range(count):
            with connection.transaction():
                connection.execute("INSERT INTO pair VALUES (%s, %s)", (i, i))
            connection.execute("SELECT * FROM pair WHERE a = %s", (i,), prepare=True).fetchall()
            connection.commit()
        with connection.cursor(name="named") as cursor:
            cursor.execute("SELECT generate_series(1, 100)")
            while cursor.fetchmany(30):
                pass
        connection.rollback()
        try:
            connection.execute("INSERT INTO pair VALUES ('x')")
        except psycopg.errors.Error:
            connection.rollback()


def listen(url, count):
    """Notifications that arrive while the listener asks for other things."""
    with psycopg.connect(url, autocommit=True) as listener:
        listener.execute("LISTEN channel")
        with psycopg.connect(url, autocommit=True) as notifier:
            for _ in range(count):
                notifier.execute("NOTIFY channel, 'x'")
                listener.execute("SELECT 1")
        return sum(1 for _ in listener.notifies(timeout=0.2))


async def _asyncpg_load(url, count):
    async with asyncpg.create_pool(url, min_size=2, max_size=5) as pool:

        async def work(n):
            for i in range(count):
                assert await pool.fetchval("SELECT $1::int", i) == i
                async with pool.acquire() as connection, connection.transaction():
                    await connection.execute("INSERT INTO pair VALUES ($1, $2)", n, i)
                    await connection.fetchrow("SELECT * FROM pair WHERE a = $1", n)
                await pool.executemany("UPDATE pair SET b = $1 WHERE a = $2", [(i, n)] * 3)
                await pool.fetch("SELECT generate_series(1, 50)")

        await asyncio.gather(*(work(n) for n in range(5)))
        async with pool.acquire() as connection:
            async with connection.transaction():
                rows = [row async for row in connection.cursor(
                    "SELECT generate_series(1, 100)", prefetch=30)]  # fmt: skip
                assert len(rows) == 100
            await connection.copy_records_to_table("pair", records=[(1, 2), (3, 4)])
            for text in ("SELECT 1/0", "SELEC 1", "SELECT * FROM nosuch"):
                try:
                    await connection.fetch(text)
                except asyncpg.PostgresError:
                    pass


def asyncpg_load(url, count):
    asyncio.run(_asyncpg_load(url, count))


def orm(url, count):
    """SQLAlchemy, whose pool pings and rolls back by itself."""
    url = url.split("?")[0].replace("postgresql:", "postgresql+psycopg:") + "?application_name=orm"
    engine = sqlalchemy.create_engine(url, pool_pre_ping=True, pool_size=3)
    table = sqlalchemy.Table("pair", sqlalchemy.MetaData(), autoload_with=engine)
    for i in range(count):
        with engine.begin() as connection:
            connection.execute(table.insert(), [{"a": i, "b": j} for j in range(10)])
        with engine.connect() as connection:
            connection.execute(sqlalchemy.select(table).where(table.c.a == i)).all()
    engine.dispose()


def prepared_before(url, count):
    """Prepares, prints a line, and executes once a line has come."""

    async def main():
        connection = await asyncpg.connect(url)
        select = await connection.prepare("SELECT $1::int")
        insert = await connection.prepare("INSERT INTO pair VALUES ($1, 0)")
        await select.fetchval(0)
        await insert.fetch(0)
        print("prepared", flush=True)
        sys.stdin.readline()
        for i in range(count):
            await select.fetch(i)
            await select.fetchval(i)
            await insert.fetch(i)
        await connection.close()

    asyncio.run(main())


def hold(url, seconds, idle, active, in_transaction):
    """Connections in each state, for a while."""

    def sleep(connection):
        connection.execute(f"SELECT pg_sleep({seconds})")

    connections = [
        psycopg.connect(url, autocommit=True) for _ in range(idle + active + in_transaction)
    ]
    for connection in connections:
        connection.execute("SELECT 1")
    threads = [threading.Thread(target=sleep, args=(c,)) for c in connections[idle : idle + active]]
    for connection in connections[idle + active :]:
        connection.execute("BEGIN")
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    for thread in threads:
        thread.join()
    for connection in connections:
        connection.close()


def hold_pipeline(url, seconds):
    """In a pipeline, of which all is answered that was asked so far: nothing of it is committed."""
    with psycopg.connect(url, autocommit=True) as connection, connection.pipeline():
        assert connection.execute("SELECT 1").fetchone() == (1,)
        time.sleep(seconds)


def paced(url, count):
    """One statement at a time; returns the mean seconds."""
    with psycopg.connect(url, autocommit=True) as connection:
        begin = time.perf_counter()
        for _ in range(count):
            connection.execute("SELECT pg_sleep(0.002)")
        return (time.perf_counter() - begin) / count


def _bulk_psycopg(url, width, rows):
    """Rows out in answers and by COPY, in by COPY; how many came back."""
    query = f"SELECT repeat('x', {width} + n % 7) FROM generate_series(1, {rows}) n"
    with psycopg.connect(url, autocommit=True) as connection:
        count = len(connection.execute(query).fetchall())
        count += len(connection.execute(query, binary=True, prepare=True).fetchall())
        with connection.cursor().copy(f"COPY ({query}) TO STDOUT") as out:
            count += sum(1 for _ in out.rows())
        connection.execute("CREATE TEMP TABLE bulk (text text)")
        with connection.cursor().copy("COPY bulk FROM STDIN") as writer:
            for i in range(rows):
                writer.write_row(("y" * (width + i % 5),))
        with connection.cursor(name="c", scrollable=False) as cursor, connection.transaction():
            cursor.execute("SELECT text FROM bulk")
            while part := cursor.fetchmany(1 + rows // 3):
                count += len(part)
    return count


async def _bulk_asyncpg(url, width, rows):
    query = f"SELECT repeat('x', {width} + n % 7) FROM generate_series(1, $1) n"
    connection = await asyncpg.connect(url)
    try:
        return sum([len(await connection.fetch(query, rows)) for _ in range(3)])
    finally:
        await connection.close()


def bulk(url, sizes):
    """Rows of each (width, number), one connection and thread each; what the drivers got."""
    with ThreadPoolExecutor(len(sizes)) as pool:
        counts = list(pool.map(lambda size: _bulk_psycopg(url, *size), sizes))
    return [counts, [asyncio.run(_bulk_asyncpg(url, *size)) for size in sizes]]
