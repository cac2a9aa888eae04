# SPDX-License-Identifier: Apache-2.0
"""
More than the observer can take: no count is above the servers' own books, whatever is missing is
said to be, means stay true, and as soon as it is calm everything is exact again.
"""

import re
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import pairwise

import pytest
from lib.books import access_log
from lib.metrics import Delta
from lib.observer import sanitized
from lib.process import accepts, free_port, wait_until
from lib.stepped import Crowds

SAID = ("onlooker_events_lost_total", "onlooker_stream_gaps_total",
        "onlooker_requests_unpaired_total")  # fmt: skip
# By load: client's service and family, server's, labels.
LOADS = {
    "redis": ("redis-benchmark", "redis_commands_total", "redis_command_duration_seconds",
              "redis-server", "redis_server_commands_total", ("operation", "status")),
    "postgres": ("pgbench", "db_queries_total", "db_query_duration_seconds",
                 "postgres", "db_server_queries_total", ("operation", "status")),
    "nginx": ("wrk", "http_client_requests_total", "http_client_request_duration_seconds",
              "nginx", "http_requests_total", ("method", "endpoint", "status")),
}  # fmt: skip
WRK = 16  # connections, whose last requests are never answered


@pytest.fixture(scope="module", autouse=True)
def tables(postgres):
    postgres.sql("CREATE TABLE IF NOT EXISTS late (a int)")
    if not postgres.sql("SELECT to_regclass('pgbench_accounts')")[0]:
        postgres.pgbench("-i", "-I", "dtgp", "-q")


@pytest.fixture(scope="module", autouse=True)
def keys(redis):
    control = redis.book()
    control.command("SET", "late:text", "text")
    control.command("RPUSH", "late:list", "a", "-b", "*1")
    control.close()


def said(delta):
    return sum(delta.total(name) for name in SAID)


def redis_benchmark(bed, redis, until):
    """One after the other, until told so; the mean latency of all."""
    means = []
    while not means or not until():
        out = bed.run(["redis-benchmark", "-p", redis.port, "--csv", "-t", "get", "-P", "128",
                       "-c", "20", "-n", "50000"])  # fmt: skip
        lines = [line.replace('"', "").split(",") for line in out.strip().splitlines()[-2:]]
        means.append(float(dict(zip(*lines, strict=True))["avg_latency_ms"]) / 1000)
    return sum(means) / len(means)


def storm(bed, redis, postgres, nginx, seconds, during=None):
    """All three loads at once; by load the mean latency in seconds that the client tells of, as far
    as it can: redis-benchmark times the first answer of a pipeline only, pgbench its own waiting
    for a processor, too."""
    with (
        bed.start("storm-pgbench", [
            postgres.programs / "pgbench", "-h", "127.0.0.1", "-p", postgres.port, "-U", "e2e",
            "-n", "-S", "-M", "prepared", "-c", "8", "-T", seconds, "postgres"]) as pgbench,
        bed.start("storm-wrk", [
            "wrk", "-t", "1", "-c", WRK, "-d", f"{seconds}s",
            f"http://127.0.0.1:{nginx.port}/hello"]) as wrk,
        ThreadPoolExecutor() as pool,
    ):  # fmt: skip
        disturbance = pool.submit(during or (lambda: None))
        mean = redis_benchmark(bed, redis, lambda: pgbench.process.poll() is not None)
        disturbance.result()
        for load in (pgbench, wrk):
            assert load.process.wait(60) == 0, load.log_text()
        count, time_ = re.search(r"(\d+) requests in ([\d.]+)s", wrk.log_text()).groups()
        latency = re.search(r"latency average = ([\d.]+) ms", pgbench.log_text())[1]
    return {
        "redis": mean,
        "postgres": float(latency) / 1000,
        "nginx": WRK * float(time_) / int(count),
    }


class Books:
    """What the three servers and the crowds' ledgers book while it lasts."""

    def __init__(self, redis, postgres, nginx, crowds):
        self.control, self.postgres, self.nginx = redis.book(), postgres.book(), nginx
        self.position = nginx.access.stat().st_size
        self.crowds, self.begin = crowds, dict(crowds.ledgers)
        self.control.reset()

    def crowd(self, name):
        """What the crowds of a protocol did."""
        ledgers = [(self.begin[service][1], after) for service, (_, after)
                   in self.crowds.ledgers.items() if service.startswith(name)]  # fmt: skip
        return sum((after - before for before, after in ledgers), Counter())

    def close(self):
        """By load the truth of the storm's client and of the server."""
        commands = self.control.commands()
        self.control.close()
        own = Counter({("INFO", "ok"): 2, ("CONFIG", "ok"): 1})
        verbs = self.postgres.executed("pgbench")
        selects = Counter({(verb, "ok"): n for verb, n in verbs.items()})
        requests = access_log(self.nginx.access, self.position)
        return {
            "redis": (commands - own - self.crowd("redis"), commands),
            "postgres": (selects, selects + self.crowd("postgres")),
            "nginx": (requests - self.crowd("nginx"), requests),
        }


