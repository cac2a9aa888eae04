# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL: every executed statement counted once, on both ends, by operation and status."""

import sys
from collections import Counter
from contextlib import contextmanager

import pytest
from lib.process import HERE

SERVER = "postgres"
SSL, GSS = 80877103, 80877104  # the codes of the requests for encryption


@pytest.fixture(scope="module", autouse=True)
def pair(postgres):
    """A table for all tests, empty at each module's begin."""
    postgres.sql("CREATE TABLE IF NOT EXISTS pair (a int, b int); TRUNCATE pair")


@contextmanager
def booked(observer, postgres, application):
    """Afterwards `executed` are the statements by verb as the server's log has them, `errors` the
    errors by SQLSTATE, `client` and `server` what the observer saw, by operation and status."""

    class Result:
        pass

    result = Result()
    book = postgres.book()
    with observer.window() as window:
        yield result
    result.window = window
    result.executed, result.errors = book.executed(application), book.errors(application)
    labels = ("operation", "status")
    result.client = lambda service: window.counts("db_queries_total", *labels, service=service)
    result.server = window.counts("db_server_queries_total", *labels, service=SERVER)


def assert_equal(result, expected, client="client.py"):
    """Both ends as expected, and their histograms with them."""
    expected = Counter({key: n for key, n in expected.items() if n})
    assert result.client(client) == expected
    assert result.server == expected
    by_operation = Counter()
    for (operation, status), n in expected.items():
        by_operation[operation] += n if status != "aborted" else 0
    for name in ("db_query_duration_seconds", "db_server_query_duration_seconds"):
        assert result.window.counts(f"{name}_count", "operation") == by_operation


def ok(counts):
    return {(operation, "ok"): n for operation, n in counts.items()}


BENCHMARK = ("-c", "4", "-j", "2", "-t", "250")


@pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
@pytest.mark.parametrize("host", ["tcp", "unix"])
def test_pgbench(bed, postgres, observer, mode, host):
    if host == "unix" and bed.group.path is None:
        pytest.skip("no cgroup can be made: a Unix socket has no port to be watched by")
    if not postgres.sql("SELECT to_regclass('pgbench_accounts')")[0]:
        postgres.pgbench("-i", "-I", "dtgp", "-q")
    host = "127.0.0.1" if host == "tcp" else postgres.socket
    postgres.sql("SELECT pg_stat_statements_reset()")
    with booked(observer, postgres, "pgbench") as result:
        postgres.pgbench("-M", mode, *BENCHMARK, host=host)
    # pgbench asks for the table's size and partitions first.
    start = result.executed["SELECT"] - 1000
    assert 0 <= start < 5
    expected = {"BEGIN": 1000, "SELECT": 1000 + start, "UPDATE": 3000, "INSERT": 1000,
                "COMMIT": 1000}  # fmt: skip
    assert result.executed == expected
    assert_equal(result, ok(expected), client="pgbench")
    calls = postgres.sql(
        "SELECT split_part(query, ' ', 1), sum(calls) FROM pg_stat_statements"
        " WHERE query ~ 'pgbench_' AND query ~ '^(UPDATE|INSERT)' GROUP BY 1 ORDER BY 1"
    )
    assert calls == ["INSERT|1000", "UPDATE|3000"]


def test_pgbench_pipeline(bed, postgres, observer):
    script = bed.folder / "pipeline.sql"
    script.write_text(
        "\\startpipeline\nBEGIN;\nSELECT 1;\nINSERT INTO pair VALUES (1, 1);\nSELECT 2;\nEND;\n"
        "SELECT 3;\n\\endpipeline\nSELECT 4;\n"
    )
    with booked(observer, postgres, "pgbench") as result:
        postgres.pgbench("-M", "extended", "-f", script, "-c", "4", "-t", "250")
    expected = {"BEGIN": 1000, "SELECT": 4000, "INSERT": 1000, "COMMIT": 1000}
    assert result.executed == expected
    assert_equal(result, ok(expected), client="pgbench")


@pytest.mark.parametrize("host", ["tcp", "unix"])
def test_greetings(bed, postgres, observer, host):
    """Encryption asked for and refused, a protocol that is negotiated. Of GSS encryption a server
    that was built with it says yes except on Unix sockets."""
    if host == "unix" and bed.group.path is None:
        pytest.skip("no cgroup can be made: a Unix socket has no port to be watched by")
    path = str(postgres.socket / f".s.PGSQL.{postgres.port}")
    where, requests = (postgres.port, [SSL]) if host == "tcp" else (path, [GSS, SSL])
    with booked(observer, postgres, "greet") as result:
        bed.call("pgwire.greet", where, 5, requests)
    assert result.executed == {"SELECT": 10}
    assert_equal(result, {("SELECT", "ok"): 10})


