# SPDX-License-Identifier: Apache-2.0
"""Traces of unmodified programs: below each request what was asked for it, and nothing else."""

import http.client
import shutil
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager

import pytest
from lib.process import HERE, accepts
from lib.traced import (
    FIRST,
    FLIGHT,
    FOUND,
    REQUESTS,
    STEP,
    all_right,
    judge,
    load,
    observing,
    service,
    settle,
)
from lib.traces import ERROR, asked_by, commands_of, statements_of

ENDPOINTS = ("async", "sync", "tothread", "executor", "gather", "stream", "depends")


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("below", ["", "1"], ids=["bare", "middleware"])
def test_right_parents(bed, postgres, redis, start_observer, receiver, loop, below):
    with (
        observing(start_observer, bed, receiver) as observer,
        service(bed, postgres, redis, "--loop", loop, env={"MW": below}) as port,
    ):
        begin = load(bed, port, ENDPOINTS)
        traces, scrape = settle(observer, receiver)
    found = {path: judge(traces, path, FIRST + i * STEP) for i, path in enumerate(ENDPOINTS)}
    assert all_right(found, scrape), found
    unseen = sum(one["unseen"] for one in found.values())
    assert len(traces.orphans(begin)) <= unseen * 12


def test_what_spans_say(bed, postgres, redis, start_observer, receiver):
    """The caller's trace goes on, statements are shown without their literals, heads in part."""
    trace, caller = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    headers = {"traceparent": f"00-{trace}-{caller}-01", "tracestate": "a=b", "User-Agent": "e2e/1",
               "Cookie": "S3CRETC", "Authorization": "S3CRETA"}  # fmt: skip
    number = FIRST + 254 - FIRST % 255  # all commands
    with (
        observing(start_observer, bed, receiver) as observer,
        service(bed, postgres, redis) as port,
    ):
        load(bed, port, ["async"])
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for given in ({}, headers, {"traceparent": headers["traceparent"].upper()}):
            connection.request("GET", f"/async/{number}?S3CRETQ", headers=given)
            assert connection.getresponse().read()
        traces, _ = settle(observer, receiver)
    spans = [span for span in traces.spans if span["url.path"] == f"/async/{number}"]
    plain, told, malformed = sorted(spans, key=lambda span: span.begin)[-3:]
    assert (told.trace, told.parent, told.flags & 1, told.state) == (trace, caller, 1, "a=b")
    assert plain.trace != trace and malformed.trace != trace and not malformed.parent
    assert told["user_agent.original"] == "e2e/1" and told["url.scheme"] == "http"
    assert (told["network.protocol.version"], told["server.address"]) == ("1.1", "127.0.0.1")
    assert told["server.port"] == port and told["http.route"] == "/async/{id}"
    texts = {child["db.operation.name"]: child["db.query.text"] for child in told.children}
    shown = {"SHOW": "SHOW server_version", "EXPLAIN": "EXPLAIN SELECT ?",
             "SET": "SET application_name = ?", "DO": "DO ?"}  # fmt: skip
    assert {verb: texts[verb] for verb in statements_of(number)} == {
        verb: shown[verb] for verb in statements_of(number)
    }
    assert set(commands_of(number)) < set(texts)
    assert all(texts[name].startswith(f"{name} ") for name in commands_of(number))


def test_background(bed, postgres, redis, start_observer, receiver):
    """What goes on after the answer is that request's or nobody's."""
    with (
        observing(start_observer, bed, receiver) as observer,
        service(bed, postgres, redis) as port,
    ):
        load(bed, port, ["background"])
        traces, _ = settle(observer, receiver)
    found = judge(traces, "background", FIRST)
    assert not found["wrong"] and found["unseen"] < REQUESTS / 20, found


def test_two_services(bed, postgres, redis, start_observer, receiver):
    """One calls the other: one trace, without any header."""
    with (
        observing(start_observer, bed, receiver) as observer,
        service(bed, postgres, redis, name="traces-inner") as inner,
        service(bed, postgres, redis, env={"NEXT": str(inner)}) as port,
    ):
        load(bed, port, ["next"])
        traces, scrape = settle(observer, receiver)
    assert scrape.total("onlooker_traces_split_total") == 0
    assert all_right({"async": judge(traces, "async", FIRST)}, scrape)
    outers = traces.served(FIRST, REQUESTS, "next")
    linked = 0
    for number, [outer] in outers.items():
        [call] = [child for child in outer.children if child["http.request.method"]]
        assert call["url.path"] == f"/async/{number}"
        for inner in call.children:
            assert inner["url.path"] == call["url.path"] and inner.trace == outer.trace
            linked += 1
        # The client was watched, too: its call is the root.
        caller = traces.parent(outer)
        assert not caller or (caller["url.path"] == outer["url.path"] and not caller.parent)
    # The first request of a connection may come before both of its ends are known as such.
    assert linked >= REQUESTS - FLIGHT


