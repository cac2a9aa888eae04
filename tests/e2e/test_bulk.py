# SPDX-License-Identifier: Apache-2.0
"""Rows in numbers, which the kernel side hops over: every statement counted all the same."""

from collections import Counter

import pytest

# (width, number) of rows: heads at every place in a call, rows longer than calls.
SIZES = [[0, 100000], [1, 70000], [30, 50000], [95, 30000], [1000, 3000], [20000, 200]]


@pytest.fixture(scope="module", params=["both", "client", "server"])
def ends(request, bed, start_observer, postgres):
    """An observer of both ends, or one of them, which is told of what the other sends by reads."""
    config = bed.watch()
    if request.param != "both":
        if bed.group.path is None:
            pytest.skip("no cgroup can be made: an end has no watch of its own")
        watch = config["watch"]
        server = [entry | {"executable": "postgres"} for entry in watch["include"]]
        watch["exclude" if request.param == "client" else "include"] = server
    observer = start_observer(config)
    observer.ends = ["client", "server"] if request.param == "both" else [request.param]
    return observer


def expect(ends, window, expected):
    families = {"client": "db_queries_total", "server": "db_server_queries_total"}
    for end, family in families.items():
        counts = window.counts(family, "operation", "status")
        assert counts == (expected if end in ends.ends else {})


@pytest.mark.parametrize("host", ["tcp", "unix"])
def test_rows(bed, postgres, ends, host):
    if host == "unix" and bed.group.path is None:
        pytest.skip("no cgroup can be made: a Unix socket has no port to be watched by")
    url = postgres.url(application_name="bulk") if host == "tcp" else (
        f"postgresql://e2e@/postgres?host={postgres.socket}&port={postgres.port}"
        "&application_name=bulk"
    )  # fmt: skip
    book = postgres.book()
    with ends.window() as window:
        by_psycopg, by_asyncpg = bed.call("pg.bulk", url, SIZES, timeout=300)
    assert by_psycopg == [4 * rows for _, rows in SIZES]
    assert by_asyncpg == [3 * rows for _, rows in SIZES]
    executed = book.executed()
    assert executed["COPY"] == 2 * len(SIZES) and executed["SELECT"] >= 5 * len(SIZES)
    expect(ends, window, Counter({(verb, "ok"): n for verb, n in executed.items()}))


def test_left(bed, postgres, ends):
    """Clients that go away in the middle of an answer leave a statement without one."""
    with ends.window() as window:
        bed.call("pgwire.leave_rows", postgres.port, 12)
    expect(ends, window, Counter({("SELECT", "aborted"): 12, ("SELECT", "ok"): 12}))


def test_a_gigabyte(bed, postgres, ends):
    """Positions cross boundaries of 2^28, where the observer hears of them. Else it hears of
    little but the client's reads."""
    query = "COPY (SELECT repeat('x', 1000) FROM generate_series(1, 1200000)) TO STDOUT"
    with ends.window() as window:
        bed.run([postgres.programs / "psql", "-qX", postgres.url(), "-o", "/dev/null",
                 "-c", query], timeout=300)  # fmt: skip
    expect(ends, window, Counter({("COPY", "ok"): 1}))
    calls = 1200000 * 1006 / 8192
    assert window.delta.total("onlooker_events_total", kind="data") < calls
