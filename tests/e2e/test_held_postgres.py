# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL sessions that were in the middle of something when the observer started."""

import struct
from collections import Counter

import pgwire
from lib.held import AT_MOST, EXACTLY, NOTHING, Case, judged
from lib.stepped import Puppet
from pgwire import SYNC, bind, execute, parse, query

SQL = {
    ("SELECT", "ok"): "SELECT 1",
    ("INSERT", "ok"): "INSERT INTO held VALUES (1)",
    ("UPDATE", "error"): "UPDATE nosuch SET a = 1",
    ("SELECT", "error"): "SELECT 1/0",
}
SQL_KEYS = list(SQL)
MESSAGES = query("SELECT 1") * 3 + SYNC + query("UPDATE nosuch SET a = 1")


def until_ready(case, name=""):
    """The kinds of the messages up to ReadyForQuery."""
    return case.client.ask("kinds", case.name + name, "Z")


def until(case, wanted):
    return case.client.ask("kinds", case.name, wanted)


def log_in(case, server, name=""):
    case.open(server.port, name)
    fields = b"user\0e2e\0database\0postgres\0application_name\0held\0\0"
    case.send(struct.pack("!ii", len(fields) + 8, 3 << 16) + fields, name)
    until_ready(case, name)


def postgres_exchange(case, *keys, name=""):
    """One batch, answered."""
    case.send(b"".join(query(SQL[key]) for key in keys), name)
    for key in keys:
        assert ("E" in until_ready(case, name)) == (key[1] == "error")


def postgres_recovers(case):
    postgres_exchange(case, ("SELECT", "ok"))
    postgres_exchange(case, ("UPDATE", "error"))
    yield AT_MOST, Counter([("SELECT", "ok"), ("UPDATE", "error")])
    postgres_exchange(case, *SQL_KEYS)
    case.send(pgwire.extended("SELECT 1") + SYNC)
    until_ready(case)
    yield EXACTLY, Counter(SQL_KEYS) + Counter([("SELECT", "ok")])


def other_session(case, text, verb):
    log_in(case, case.server, "other")
    case.send(query(text), "other")
    until_ready(case, "other")
    return Counter([(verb, "ok")])


def locked(case):
    """A statement that waits until unlocked() lets it go on."""
    log_in(case, case.server, "locker")
    lock = sum(case.name.encode())
    case.send(query(f"SELECT pg_advisory_lock({lock})"), "locker")
    until_ready(case, "locker")
    return f"SELECT pg_advisory_lock({lock})"


def unlocked(case):
    case.send(query("SELECT pg_advisory_unlock_all()"), "locker")
    until_ready(case, "locker")
    return Counter([("SELECT", "ok")])


def postgres_unanswered(case):
    case.send(query(locked(case)))
    yield
    others = unlocked(case)
    until_ready(case)
    yield AT_MOST, others
    yield from postgres_recovers(case)


def postgres_unanswered_and_more_behind(case):
    case.send(query("SELECT 1") + query(locked(case)))
    until_ready(case)
    yield
    keys = [("UPDATE", "error"), ("INSERT", "ok"), ("SELECT", "error")]
    case.send(b"".join(query(SQL[key]) for key in keys))
    others = unlocked(case)
    for _ in range(4):
        until_ready(case)
    yield AT_MOST, others + Counter(keys)
    yield from postgres_recovers(case)


def postgres_half_a_message(case):
    """A parameter that looks like messages."""
    size = struct.pack("!hhhi", 1, 1, 1, len(MESSAGES))
    whole = parse("", "SELECT length($1::bytea)") + pgwire.message(
        b"B", "", "", size, MESSAGES, struct.pack("!h", 0)
    )
    case.send(whole[: -len(MESSAGES) - 2])
    yield
    case.send(MESSAGES)
    case.pause()
    case.send(whole[-2:] + execute() + SYNC)
    assert until_ready(case) == "12DCZ"
    # The Execute came afterwards: of this one it cannot be told when it began.
    yield AT_MOST, Counter([("SELECT", "ok")])
    yield from postgres_recovers(case)


def postgres_before_sync(case):
    case.send(pgwire.extended("SELECT 1") + pgwire.FLUSH)
    assert until(case, "C") == "12TDC"
    yield
    case.send(SYNC)
    until_ready(case)
    yield AT_MOST, NOTHING
    case.send(pgwire.extended("SELECT 1") + pgwire.FLUSH)
    assert until(case, "C") == "12TDC"
    case.send(SYNC)
    until_ready(case)
    yield AT_MOST, Counter([("SELECT", "ok")])
    yield from postgres_recovers(case)