def test_copy(bed, postgres, observer):
    with booked(observer, postgres, "copy") as result:
        bed.call("pg.copy", postgres.url(application_name="copy"), 5, 20000)
    assert result.executed == {"COPY": 15, "TRUNCATE": 5}
    assert result.errors.total() == 5
    assert_equal(result, {("COPY", "ok"): 10, ("COPY", "error"): 5, ("TRUNCATE", "ok"): 5})


def test_several_statements_in_a_query(bed, postgres, observer):
    with booked(observer, postgres, "several") as result:
        bed.call("pgwire.several", postgres.port, 50)
    assert result.errors == {"22012": 50}
    assert_equal(
        result,
        {
            ("SELECT", "ok"): 150,
            ("SELECT", "error"): 50,
            ("BEGIN", "ok"): 50,
            ("UPDATE", "ok"): 50,
            ("COMMIT", "ok"): 50,
        },
    )


def test_failing_pipeline(bed, postgres, observer):
    """What the server skipped up to the Sync was not executed."""
    with booked(observer, postgres, "failing") as result:
        bed.call("pgwire.failing_pipeline", postgres.port, 50)
    assert result.executed == {"SELECT": 200}  # the failing one's execution was begun
    assert result.errors == {"22012": 50, "42601": 50, "22P02": 50}
    assert result.client("client.py")["SELECT", "ok"] == 150
    errors = result.window.counts("db_queries_total", "status", service="client.py")["error"]
    assert errors == 150
    assert result.client("client.py") == result.server


def test_psycopg_pipeline(bed, postgres, observer):
    with booked(observer, postgres, "pipeline") as result:
        errors = bed.call("pg.pipeline", postgres.url(application_name="pipeline"), 50)
    assert errors == 50 and result.errors == {"22012": 50}
    assert_equal(
        result,
        {
            ("INSERT", "ok"): result.executed["INSERT"],
            ("SELECT", "ok"): result.executed["SELECT"] - 50,
            ("SELECT", "error"): 50,
        },
    )
    assert result.executed["INSERT"] == 250


def test_portals_in_parts(bed, postgres, observer):
    """A portal counts once, however it is fetched and wherever it is left."""
    with booked(observer, postgres, "parts") as result:
        bed.call("pgwire.fetched_in_parts", postgres.port, 50)
    assert result.executed == {"SELECT": 250}
    assert_equal(result, {("SELECT", "ok"): 250})


def test_named_statements(bed, postgres, observer):
    with booked(observer, postgres, "named") as result:
        bed.call("pgwire.named", postgres.port, 50)
    assert result.executed == {"SELECT": 300}
    assert_equal(result, {("SELECT", "ok"): 300})


def test_verbs(bed, postgres, observer):
    """The operation is what the tag says, of a statement that fails too."""
    with booked(observer, postgres, "verbs") as result:
        bed.call("pgwire.verbs", postgres.port, 3)
    once = {
        "INSERT": 3, "SELECT": 2, "BEGIN": 2, "SAVEPOINT": 1, "RELEASE": 1, "COMMIT": 1,
        "ROLLBACK": 1, "DECLARE": 1, "FETCH": 1, "CLOSE": 1, "SET": 1, "SHOW": 1, "CREATE": 1,
        "TRUNCATE": 1, "DROP": 1, "EXPLAIN": 1, "DO": 1, "DELETE": 1, "NOTIFY": 1,
    }  # fmt: skip
    bad = {"UPDATE": 1, "SELECT": 3, "INSERT": 1, "DELETE": 1, "OTHER": 1, "DROP": 1}
    expected = Counter({(name, "ok"): 3 * n for name, n in once.items()})
    expected["INSERT", "ok"] += 1
    expected.update({(name, "error"): 3 * n for name, n in bad.items()})
    assert result.errors.total() == 24
    assert_equal(result, expected)


def test_bytewise(bed, postgres, observer):
    with booked(observer, postgres, "bytewise") as result:
        bed.call("pgwire.bytewise", postgres.port, 20)
    assert_equal(result, {("SELECT", "ok"): 40})
    assert result.executed == {"SELECT": 40}


