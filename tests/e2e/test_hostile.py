# SPDX-License-Identifier: Apache-2.0
"""
Traffic that means no good, and sockets used in ways of their own: the observer stays well, counts
nothing above the truth, and a known load on fresh connections after each of them exactly. Every
case is a service of its own, which has both ends of its connections.
"""

import subprocess

import pytest
from lib.observer import sanitized
from lib.process import HERE, wait_until
from lib.stepped import Led

FAMILIES = {
    "http": ("http_client_requests_total", "http_requests_total"),
    "db": ("db_queries_total", "db_server_queries_total"),
    "redis": ("redis_commands_total", "redis_server_commands_total"),
}
LABELS = {"http": ("method", "endpoint", "status"), "redis": ("operation", "status"),
          "db": ("operation", "status")}  # fmt: skip
CONNECTIONS = ("http_connections", "redis_connections", "db_connections",
               "db_connection_pool_size", "websocket_connections")  # fmt: skip
MISSED = ("onlooker_events_lost_total", "onlooker_stream_gaps_total",
          "onlooker_requests_unpaired_total", "onlooker_parse_errors_total")  # fmt: skip
TIMES = 10  # clients/known.py
KNOWN = (
    ("redis_commands_total", "redis_server_commands_total", "redis-server", "operation", "PING"),
    ("http_client_requests_total", "http_requests_total", "nginx", "endpoint", "/hello"),
    ("db_queries_total", "db_server_queries_total", "postgres", "operation", "SELECT"),
)

FOREIGN = {
    name: (f"foreign.{name}",)
    for name in ("tls", "ssh", "mysql", "memcached", "memcached_binary", "http2", "pop3", "smtp",
                 "ftp", "rtsp", "sip", "amqp", "mqtt", "kafka", "mongo")
}  # fmt: skip
FOREIGN["random"] = ("foreign.random_bytes", 7, 300)
BROKEN = {
    name: (f"broken.{name}",)
    for name in ("lengths_http", "lengths_redis", "lengths_postgres", "cut", "unasked",
                 "large_heads", "odd_paths", "upgraded_to_http2")
}  # fmt: skip
BROKEN |= {
    "mutated": ("broken.mutated", 7, 150),
    "endless_headers": ("broken.endless_headers", 10),
    "open_http": ("broken.open_requests", "http", 60000, True),
    "open_redis": ("broken.open_requests", "redis", 60000, True),
    "too_many_http": ("broken.open_requests", "http", 100000, False),
    "too_many_redis": ("broken.open_requests", "redis", 100000, False),
    "nested": ("broken.nested", 100000),
}
TRICKS = {
    name: (f"tricks.{name}",)
    for name in ("discarded_bodies", "discarded_heads", "nothing_sent", "bad_pointers", "zero_copy",
                 "fast_open", "deferred_accept", "multipath_listener", "unconnected", "half_closed",
                 "resets", "forked", "passed_on", "abrupt", "with_descriptors")
}  # fmt: skip
TRICKS |= {"urgent": ("tricks.urgent", False), "urgent_inline": ("tricks.urgent", True)}


class Outcome:
    """What came of some cases."""

    def __init__(self, truths, window):
        self.truths, self.window = truths, window

    def truth(self, service):
        """What the program says; all its connections were seen to begin and end."""
        truth, made = self.truths[service]
        for name in ("tcp_connections_opened_total", "tcp_connections_closed_total"):
            found = self.window.counts(name, "role", service=service)
            assert found["client"] == made, (name, found)
        return truth

    def assert_within(self, service, limits, ends=(0, 1)):
        """Nothing is counted but what is within the limits by protocol, on either end."""
        for protocol, families in FAMILIES.items():
            least, most = limits.get(protocol, [0, 0])
            for end in ends:
                found = self.window.counts(families[end], *LABELS[protocol], service=service)
                assert least <= found.total() <= most, (families[end], least, most, found)


