# SPDX-License-Identifier: Apache-2.0
"""Memory: whatever traffic asks for, the observer stays below `memory_limit`, counts what it could
not follow, and counts exactly again once the storm is over."""

import json
import socket
import sys
import time

import pytest
from lib.metrics import Delta
from lib.observer import sanitized
from lib.process import HERE, wait_until

pytestmark = pytest.mark.skipif(sanitized(), reason="the sanitizers take far more memory")

LIMIT = 64 << 20
LEAST = 32 << 20
PATHS = 150_000
CALM = 10 << 20  # more than at the start, once all is over: tables stay


class Footprint:
    """What the kernel says of the observer's memory."""

    def __init__(self, observer):
        self.pid = observer.process.pid

    def _read(self, name):
        with open(f"/proc/{self.pid}/status") as file:
            for line in file:
                if line.startswith(name + ":"):
                    return int(line.split()[1]) << 10
        raise AssertionError(name)

    def now(self):
        return self._read("VmRSS")

    def most(self):
        return self._read("VmHWM")

    def forget(self):
        with open(f"/proc/{self.pid}/clear_refs", "w") as file:
            file.write("5")


@pytest.fixture(scope="module")
def usual(bed, start_observer):
    observer = start_observer()
    observer.limit, observer.start = LIMIT, Footprint(observer).now()
    return observer


@pytest.fixture(scope="module")
def least(bed, start_observer):
    observer = start_observer(bed.watch() | {"memory_limit": LEAST})
    observer.limit, observer.start = LEAST, Footprint(observer).now()
    return observer


class Storm:
    """One function of clients/storm.py: `with` it, the storm has come and all is held open."""

    def __init__(self, bed, function, *args):
        command = [sys.executable, HERE / "client.py", f"storm.{function}", json.dumps(args)]
        self.process = bed.start(f"storm-{function}", command, stdin=True)

    def __enter__(self):
        self.process.wait_for(lambda: "held" in self.process.log_text(), 60)
        return self

    def __exit__(self, *_):
        self.process.process.stdin.close()
        status = self.process.process.wait(30)
        self.process.stop()
        assert status == 0, self.process.log_text()


def lost(scrape, *reasons):
    by_reason = scrape.by("onlooker_events_lost_total", "reason")
    return sum(by_reason[reason] for reason in reasons)


def weather(bed, observer, nginx, reasons, function, *args):
    """The storm comes and goes; afterwards counts are exact. Returns the scrape amidst it."""
    footprint = Footprint(observer)
    footprint.forget()
    before = footprint.now()
    reasons_before = lost(observer.settle(), *reasons)
    with Storm(bed, function, *args):
        amidst = observer.settle(seconds=2)
        if reasons:
            assert lost(amidst, *reasons) > reasons_before, amidst.by(
                "onlooker_events_lost_total", "reason"
            )
    print(f"{function} {args}: {footprint.most() >> 10} KiB at most, before {before >> 10}")
    assert footprint.most() <= observer.limit
    wait_until(lambda: observer.scrape().total("onlooker_connections_tracked") < 100, 10)
    wait_until(lambda: footprint.now() < observer.start + CALM, 10, what="memory given back")
    print(f"given back: {footprint.now() >> 10} KiB")
    with observer.window(exact=False) as window:
        bed.call("web.keepalive", nginx.port, 500, "/hello")
    for name in ("http_requests_total", "http_client_requests_total"):
        assert window.counts(name, "method", "status") == {("GET", "200"): 500}
    assert footprint.most() <= observer.limit
    return amidst


FULL = ["stream_memory", "connection_memory", "connections"]


def test_half_requests(bed, nginx, usual):
    weather(bed, usual, nginx, FULL, "halves", 20000, 6000)


def test_half_requests_in_least(bed, nginx, least):
    weather(bed, least, nginx, FULL, "halves", 8000, 6000)


def test_one_unanswered(bed, nginx, usual):
    amidst = weather(bed, usual, nginx, ["open_requests"], "unanswered", 1, 100_000, "redis")
    assert amidst.total("onlooker_requests_unpaired_total") >= 65536


def test_many_unanswered(bed, nginx, usual):
    weather(bed, usual, nginx, ["open_requests"], "unanswered", 300, 3000, "http")


def test_many_unanswered_in_least(bed, nginx, least):
    weather(bed, least, nginx, ["open_requests"], "unanswered", 300, 1000, "redis")


def test_many_paths(bed, nginx, usual):
    before = usual.scrape()
    amidst = weather(bed, usual, nginx, [], "paths", PATHS)
    window = Delta(before, amidst)
    assert window.total("onlooker_series_dropped_total", metric="http_requests_total") > 0
    missed = window.by("onlooker_events_lost_total", "reason")
    # A full ring is the processors' doing: nothing is lost for lack of memory.
    assert missed.keys() <= {"ring_full", "recursion"}
    assert window.total("http_requests_total", service="client.py") == PATHS or missed
    assert window.total("http_requests_total", service="client.py", endpoint="other") > PATHS / 2


@pytest.mark.parametrize("name", ["usual", "least"])
def test_slow_scrapers(name, request):
    """Scrapes that are asked for and not read do not stand in the way of one that is."""
    observer = request.getfixturevalue(name)
    footprint = Footprint(observer)
    sockets = [socket.socket() for _ in range(60)]
    for one in sockets:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.connect(("127.0.0.1", observer.port))
        one.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
    time.sleep(0.5)
    assert observer.scrape().total("process_resident_memory_bytes") <= observer.limit
    assert footprint.most() <= observer.limit
    for one in sockets:
        one.close()
