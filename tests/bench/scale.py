# SPDX-License-Identifier: Apache-2.0
"""Many connections at once, and many new ones a second: what the observer takes, how long a scrape
takes meanwhile, and whether its counts are the servers' own."""

import subprocess
import sys
import threading
import time
from pathlib import Path
from statistics import median

from beds import HERE
from lib.metrics import Delta
from lib.observer import binary
from report import Row
from watchers import Watching, processor_seconds

SECTION = "Scale"
OPEN = 10000
# Of these: the bytes of their unfinished questions fit into the default limits, and do not.
SLOW = 1000, 5000
NEW, NEW_SECONDS = 5000, 10
HELD_SECONDS = 10
MEBIBYTE = 1 << 20


class Scrapes:
    """A scrape every fifth of a second within: how long each took, the most memory said."""

    def __init__(self, observer):
        self.observer = observer
        self.seconds, self.resident = [], []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        while not self.over.wait(0.2):
            begin = time.perf_counter()
            _, _, text = self.observer.get("/metrics")
            self.seconds.append(time.perf_counter() - begin)
            line = text.partition("\nprocess_resident_memory_bytes ")[2].partition("\n")[0]
            self.resident.append(float(line))

    def __enter__(self):
        self.begun = time.monotonic()
        self.processor = processor_seconds(self.observer.process.pid)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        spent = processor_seconds(self.observer.process.pid) - self.processor
        self.share = spent / (time.monotonic() - self.begun)


# By server: label of the protocol, families of its side and of its clients'.
SERVERS = {
    "nginx": ("http", "http_requests_total", "http_client_requests_total"),
    "redis": ("redis", "redis_server_commands_total", "redis_commands_total"),
}


class Books:
    """What the two servers book from now on: {server: {"connections": n, "exchanges": n}}."""

    def __init__(self, site):
        self.site = site
        self.redis = site.redis.book()
        self.begun = self._read()

    def _read(self):
        web = self.site.nginx.book()
        stats = self.redis.info("stats")
        cache = (stats["total_connections_received"], stats["total_commands_processed"])
        return {
            "nginx": dict(zip(("connections", "exchanges"), web, strict=True)),
            "redis": dict(zip(("connections", "exchanges"), map(int, cache), strict=True)),
        }

    def grown(self):
        """Since then, without what was asked for this."""
        now = self._read()
        self.redis.close()
        for server, counts in now.items():
            for what in counts:
                asked = server == "nginx" or what == "exchanges"
                counts[what] -= self.begun[server][what] + asked
        return now


def seen(delta, server, role):
    """What the observer says, in the words of Books."""
    protocol, *families = SERVERS[server]
    family = families[role == "client"]
    opened = delta.total("tcp_connections_opened_total", role=role, protocol=protocol)
    return {"connections": int(opened), "exchanges": int(delta.total(family))}


def losses(delta):
    """What the observer says that it missed, by reason or protocol."""
    names = ("onlooker_events_lost_total", "onlooker_stream_gaps_total")
    return [(labels, n) for name in names for labels, n in delta.select(name) if n]


def judge(report, name, delta, books, goal="= 0"):
    """Nothing is missing, or what is missing is counted; nothing is ever too much."""
    lost, missing = losses(delta), 0
    for server, booked in books.items():
        for role in ("server", "client"):
            for what, got in seen(delta, server, role).items():
                said = f"{name}: {what} of {server}, its {role}s' side: {got} of {booked[what]}"
                assert got == booked[what] or (got < booked[what] and lost), said
                missing += booked[what] - got
    total = sum(sum(booked.values()) for booked in books.values())
    note = f"{total} connections and exchanges at either end; reported lost: {lost or 0}"
    report.add(
        Row(SECTION, f"{name}: missing, by the servers' books", "", missing, goal=goal, note=note)
    )


def figures(report, name, scrapes, note):
    report.add(Row(SECTION, f"{name}: resident memory", "MiB", max(scrapes.resident) / MEBIBYTE,
                   note=note))  # fmt: skip
    report.add(Row(SECTION, f"{name}: share of a processor", "", scrapes.share))
    times = [seconds * 1000 for seconds in scrapes.seconds]
    report.add(Row(SECTION, f"{name}: scrape", "ms", median(times), min(times), max(times)))


def held(report, site, slow, goal):
    name = f"{OPEN} open connections, {slow} of them slow"
    command = [sys.executable, HERE / "slow.py", OPEN, slow, site.nginx.port, site.redis.port]
    with Watching(site) as watching:
        observer, books = watching.observer, Books(site)
        before = observer.settle()
        process = subprocess.Popen(site.bed.group.command(command), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)  # fmt: skip
        assert process.stdout.readline() == "ready\n", "the client failed"
        with Scrapes(observer) as scrapes:
            time.sleep(HELD_SECONDS)
        open_now = observer.scrape()
        out, _ = process.communicate("")
        made = [int(word) for word in out.split()]
        after = observer.settle()
        book = books.grown()
    ends = {role: open_now.total("http_connections", role=role) for role in ("server", "client")}
    ends["redis"] = open_now.total("redis_connections")
    assert set(ends.values()) == {OPEN / 2}, f"open: {ends}"
    assert made == [counts["exchanges"] for counts in book.values()], f"{made} asked, {book}"
    tracked = open_now.total("onlooker_connections_tracked")
    figures(report, name, scrapes, f"{tracked:.0f} ends tracked, {sum(made)} exchanges")
    judge(report, name, Delta(before, after), book, goal)


def stormed(report, site):
    name = f"{NEW} new connections a second"
    storm = Path(binary()).parent / "bench" / "storm"
    command = [storm, NEW, NEW_SECONDS, site.nginx.port, site.redis.port]
    with Watching(site) as watching:
        books = Books(site)
        before = watching.observer.settle()
        with Scrapes(watching.observer) as scrapes:
            *made, seconds = (float(word) for word in site.bed.run(command).split())
        after = watching.observer.settle()
        book = books.grown()
    assert made == [counts["connections"] for counts in book.values()], f"{made} made, {book}"
    note = f"{sum(made) / float(seconds):.0f} a second were made"
    figures(report, name, scrapes, note)
    judge(report, name, Delta(before, after), book)


def measure(report, site):
    for slow, goal in zip(SLOW, ("= 0", ""), strict=True):
        held(report, site, slow, goal)
    stormed(report, site)