class Bench:
    """Sets programs loose on the observer; afterwards all must be well."""

    def __init__(self, bed, observer, *ports):
        self.bed, self.observer, self.ports = bed, observer, ports
        self.known = Led(bed, "led.py", "known.py")

    def run(self, cases, servers=True):
        """Cases are [MODULE.FUNCTION, arguments...] of clients/ by service. `servers`: the real
        ones have nothing of it."""
        truths = {}
        before = self.observer.settle()
        for service, case in cases.items():
            with Led(self.bed, "led.py", service) as led:
                truths[service] = led.ask(*case)
            assert self.observer.get("/health")[0] == 200, service
            self.known.ask("known.load", *self.ports)
        with self.observer.window(exact=False) as window:
            window.before = before
        self.assert_known(window, TIMES * len(cases), servers)
        self.assert_over()
        return Outcome(truths, window)

    @staticmethod
    def assert_known(window, count, servers):
        for asked, served, server, label, name in KNOWN:
            assert window.counts(asked, label, service="known.py") == {name: count}
            if servers:
                assert window.counts(served, label, service=server) == {name: count}

    def assert_over(self):
        """Nothing is open any more."""

        def left():
            scrape = self.observer.scrape()
            found = {name: scrape.by(name, "service") for name in CONNECTIONS}
            return {name: counts for name, counts in found.items() if counts}

        try:
            wait_until(lambda: not left(), 4)
        except AssertionError:
            assert left() == {}


@pytest.fixture(scope="module")
def ports(redis, nginx, postgres):
    return redis.port, nginx.port, postgres.port


@pytest.fixture(scope="module")
def bench(bed, observer, ports):
    made = Bench(bed, observer, *ports)
    yield made
    made.known.__exit__()


def outcome_of(cases):
    @pytest.fixture(scope="module")
    def outcome(bench):
        return bench.run(cases)

    return outcome


foreign, broken, tricks = outcome_of(FOREIGN), outcome_of(BROKEN), outcome_of(TRICKS)


@pytest.mark.parametrize("case", FOREIGN)
def test_foreign(foreign, case):
    foreign.assert_within(case, foreign.truth(case))
    protocols = foreign.window.counts("tcp_connections_opened_total", "protocol", service=case)
    assert set(protocols) == {"unknown"}


@pytest.mark.parametrize("case", BROKEN)
def test_broken(broken, case):
    broken.assert_within(case, broken.truth(case))


@pytest.mark.parametrize("case", TRICKS)
def test_trick(tricks, case):
    """By path, of both ends: that many, of which so many were not answered."""
    truth = tricks.truth(case)
    aborted = truth.pop("aborted")
    exact = all(least == most for least, most in truth.values())
    for family in FAMILIES["http"]:
        counts = tricks.window.counts(family, "endpoint", service=case)
        assert set(counts) <= {f"/{path}" for path in truth}, (family, counts)
        for path, (least, most) in truth.items():
            assert least <= counts[f"/{path}"] <= most, (family, counts)
        unanswered = tricks.window.counts(family, "status", service=case)["aborted"]
        assert unanswered == aborted if exact else unanswered <= aborted, (family, unanswered)