def test_listen_and_notify(bed, postgres, observer):
    with booked(observer, postgres, "listen") as result:
        assert bed.call("pg.listen", postgres.url(application_name="listen"), 50) > 0
    expected = {"LISTEN": 1, "NOTIFY": 50, "SELECT": 50}
    assert result.executed == expected
    assert_equal(result, ok(expected))


def test_cancel(bed, postgres, observer):
    with booked(observer, postgres, None) as result:
        bed.call("pgwire.cancel", postgres.port, 5)
    assert result.errors == {"57014": 5}
    good = result.executed["SELECT"] - 5
    assert_equal(result, {("SELECT", "error"): 5, ("SELECT", "ok"): good})


def test_left_in_the_middle(bed, postgres, observer):
    """The client leaves while the statement runs: aborted where it left."""
    with booked(observer, postgres, "leave") as result:
        bed.call("pgwire.leave", postgres.port, 5)
        bed.call("pgwire.bytewise", postgres.port, 1)
    assert result.executed == {"SELECT": 5}
    client = result.client("client.py")
    assert client == {("SELECT", "aborted"): 5, ("SELECT", "ok"): 2}
    # The server may hand its answer to a socket that nobody reads any more.
    assert result.server.total() == 7


def test_psycopg(bed, postgres, observer):
    with booked(observer, postgres, "session") as result:
        bed.call("pg.session", postgres.url(application_name="session"), 50)
    assert result.errors.total() == 1
    expected = Counter(ok(result.executed))
    expected["INSERT", "ok"] -= expected["INSERT", "ok"] - 50
    expected["INSERT", "error"] = 1
    assert result.executed["SELECT"] == 50 and result.executed["BEGIN"] >= 50
    assert_equal(result, expected)


def test_asyncpg(bed, postgres, observer):
    """fetchval ends its portals by a limit of rows; executemany sends many executions at once."""
    with booked(observer, postgres, "asyncpg") as result:
        bed.call("pg.asyncpg_load", postgres.url(application_name="asyncpg"), 20)
    expected = Counter(ok(result.executed))
    assert result.executed["INSERT"] == 100 and result.executed["UPDATE"] == 300
    assert result.executed["COPY"] == 1
    # Before any execution was logged: 1/0 is folded when planned, in Bind; the others in Parse.
    assert result.errors == {"22012": 1, "42601": 1, "42P01": 1}
    client = result.client("client.py")
    errors = Counter({key: n for key, n in client.items() if key[1] == "error"})
    assert errors.total() == 3
    assert client - errors == expected
    assert result.server == client


def test_sqlalchemy(bed, postgres, observer):
    with booked(observer, postgres, "orm") as result:
        bed.call("pg.orm", postgres.url(), 20)
    assert result.errors == {}
    assert_equal(result, ok(result.executed))


def test_psql(bed, postgres, observer):
    """libpq, which asks for encryption first."""
    sql = "SELECT 1; SELECT 2;\nINSERT INTO pair VALUES (1, 2);\nSELECT nosuch;\n\\d pair\n"
    file = bed.folder / "psql.sql"
    file.write_text(sql)
    with booked(observer, postgres, "psql") as result:
        bed.run([postgres.programs / "psql", "-qX", postgres.url(sslmode="prefer"), "-f", file])
    assert result.errors == {"42703": 1}
    expected = Counter(ok(result.executed))
    expected["SELECT", "ok"] -= 1
    expected["SELECT", "error"] += 1
    assert_equal(result, expected, client="psql")


def test_prepared_before_the_observer(bed, postgres, start_observer):
    """The texts of statements are not known then: the operation is the tag's, and where a limit of
    rows ended the portal there is none."""
    command = [sys.executable, HERE / "client.py", "pg.prepared_before",
               f'["{postgres.url(application_name="before")}", 50]']  # fmt: skip
    with bed.start("before", command, stdin=True) as client:
        client.wait_for(lambda: "prepared" in client.log_text())
        late = start_observer()
        with booked(late, postgres, "before") as result:
            client.process.stdin.write(b"\n")
            client.process.stdin.close()
            assert client.process.wait(20) == 0
    assert result.executed == {"SELECT": 100, "INSERT": 50}
    assert_equal(result, {("SELECT", "ok"): 50, ("OTHER", "ok"): 50, ("INSERT", "ok"): 50})