def postgres_fetching(case):
    """A portal of which a part was fetched before: it was executed then."""
    case.send(parse("", "SELECT generate_series(1, 10)") + bind("p", "") + execute("p", 3)
              + pgwire.FLUSH)  # fmt: skip
    assert until(case, "s") == "12DDDs"
    yield
    case.send(execute("p", 3) + pgwire.FLUSH)
    assert until(case, "s") == "DDDs"
    case.send(execute("p", 0) + SYNC)
    assert until_ready(case) == "DDDDCZ"
    yield AT_MOST, Counter([("SELECT", "ok")])
    yield from postgres_recovers(case)


def postgres_copy_in(case):
    case.send(query("COPY held_text FROM STDIN"))
    until(case, "G")
    case.send(pgwire.message(b"d", b"a\n"))
    case.pause()
    yield
    case.send(pgwire.message(b"d", b"b\n" + b"Q0000SELECT 1\n"))
    case.send(pgwire.message(b"d", b"c\n") + pgwire.message(b"c"))
    assert until_ready(case) == "CZ"
    yield AT_MOST, NOTHING
    yield from postgres_recovers(case)


def postgres_copy_out(case):
    """The rest of the rows lies in the sockets and in the server."""
    case.send(query("COPY (SELECT generate_series(1, 400000)) TO STDOUT"))
    until(case, "H")
    case.pause()
    yield
    assert until_ready(case).endswith("dcCZ")
    yield AT_MOST, NOTHING
    yield from postgres_recovers(case)


def postgres_window(case):
    window = [("UPDATE", "error"), ("INSERT", "ok"), ("SELECT", "ok"), ("SELECT", "error")]
    sent = []
    case.send(b"".join(query(SQL[key]) for key in window))
    yield
    for i in range(20):
        assert ("E" in until_ready(case)) == (window.pop(0)[1] == "error")
        window.append(SQL_KEYS[i * 7 % 11 % 4])
        case.send(query(SQL[window[-1]]))
        sent.append(window[-1])
    for key in window:
        assert ("E" in until_ready(case)) == (key[1] == "error")
    yield AT_MOST, Counter(sent)
    yield from postgres_recovers(case)


def postgres_unread(case):
    keys = [("UPDATE", "error"), ("INSERT", "ok"), ("SELECT", "error")]
    case.send(b"".join(query(SQL[key]) for key in keys))
    case.pause()
    yield
    case.send(query(SQL["SELECT", "ok"]))
    for key in [*keys, ("SELECT", "ok")]:
        assert ("E" in until_ready(case)) == (key[1] == "error")
    yield AT_MOST, Counter([("SELECT", "ok")])
    yield from postgres_recovers(case)


def postgres_listening(case):
    case.send(query("LISTEN held"))
    until_ready(case)
    yield
    others = other_session(case, "NOTIFY held, 'x'", "NOTIFY")
    until(case, "A")
    yield AT_MOST, others
    yield from postgres_recovers(case)


def postgres_failed_transaction(case):
    """What is skipped up to a Sync after an error was never executed."""
    case.send(query("BEGIN") + pgwire.extended("SELECT 1/0") + pgwire.FLUSH)
    until_ready(case)
    until(case, "E")
    yield
    case.send(pgwire.extended("SELECT 1") * 2 + SYNC)
    assert until_ready(case) == "Z"
    case.send(query("ROLLBACK"))
    until_ready(case)
    yield AT_MOST, Counter([("ROLLBACK", "ok")])
    yield from postgres_recovers(case)


POSTGRES_CASES = [
    postgres_unanswered, postgres_unanswered_and_more_behind, postgres_half_a_message,
    postgres_before_sync, postgres_fetching, postgres_copy_in, postgres_copy_out, postgres_window,
    postgres_unread, postgres_listening, postgres_failed_transaction,
]  # fmt: skip


def test_postgres(bed, postgres, start_observer):
    postgres.sql("CREATE TABLE IF NOT EXISTS held (a int)")
    postgres.sql("CREATE TABLE IF NOT EXISTS held_text (a text)")
    with Puppet(bed, "held-postgres.py") as client:
        cases = {}
        for make in POSTGRES_CASES:
            case = Case(client, make.__name__, postgres)
            log_in(case, postgres)
            postgres_exchange(case, *SQL_KEYS)
            cases[make.__name__] = make(case)

        def count(scrape):
            labels = ("operation", "status")
            return (scrape.by("db_queries_total", *labels, service="held-postgres.py"),
                    scrape.by("db_server_queries_total", *labels))  # fmt: skip

        judged(cases, start_observer, count)