@pytest.mark.parametrize("bits", [32, 64])
def test_calls_of_32_bits(bed, bench, bits):
    """A 32-bit program, and a 64-bit one that makes the same calls; the client is plain."""
    program, asking = bed.folder / f"compat{bits}", f"compat{bits}-client"
    built = subprocess.run(
        ["gcc", f"-m{bits}", "-O1", "-nostdlib", "-static", "-ffreestanding", "-no-pie", "-fno-pie",
         "-fno-stack-protector", "-o", program, HERE / "apps" / "compat.c"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    port = bed.port()
    with bed.start(program.name, [program, port]) as server:
        wait_until(lambda: server.log_text() or server.process.poll() is not None, what="a word")
        if server.log_text() != "ready\n":
            pytest.skip("this kernel runs no 32-bit system calls")
        outcome = bench.run({asking: ("tricks.by_others", port)})
    sent = outcome.truth(asking)["compat"][0]
    assert outcome.window.counts("http_client_requests_total", "endpoint", service=asking) == {
        "/compat": sent
    }
    served = outcome.window.delta.total("http_requests_total", service=program.name)
    missed = sum(map(outcome.window.delta.total, MISSED))
    assert served == sent or (served < sent and missed > 0)


def test_large_statements(bench, postgres):
    outcome = bench.run({"large": ("broken.large_sql", postgres.port, 10)}, servers=False)
    outcome.window.assert_nothing_missed()
    outcome.assert_within("large", outcome.truth("large"), ends=[0])
    count = outcome.window.counts
    assert count("db_queries_total", "operation", service="large") == {"SELECT": 4}
    assert count("db_server_queries_total", "operation", service="postgres") == {
        "SELECT": 4 + TIMES
    }


def test_names_of_services(bench):
    """Whatever a program is called, the scrape can be read, and every service is another."""
    names = ['quote"', "back\\slash", "line\nbreak", 'a="b"} 1\n# TYPE x', "tab\tbell\a", "ü",
             "a" * 120, "a" * 120 + "b"]  # fmt: skip
    outcome = bench.run({name: ("broken.large_heads",) for name in names})
    found = outcome.window.counts("http_requests_total", "service")
    del found["nginx"]
    assert found.total() == 4 * len(names) and set(found.values()) == {4}, found


@pytest.fixture
def fresh(bed, start_observer, ports):
    """With an observer of its own, whose limits may be reached."""
    observer = start_observer()
    made = Bench(bed, observer, *ports)
    yield made
    made.known.__exit__()
    observer.stop()


def test_a_million_paths(fresh):
    """One service's paths take nothing from the others': nginx has not been asked before."""
    count = 100_000 if sanitized() else 1_000_000
    before = fresh.observer.scrape().total("process_resident_memory_bytes")
    outcome = fresh.run({"paths": ("broken.paths", count)})
    limits = outcome.truth("paths")
    if outcome.window.delta.total("onlooker_events_lost_total"):  # this machine is too slow
        limits = {"http": [0, count]}
    outcome.assert_within("paths", limits)
    for family in FAMILIES["http"]:
        counts = outcome.window.counts(family, "endpoint", service="paths")
        assert len(counts) <= 201 and counts["other"] >= counts.total() - 200
    grown = outcome.window.after.total("process_resident_memory_bytes") - before
    assert sanitized() or grown < 8 << 20


SERIES = 1000
TIMED = {"requests_total": "request_duration_seconds_count",
         "queries_total": "query_duration_seconds_count",
         "commands_total": "command_duration_seconds_count"}  # fmt: skip


def test_series_are_shared(bed, start_observer, ports):
    """A service whose labels explode gets half of the series; who comes later has all of its."""
    observer = start_observer(bed.watch() | {"limits": {"series": SERIES}})
    bench = Bench(bed, observer, *ports)
    try:
        window = bench.run({"paths": ("broken.paths", 2000)}).window
    finally:
        bench.known.__exit__()
    for family in FAMILIES["http"]:
        counts = window.counts(family, "service")
        assert counts["paths"] + counts["other"] == 2000 and counts["other"] > 0, counts
        assert window.delta.total("onlooker_series_dropped_total", metric=family) > 0
    assert window.after.total("onlooker_series") <= SERIES
    lines = sum(("service", "paths") in labels for _, labels in window.after.samples)
    assert SERIES / 4 < lines <= SERIES / 2
    for asked, served, server, label, name in KNOWN:
        for family, service in ((asked, "known.py"), (served, server)):
            stem, *unit = family.rsplit("_", 2)
            timed = f"{stem}_{TIMED['_'.join(unit)]}"
            assert window.counts(timed, label, service=service) == {name: TIMES}
    observer.stop()


def test_words_that_nobody_knows(fresh):
    """As many of them are given names of their own as may be; the rest is in OTHER."""
    outcome = fresh.run({"words": ("broken.words", 3000)})
    outcome.assert_within("words", outcome.truth("words"))
    for protocol, most in (("redis", 66), ("http", 34), ("db", 33)):
        for family in FAMILIES[protocol]:
            names = outcome.window.counts(family, LABELS[protocol][0], service="words")
            assert len(names) <= most, family