PLAIN = """
import http.server, os, sys, socketserver, threading
import redis
from lib.traces import commands_of

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.redis = redis.Redis(port=int(os.environ["TASKS_REDIS"]))

    def do_GET(self):
        number = int(self.path.partition("?")[0].rpartition("/")[2])
        for name in commands_of(number):
            self.redis.execute_command(name, "key")
        body = f"ZID{number}Z".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128

Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def test_thread_for_each(bed, redis, start_observer, receiver):
    """A server with a thread for each connection: threads are all that is known."""
    port = bed.port()
    env = {"TASKS_REDIS": str(redis.port), "PYTHONPATH": str(HERE)}
    with (
        observing(start_observer, bed, receiver) as observer,
        bed.start("traces-plain", [sys.executable, "-c", PLAIN, port], env=env) as process,
    ):
        process.wait_for(lambda: accepts(port))
        load(bed, port, ["plain"])
        traces, _ = settle(observer, receiver)
    served = traces.served(FIRST, REQUESTS, "plain")
    right = sum(traces.calls(span) == Counter(commands_of(number))
                for number, [span] in served.items())  # fmt: skip
    wrong = sum(bool(traces.calls(span) - Counter(commands_of(number)))
                for number, [span] in served.items())  # fmt: skip
    assert (len(served), right, wrong) == (REQUESTS, REQUESTS, 0)


@pytest.fixture
def goroutines(bed, redis):
    """A program that asks three times for each request: starts it, and tells its port."""
    if not shutil.which("go"):
        pytest.skip("no Go")
    port, program = bed.port(), bed.folder / "traces-go"
    subprocess.run(["go", "build", "-o", program, HERE / "apps" / "tasks.go"], check=True)

    @contextmanager
    def start():
        with bed.start("traces-go", [program, port, redis.port]) as process:
            process.wait_for(lambda: accepts(port))
            yield port

    return start


def assert_three_each(traces):
    served = traces.served(FIRST, REQUESTS, "x")
    calls = Counter(traces.calls(span)["GET"] for [span] in served.values())
    assert (len(served), calls) == (REQUESTS, {3: REQUESTS})


def test_goroutines(bed, goroutines, start_observer, receiver):
    with observing(start_observer, bed, receiver) as observer, goroutines() as port:
        load(bed, port, ["x"])
        traces, _ = settle(observer, receiver)
    assert_three_each(traces)


def test_found_under_load(bed, goroutines, start_observer, receiver):
    """Until the goroutines are found threads have many requests at once: that is said of threads
    only."""
    under_way = bed.folder / "under-way"
    under_way.touch()
    with (
        goroutines() as port,
        bed.start_call("marked.load_while", port, "x", FLIGHT, str(under_way)) as busy,
    ):
        time.sleep(FOUND)
        with observing(start_observer, bed, receiver) as observer:
            time.sleep(FOUND)
            under_way.unlink()
            busy.process.wait(60)
            load(bed, port, ["x"])
            traces, _ = settle(observer, receiver)
    assert_three_each(traces)


def test_failed_ones_are_kept(bed, postgres, redis, start_observer, receiver):
    with (
        observing(
            start_observer, bed, receiver, sampler="parentbased_traceidratio", ratio=0.1, slow=60
        ) as observer,
        service(bed, postgres, redis) as port,
    ):
        bed.call("marked.fail", port, "fail", 100, FIRST)
        load(bed, port, ["async"])
        traces, _ = settle(observer, receiver)
    failed = traces.served(FIRST, REQUESTS, "fail")
    assert len(failed) == 100
    assert all(span.status == ERROR and span.name == "GET /fail/{id}" and
               span["error.type"] == "500" for [span] in failed.values())  # fmt: skip
    kept = traces.served(FIRST, REQUESTS, "async")
    assert 5 < len(kept) < 80
    for number, [span] in kept.items():
        assert traces.calls(span) == asked_by(number)


def test_off(bed, redis, start_observer):
    """Without traces there is nothing of them."""
    observer = start_observer()
    bed.run(["redis-cli", "-p", redis.port, "ping"])
    assert not list(observer.scrape().select("onlooker_traces_total"))