def wrong_counts(window, books, exact):
    """What is above the books; if exact, also what is below them."""
    for name, truths in books.items():
        client, count, _, server, served, labels = LOADS[name]
        found = (window.counts(count, *labels, service=client),
                 window.counts(served, *labels, service=server))  # fmt: skip
        for service, ours, truth in zip((client, server), found, truths, strict=True):
            aborted = sum(n for key, n in ours.items() if key[-1] == "aborted")
            if aborted > (WRK if name == "nginx" else 0):
                yield f"{service}: {aborted} aborted"
            ours = Counter({key: n for key, n in ours.items() if key[-1] != "aborted"})
            if ours - truth:
                yield f"{service}: too high: {dict(ours - truth)} of {dict(truth)}"
            if exact and (truth - ours).total() > (WRK if name == "nginx" else 0):
                yield f"{service}: short by {dict(truth - ours)}, and nothing said"


KEPT = {"redis": "redis", "postgres": "extended", "nginx": "brief"}


def crowds_of(redis, postgres, nginx, kind):
    """On each server connections that ask one by one and by eight; few enough for a small ring."""
    ports = {"redis": redis.port, "postgres": postgres.port, "nginx": nginx.port}
    return {
        f"{name}-{kind}-{depth}.py": {"kind": speaker, "where": ports[name], "count": 5,
                                      "depth": depth, "manner": "turns", "warm": 1}
        for name, speaker in KEPT.items() for depth in (1, 8)
    }  # fmt: skip


def wrong_crowds(observer, crowds, what, exact, count):
    """Steps all crowds and judges both sides by the ledgers."""
    begin = {service: answered for service, (_, answered) in crowds.ledgers.items()}
    before = observer.settle()
    crowds.ask("step", count)
    delta = Delta(before, observer.settle())
    lost = [dict(delta.by(name, "reason", "protocol")) for name in SAID]
    for name in LOADS:
        _, family, _, server, served, labels = LOADS[name]
        total = Counter()
        for service, (_, answered) in crowds.ledgers.items():
            if service.startswith(name):
                truth = answered - begin[service]
                total += truth
                ours = delta.by(family, *labels, service=service)
                if ours - truth or (exact and ours != truth):
                    yield f"{what}: {service}: {dict(ours)} of {dict(truth)}; lost {lost}"
        ours = delta.by(served, *labels, service=server)
        if ours - total or (exact and ours != total):
            yield f"{what}: {server}: {dict(ours)} of {dict(total)}; lost {lost}"
        if not exact and not said(delta) and ours != total:
            yield f"{what}: {server}: short, and nothing said"


def wrong_gauges(observer, clients):
    """Unless so many connections are open, by protocol, within the observer's rhythm."""
    deadline = time.monotonic() + 4
    while True:
        scrape = observer.scrape()
        found = (scrape.total("redis_connections"), scrape.total("db_connections"),
                 scrape.total("http_connections", role="client"),
                 scrape.total("http_connections", role="server"))  # fmt: skip
        if found == (clients,) * 4:
            return
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    yield f"connections: {found}, open {clients} each"


def loss_lines(observer):
    return [line for line in observer.log_lines() if "lost" in line["message"]]


def add_means(moments, theirs, means):
    """By load: the mean of what was seen, of all there was at those moments, and the client's."""
    for name, mean in theirs.items():
        means.setdefault(name, []).append((*moments.means(name), mean))


