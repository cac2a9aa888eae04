# SPDX-License-Identifier: Apache-2.0
"""Redis: every command counted once, on both ends, by operation and status."""

import signal
import time
from collections import Counter
from contextlib import closing, contextmanager

import pytest
from lib.process import wait_until
from lib.servers import Redis

SERVER = "redis-server"


@contextmanager
def booked(observer, redis, unknown=None):
    """What commandstats books within, as Counter `booked.book`, equals the server's side; `.window`
    is the observer's view."""

    class Result:
        pass

    result = Result()
    with observer.window() as window, closing(redis.book()) as control:
        control.reset()
        result.window = window
        yield result
        result.book = control.commands(unknown)
    server = window.counts("redis_server_commands_total", "operation", "status", service=SERVER)
    assert server == result.book
    # What the control connection did; the clients' side is not in the group.
    result.book -= Counter({("INFO", "ok"): 2, ("CONFIG", "ok"): 1})
    result.client = lambda service: window.counts(
        "redis_commands_total", "operation", "status", service=service
    )


@pytest.mark.parametrize(
    "flags",
    [
        "-n 20000 -c 20 -t set,get,incr,lpush,lrange_100,mset",
        "-n 102400 -c 20 -P 16 -t set,get,incr,sadd,hset",
        "-n 204800 -c 20 -P 128 -t set,get,incr",
        "-n 20000 -c 50 -3 -t set,get",
        "-n 20000 -c 20 -d 3000 -r 1000 -t set,get",
    ],
)
def test_benchmark(bed, redis, observer, flags):
    with booked(observer, redis) as books:
        bed.run(["redis-benchmark", "-p", redis.port, "-q", *flags.split()])
    assert books.book.total() > 20000
    assert books.client("redis-benchmark") == books.book
    for name, counter in (
        ("redis_command_duration_seconds_count", "redis_commands_total"),
        ("redis_server_command_duration_seconds_count", "redis_server_commands_total"),
    ):
        counts = books.window.counts
        assert counts(name, "operation") == counts(counter, "operation")


@pytest.mark.parametrize(
    "load, count",
    [
        ("transactions", 500),
        ("inline", 300),
        ("split", 50),
        ("tracking", 200),
        ("blocking", 10),
        ("publish", 100),
        ("aborted_transactions", 100),
    ],
)
def test_client(bed, redis, observer, load, count):
    with booked(observer, redis) as books:
        bed.call(f"resp.{load}", redis.port, count)
    assert books.book.total() >= count
    assert books.client("client.py") == books.book


def test_library(bed, redis, observer):
    """redis-py asks for what this server does not know (CLIENT MAINT_NOTIFICATIONS)."""
    with booked(observer, redis, unknown="CLIENT") as books:
        assert bed.call("resp.library", redis.port, 100) == 400
    assert books.client("client.py") == books.book
    assert books.book["SET", "ok"] == books.book["MULTI", "ok"] == 400


def test_pushes_are_no_commands(bed, redis, observer):
    with booked(observer, redis) as books:
        assert bed.call("resp.tracking", redis.port, 50) == 50
    assert books.client("client.py")["PING", "ok"] == 100


def test_large_values(bed, redis, observer):
    with booked(observer, redis) as books:
        bed.call("resp.large", redis.port, 20, 1 << 20)
    assert books.client("client.py") == books.book == {
        ("SET", "ok"): 20,
        ("GET", "ok"): 20,
        ("PING", "ok"): 40,
    }


def test_cache_hits(bed, redis, observer):
    with observer.window() as window:
        hits, misses = bed.call("resp.reads", redis.port)
    assert window.counts("redis_cache_hits_total", "operation", service="client.py") == hits
    assert window.counts("redis_cache_misses_total", "operation", service="client.py") == misses


def test_cache_hits_as_the_server_books_them(bed, redis, observer):
    with observer.window() as window, closing(redis.book()) as control:
        control.reset()
        bed.run(["redis-benchmark", "-p", redis.port, "-q", "-n", "5000", "-r", "5000",
                 "-t", "set,get"])  # fmt: skip
        stats = control.info("stats")
    for ours, theirs in (("hits", "keyspace_hits"), ("misses", "keyspace_misses")):
        found = window.delta.total(f"redis_cache_{ours}_total", service="redis-benchmark")
        assert found == int(stats[theirs]) > 0