class Moments:
    """What an observer that loses and a witness with room for everything saw until when: a storm
    slows down and speeds up, so what was seen can only be held against what there was just then.

    Both are asked every BEAT; only the witness while the other one is held. What the other tells of
    next is all there was since it went on, and what its ring had room for: the first while it was
    held.
    """

    BEAT = 0.2

    def __init__(self, observer, witness):
        self.observer, self.witness = observer, witness
        self.asking = threading.Lock()
        self.held = False
        self.points = []  # (the observer's scrape or None, the witness's)

    def ask(self):
        with self.asking:
            ours = None if self.held else self.observer.scrape()
            self.points.append((ours, self.witness.scrape()))

    @contextmanager
    def watched(self):
        """While a storm is going on; the first and the last moments are calm."""
        over = threading.Event()

        def watch():
            while not over.wait(self.BEAT):
                self.ask()

        self.points = [(self.observer.settle(), self.witness.settle())]
        with ThreadPoolExecutor() as pool:
            watcher = pool.submit(watch)
            try:
                yield self
            finally:
                over.set()
            watcher.result()
        self.points.append((self.observer.settle(), self.witness.settle()))

    @contextmanager
    def hold(self):
        """The observer sleeps meanwhile."""
        for held, number in (True, signal.SIGSTOP), (False, signal.SIGCONT):
            self.ask()
            with self.asking:
                self.held = held
                self.observer.process.send_signal(number)
            if held:
                yield

    def means(self, name):
        """Of a load's exchanges the mean of those the observer saw, and of as many that were the
        witness's from the same moments on."""
        service, family = LOADS[name][0], LOADS[name][2]

        def book(scrape):
            return [scrape.total(f"{family}_{part}", service=service) for part in ("count", "sum")]

        seen = true = total = 0
        before, all_ = book(self.points[0][0]), [book(self.points[0][1])]
        for ours, whole in self.points[1:]:
            all_.append(book(whole))
            if ours is not None:
                count, sum_ = (b - a for a, b in zip(before, book(ours), strict=True))
                seen, total, true = seen + count, total + sum_, true + of_those(all_, count)
                before, all_ = book(ours), all_[-1:]
        assert seen > 0, f"{name}: nothing observed"
        return total / seen, true / seen


def of_those(books, count):
    """The time of so many: since the last but one of `books`, which are counts and times in all by
    then; what is more from the first on. Where there are not as many, at the mean of those."""
    time_ = found = 0
    for (before, spent), (after, by_then) in pairwise(books[-2:] + books[:-1]):
        taken = min(count - found, after - before)
        if taken > 0:
            time_ += (by_then - spent) * taken / (after - before)
            found += taken
    return time_ * count / found if found else 0


def wrong_storm(bed, servers, moments, seconds, during, means):
    """A storm, then calm: complaints, and the means of both that are to be compared."""
    wrong = []
    observer = moments.observer
    with Crowds(bed, crowds_of(*servers, "kept")) as kept:
        kept.ask("step", 1)
        books = Books(*servers, kept)
        with observer.window(exact=False) as window, moments.watched():
            kept.ask("run")
            theirs = storm(bed, *servers, seconds, during)
            kept.ask("hold")
        wrong += wrong_counts(window, books.close(), exact=not said(window.delta))
        add_means(moments, theirs, means)
        wrong += wrong_gauges(observer, 10)
        wrong += wrong_crowds(observer, kept, "kept, two batches", False, 2)
        wrong += wrong_crowds(observer, kept, "kept, after two batches", True, 3)
        with Crowds(bed, crowds_of(*servers, "fresh")) as fresh:
            wrong += wrong_crowds(observer, fresh, "fresh", True, 3)
    wrong += wrong_gauges(observer, 0)
    return wrong, window


def apart(means):
    """The loads of which no measurement is within 10 % of what all had, or of the client's. With
    the sanitizers, whose time is not the observer's own, two of them take the processors for far
    longer than what they are to measure."""
    if sanitized():
        return {}
    return {
        name: found
        for name, found in means.items()
        if not any(abs(ours - true) <= 0.1 * true for ours, *truths in found for true in truths)
    }


def weather(bed, servers, observer, witness, seconds, during=None):
    """A storm with all that must hold; then up to two more where a mean is not near yet."""
    means, moments = {}, Moments(observer, witness)
    during = partial(during, moments) if during else None
    wrong, window = wrong_storm(bed, servers, moments, seconds, during, means)
    lost = window.delta.by("onlooker_events_lost_total", "reason")
    for _ in range(2):
        if apart(means):
            with moments.watched():
                theirs = storm(bed, *servers, seconds, during)
            add_means(moments, theirs, means)
    wrong += [f"means: {apart(means)}"] if apart(means) else []
    lines = loss_lines(observer)
    wrong += [f"log: {lines}"] if len(lines) != 1 else []
    observer.stop()
    assert not wrong, "\n".join(wrong)
    assert lost["ring_full"] > 100, f"no test of losses: {lost}"


@pytest.fixture
def witness(bed, start_observer):
    """Sees everything, so that the mean of a part can be compared with that of the whole."""
    observer = start_observer(bed.watch() | {"limits": {"ring_bytes": 1 << 28}})
    yield observer
    observer.stop()


def test_ring_too_small(bed, redis, postgres, nginx, start_observer, witness):
    observer = start_observer(bed.watch() | {"limits": {"ring_bytes": 65536}})
    weather(bed, (redis, postgres, nginx), observer, witness, 3)


def test_reader_stopped(bed, redis, postgres, nginx, start_observer, witness):
    observer = start_observer(bed.watch())

    def stopped(moments):
        """Connections that come and go meanwhile are in none of its records."""
        time.sleep(0.5)
        with moments.hold():
            time.sleep(5)

    weather(bed, (redis, postgres, nginx), observer, witness, 6, stopped)


def crowd(port, count, depth):
    return {"kind": "redis", "where": port, "count": count, "depth": depth, "manner": "turns",
            "warm": 0}  # fmt: skip


def test_more_connections_than_the_limit(bed, redis, start_observer):
    watch = {"include": [{"port": redis.port}]}
    observer = start_observer({"watch": watch, "limits": {"connections": 16}})
    with Crowds(bed, {"redis-limit-many.py": crowd(redis.port, 100, 1)}) as many:
        wrong = list(wrong_crowds(observer, many, "100 of 16", False, 3))
        scrape = observer.scrape()
        assert scrape.total("onlooker_connections_tracked") <= 16
        assert scrape.total("onlooker_events_lost_total") >= 100
        assert scrape.total("redis_connections") <= 16
    wait_until(lambda: observer.scrape().total("onlooker_connections_tracked") == 0, 5,
               what="tracked connections 0")  # fmt: skip
    with Crowds(bed, {"redis-limit-few.py": crowd(redis.port, 6, 4)}) as few:
        wrong += wrong_crowds(observer, few, "6 of 16", True, 3)
        assert observer.scrape().total("redis_connections") == 6
    wait_until(lambda: observer.scrape().total("redis_connections") == 0, 4)
    assert len(loss_lines(observer)) == 1
    observer.stop()
    assert not wrong, "\n".join(wrong)


def test_more_requests_than_the_limit(bed, redis, start_observer):
    """A pipeline of 128 where 16 may wait; then one of 8 on the same connections and on others."""
    observer = start_observer(bed.watch() | {"limits": {"open_requests": 16}})
    with Crowds(bed, {"redis-open-deep.py": crowd(redis.port, 5, 128)}) as deep:
        wrong = list(wrong_crowds(observer, deep, "128 of 16", False, 3))
        assert observer.scrape().total("onlooker_events_lost_total", reason="open_requests") > 0
        with Crowds(bed, {"redis-open-flat.py": crowd(redis.port, 5, 8)}) as flat:
            wrong += wrong_crowds(observer, flat, "8 of 16", True, 3)
        wrong += wrong_crowds(observer, deep, "128 of 16 again", False, 2)
    wait_until(lambda: observer.scrape().total("redis_connections") == 0, 4)
    assert len(loss_lines(observer)) == 1
    observer.stop()
    assert not wrong, "\n".join(wrong)


@pytest.mark.skipif(sanitized(), reason="with the sanitizers the start itself takes longer")
def test_others_while_it_starts(bed, start_observer):
    """Until programs are known not to be watched they write into the ring, too: from the moment on
    that the kernel's side is there it is read, whatever else is to be done (here: tried)."""
    port = free_port()
    server = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", ""]
    load = ["redis-benchmark", "-p", port, "-q", "-n", "100000000", "-c", "8", "-P", "8",
            "-d", "3000", "-t", "set"]  # fmt: skip
    config = bed.watch() | {"limits": {"ring_bytes": 1 << 23},
                            "traces": {"endpoint": "http://127.0.0.1:9"}}  # fmt: skip
    with bed.start("others-server", server, watched=False) as others:
        others.wait_for(lambda: accepts(port))
        with bed.start("others-load", load, watched=False) as client:
            for _ in range(3):
                observer = start_observer(config)
                lost = observer.scrape().by("onlooker_events_lost_total", "reason")
                assert client.process.poll() is None, client.log_text()
                observer.stop()
                assert not lost