def test_errors(bed, redis, observer):
    """Unknown commands are no operations of ours, whose number is bounded."""
    with observer.window() as window:
        bed.call("resp.errors", redis.port, 50)
    for name, service in (
        ("redis_commands_total", "client.py"),
        ("redis_server_commands_total", SERVER),
    ):
        counts = window.counts(name, "operation", "status", service=service)
        assert counts["LPUSH", "error"] == 50
        assert counts["GET", "error"] == 50
        assert counts["GET", "ok"] == 50
        assert counts["SET", "ok"] == 1
        assert window.counts(name, "status", service=service)["error"] == 150


def test_silent_replies(bed, redis, observer):
    """A command without an answer was executed: it counts, on both ends."""
    with booked(observer, redis) as books:
        bed.call("resp.silent", redis.port, 20)
    assert books.client("client.py") == books.book


def test_scripts(bed, redis, observer):
    """commandstats books what a script calls; the wire does not have it."""
    with observer.window() as window:
        bed.call("resp.script", redis.port, 50)
    for name in ("redis_commands_total", "redis_server_commands_total"):
        assert window.counts(name, "operation", "status") == {("EVAL", "ok"): 50}


def test_replication_adds_nothing(bed, redis, observer):
    """A replica attached under load: what it is sent, before and after, is not traffic."""
    command = ["redis-benchmark", "-p", redis.port, "-q", "-n", "100000", "-c", "20", "-P", "4",
               "-t", "set,incr", "-d", "100"]  # fmt: skip
    with observer.window() as window:
        control = redis.book()
        control.reset()
        with bed.start("replicated", command) as load:
            replica = Redis(bed, "replica", "--replicaof", "127.0.0.1", redis.port)
            follower = replica.book()
            wait_until(
                lambda: follower.info("replication")["master_link_status"] == "up",
                what="the replica",
            )
            assert load.process.poll() is None, "the load was over before the replica came"
            assert load.process.wait(60) == 0
        wait_until(lambda: follower.info("replication")["slave_repl_offset"] ==
                   control.info("replication")["master_repl_offset"])  # fmt: skip
        book, applied = control.commands(), follower.commands()
        control.close()
        follower.close()
        replica.stop()
    expected = {("SET", "ok"): 100000, ("INCR", "ok"): 100000}
    names = ("SET", "INCR", "SELECT")
    assert {key: n for key, n in book.items() if key[0] in names} == expected
    assert applied["INCR", "ok"] > 0, "nothing was replicated"
    for name, service in (
        ("redis_server_commands_total", SERVER),
        ("redis_commands_total", "redis-benchmark"),
        ("redis_commands_total", SERVER),
    ):
        counts = window.counts(name, "operation", "status", service=service)
        seen = {key: n for key, n in counts.items() if key[0] in names}
        assert seen == ({} if (name, service) == ("redis_commands_total", SERVER) else expected)


def test_older_replica(bed, redis, start_observer):
    """A replica's link that is older than the observer: its receipts, which nobody answers."""
    replica = Redis(bed, "older-replica", "--replicaof", "127.0.0.1", redis.port)
    receipts = replica.process.process.send_signal
    try:
        with closing(replica.book()) as follower:
            wait_until(
                lambda: follower.info("replication")["master_link_status"] == "up",
                what="the replica",
            )
        receipts(signal.SIGSTOP)
        observer = start_observer()
        with booked(observer, redis) as books:
            receipts(signal.SIGCONT)
            bed.run(["redis-benchmark", "-p", redis.port, "-q", "-n", "2000", "-t", "set"])
            time.sleep(3.5)
            receipts(signal.SIGSTOP)
    finally:
        receipts(signal.SIGCONT)
        replica.stop()
    assert books.book["REPLCONF", "ok"] >= 3
    told = {("REPLCONF", "ok"): books.book["REPLCONF", "ok"]}
    assert books.client(SERVER) == told


def test_ipv6(bed, redis, observer):
    with booked(observer, redis) as books:
        bed.run(["redis-benchmark", "-h", "::1", "-p", redis.port, "-q", "-n", "5000", "-t", "get"])
    assert books.client("redis-benchmark") == books.book


def test_unix_socket(bed, observer):
    if bed.group.path is None:
        pytest.skip("no cgroup can be made: a Unix socket has no port to be watched by")
    path = bed.folder / "redis.sock"
    server = Redis(bed, "redis-unix", "--unixsocket", path)
    try:
        with booked(observer, server) as books:
            bed.run(["redis-benchmark", "-s", path, "-q", "-n", "20000", "-P", "8",
                     "-t", "set,get"])  # fmt: skip
        assert books.book["SET", "ok"] == 20000
        assert books.client("redis-benchmark") == books.book
    finally:
        server.stop()
