# SPDX-License-Identifier: Apache-2.0
"""The exporter of spans before real receivers, and before one that does what it should not."""

import email.utils
import itertools
import os
import re
import socket
import time

import pytest
from lib import backends
from lib.exporter import QUICK, Exporter
from lib.observer import sanitized
from lib.process import free_port, wait_until
from lib.receiver import (
    Receiver,
    late,
    nonsense,
    partial_success,
    reply,
    reset_in_answer,
    reset_in_body,
)

# No push waits for anything; what else runs here may still take the processor away.
PUSH_SECONDS = 0.5
GROWTH = 3 << 20


def all_out(books):
    return books["queued"] == 0


def dropped(books, reason):
    """What was dropped, which must be for this reason only."""
    others = {name: n for name, n in books["dropped"].items() if n and name != reason}
    assert not others, books
    return books["dropped"][reason]


# ---- real receivers ----


@pytest.fixture(scope="module")
def collector(bed):
    server = backends.Collector(bed)
    yield server
    server.stop()


def received(collector, name, count):
    def found():
        spans = [span for span in collector.spans() if span["Name"] == name]
        return spans if len(spans) >= count else None

    spans = wait_until(found, what=f"{count} spans {name}")
    assert len(spans) == count
    return spans


def test_collector(collector, tmp_path):
    """Named by the general variable, as a base: every field as it was pushed."""
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://localhost:{collector.port}",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=a%20test,host.name=named",
    }
    begin = time.time_ns()
    with Exporter(tmp_path, QUICK, env) as exporter:
        exporter.tell("requests 20")
        exporter.wait_for(lambda books: books["exported"] == 60)
        pid = exporter.process.pid
    end = time.time_ns()
    servers = received(collector, "GET /api/travels/{id}", 20)
    queries = received(collector, "SELECT travels", 20)
    parents = {span["ID"]: span for span in servers}
    assert len({span["Trace ID"] for span in servers}) == 20
    for span in servers:
        assert span["Kind"] == "Server" and span["Parent ID"] == ""
        assert span["Status code"] == "Error" and span["TraceState"] == "vendor=value"
        assert span["attributes"] == {
            "http.request.method": "Str GET",
            "http.route": "Str /api/travels/{id}",
            "url.path": "Str /api/travels/7",
            "http.response.status_code": "Int 500",
            "onlooker.queue.duration": "Double 0.25",
        }
        resource = span["resource"]
        assert resource["service.name"] == "Str spans"
        assert resource["process.pid"] == f"Int {pid}"
        assert resource["host.name"] == "Str named"
        assert resource["deployment.environment.name"] == "Str a test"
    for span in queries:
        assert span["Kind"] == "Client" and span["Status code"] == "Unset"
        assert parents[span["Parent ID"]]["Trace ID"] == span["Trace ID"]
        assert span["attributes"]["db.query.text"] == "Str SELECT * FROM travels WHERE id = ?"
    times = [re.sub(r" \+0000 UTC$", "", span["Start time"]) for span in servers]
    for text in times:
        whole, _, fraction = text.partition(".")
        at = int(time.mktime(time.strptime(whole, "%Y-%m-%d %H:%M:%S"))) - time.timezone
        at = at * 10**9 + int(fraction.ljust(9, "0"))
        assert begin - 5 * 10**7 < at < end


def test_texts(collector, export):
    """What is no UTF-8 is replaced, what is too long is cut between characters: the collector
    refuses a batch otherwise."""
    with export(collector) as exporter:
        exporter.tell("odd")
        exporter.wait_for(lambda books: books["exported"] == 1)
    [span] = received(collector, "odd \N{REPLACEMENT CHARACTER} name", 1)
    attributes = span["attributes"]
    bad = "\N{REPLACEMENT CHARACTER}"
    assert attributes["url.path"] == f"Str /{bad}(/{bad * 3}/\U0001f600"
    assert attributes["user_agent.original"] == "Str a\0b"
    assert attributes["server.port"] == f"Int {-(2**63)}"
    query = attributes["db.query.text"].removeprefix("Str ")
    assert query == "y" + "ä" * 2047
    error = attributes["error.type"].removeprefix("Str ")
    assert set(error) == {bad} and 1000 < len(error.encode()) <= 4096


def test_owners(collector, export):
    """More processes than are kept at once: each span is with its own."""
    with export(collector, batch=64, compression="none") as exporter:
        exporter.tell("owners 1000")
        exporter.wait_for(lambda books: books["exported"] == 1000)
    spans = received(collector, "owned", 1000)
    for span in spans:
        number = int.from_bytes(bytes.fromhex(span["Trace ID"])[8:], "little")
        assert span["resource"]["process.pid"] == f"Int {100000 + number}"


def test_jaeger(bed, export):
    jaeger = backends.Jaeger(bed)
    try:
        with export(jaeger) as exporter:
            exporter.tell("requests 5")
            exporter.wait_for(lambda books: books["exported"] == 15)
        operation = "GET%20/api/travels/%7Bid%7D"
        path = f"traces?service=spans&operation={operation}&limit=100"
        traces = wait_until(lambda: jaeger.ask(path), what="the traces")
        assert jaeger.ask("services") == ["spans"]
    finally:
        jaeger.stop()
    assert len(traces) == 5
    for trace in traces:
        spans = {span["operationName"]: span for span in trace["spans"]}
        assert set(spans) == {"GET /api/travels/{id}", "SELECT travels", "GET"}
        server = spans.pop("GET /api/travels/{id}")
        assert server["references"] == [] and server["duration"] == 5000
        tags = {tag["key"]: tag["value"] for tag in server["tags"]}
        assert tags["http.route"] == "/api/travels/{id}"
        assert tags["http.response.status_code"] == 500
        assert tags["span.kind"] == "server" and tags["error"] is True
        assert tags["w3c.tracestate"] == "vendor=value"
        for span in spans.values():
            [reference] = span["references"]
            assert reference["refType"] == "CHILD_OF"
            assert reference["spanID"] == server["spanID"]
        process = trace["processes"][server["processID"]]
        assert process["serviceName"] == "spans"
        assert {"process.pid", "host.name"} <= {tag["key"] for tag in process["tags"]}


# ---- what is posted ----


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_request(export, compression):
    headers = {"Authorization": "Basic c2VjcmV0", "x-empty": "", "X-Scope": "a=b, c"}
    with (
        Receiver() as receiver,
        export(receiver, compression=compression, headers=headers) as exporter,
    ):
        for done in (512, 1024, 1536):
            exporter.tell("requests 171")
            exporter.wait_for(lambda books, done=done: books["exported"] >= done)
        exporter.wait_for(all_out)
        posts = receiver.got()
    assert sum(len(post.spans) for post in posts) == 3 * 513
    assert max(len(post.spans) for post in posts) == 512
    assert len({post.client for post in posts}) == 1, "a connection for each"
    for post in posts:
        assert post.path == "/v1/traces"
        assert post.headers["Content-Type"] == "application/x-protobuf"
        assert post.headers["Content-Encoding"] == (None if compression == "none" else "gzip")
        assert re.fullmatch(r"onlooker/\d+\.\d+\.\d+", post.headers["User-Agent"])
        assert "Expect" not in post.headers and "Transfer-Encoding" not in post.headers
        for name, value in headers.items():
            assert post.headers.get_all(name) == [value]
        for begin, end in post.times():
            assert end - begin == 5_000_000 and abs(time.time_ns() - end) < 60 * 10**9
    full = [post for post in posts if len(post.spans) == 512]
    assert all((post.size < 20_000) == (compression == "gzip") for post in full)


def test_delay(export):
    """A batch that is not full waits for others, a full one for nothing."""
    with Receiver() as receiver, export(receiver, delay=2, batch=30) as exporter:
        begin = time.monotonic()
        exporter.tell("requests 12")
        wait_until(lambda: receiver.count() == 30, 1.5)
        wait_until(lambda: receiver.count() == 36)
        first, second = receiver.got()
        assert first.time - begin < 1.5 and 1.9 < second.time - first.time < 4


# ---- receivers that fail ----


def assert_untroubled(books, before):
    """Nobody waited, and nothing grew."""
    assert books["longest"] < PUSH_SECONDS * 1e9
    assert sanitized() or books["resident"] < before["resident"] + GROWTH, (before, books)


def test_away(export):
    """Nobody listens for a time and a half that a batch is tried: memory is bounded, every drop is
    counted, and afterwards all is as before."""
    port = free_port()
    with export(f"http://127.0.0.1:{port}/v1/traces", retry=2, queue=600) as exporter:
        before = exporter.tell("requests 1000")
        assert before["queued"] == 600 and dropped(before, "queue_full") == 2400
        warm = exporter.wait_for(lambda books: books["bad"])
        assert "refused" in warm["news"] or "connect" in warm["news"], warm
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            books = exporter.tell("requests 1000")
            assert books["queued"] <= 600
            time.sleep(0.1)
        assert books["dropped"]["unreachable"] >= 300 and books["failures"] >= 1
        assert books["retries"] >= 1
        assert_untroubled(books, warm)
        with Receiver(port=port) as receiver:
            exporter.wait_for(all_out, 40)
            books = exporter.tell("requests 100")
            books = exporter.wait_for(all_out)
            assert receiver.count() == books["exported"] > 300
            assert_untroubled(books, warm)


def test_silent(export):
    """It takes the request and never answers: each attempt has its time."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        with export(url, timeout=0.3, retry=2) as exporter:
            begin = time.monotonic()
            exporter.tell("requests 1")
            books = exporter.wait_for(lambda books: books["dropped"]["unreachable"])
            assert dropped(books, "unreachable") == 3 and books["failures"] == 1
            assert books["retries"] >= 1 and time.monotonic() - begin < 3
            assert_untroubled(books, books)


def test_slow(export):
    """Answers after ten seconds are answers; meanwhile the queue takes what it has room for."""
    with Receiver(late(10), answer=late(0.2)) as receiver, export(receiver, timeout=15) as exporter:
        exporter.tell("requests 10")
        wait_until(lambda: receiver.count() == 30)
        before = exporter.tell("requests 1000")
        assert dropped(before, "queue_full") == 30 + 3000 - 2048
        books = exporter.wait_for(all_out, 25)
        assert books["retries"] == 0 and books["exported"] == receiver.count() == 2048
        assert_untroubled(books, before)


def test_try_again(export):
    """With growing pauses, the same spans."""
    with Receiver(reply(502), reply(503), reply(504)) as receiver, export(receiver) as exporter:
        exporter.tell("requests 1")
        books = exporter.wait_for(lambda books: books["exported"] == 3, 20)
        assert books["retries"] == 3 and books["failures"] == 0
        posts = receiver.got()
    assert len({tuple(post.spans) for post in posts}) == 1
    pauses = [b.time - a.time for a, b in itertools.pairwise(posts)]
    for number, pause in enumerate(pauses):
        assert 0.5 * 2**number - 0.01 < pause < 2**number + 1, pauses


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after(export, form):
    """Counts for the batches behind it as well."""
    after = "3" if form == "seconds" else email.utils.formatdate(time.time() + 4.5, usegmt=True)
    with Receiver(reply(429, Retry_After=after)) as receiver:
        with export(receiver, batch=3) as exporter:
            exporter.tell("requests 2")
            exporter.wait_for(lambda books: books["exported"] == 6, 20)
            posts = receiver.got()
    pause = posts[1].time - posts[0].time
    assert (3 <= pause < 5) if form == "seconds" else (2 < pause < 6), pause


def test_retry_after_too_late(export):
    """Longer than a batch is tried: given up at once, and left alone until then."""
    with Receiver(reply(503, Retry_After="4")) as receiver:
        with export(receiver, retry=2) as exporter:
            exporter.tell("requests 1")
            exporter.wait_for(lambda books: books["dropped"]["unreachable"] == 3, 2)
            exporter.tell("requests 1")
            exporter.wait_for(lambda books: books["exported"] == 3)
            first, second = receiver.got()
    assert 4 <= second.time - first.time < 6


@pytest.mark.parametrize("status", [301, 400, 401, 404, 413, 500, 501])
def test_refused(export, status):
    """Other statuses mean never, redirections are not followed."""
    body = b"\x12\x0bbad things!"  # google.rpc.Status
    with Receiver(reply(status, body, Location="/other")) as receiver, export(receiver) as exporter:
        exporter.tell("requests 2")
        books = exporter.wait_for(lambda books: books["bad"])
        assert books["news"] == f"it answered with status {status}: bad things!"
        assert dropped(books, "refused") == 6 and books["failures"] == 1 and books["retries"] == 0
        exporter.tell("requests 1")
        books = exporter.wait_for(lambda books: not books["bad"])
        assert books["exported"] == 3
        assert len(receiver.got()) == 2


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"\x0a\x7f", os.urandom(20_000)])
def test_unclear(export, body):
    """A success that is none of OTLP (a captive portal): not tried again, counted apart."""
    with Receiver(reply(200, body)) as receiver, export(receiver) as exporter:
        exporter.tell("requests 1")
        books = exporter.wait_for(lambda books: books["bad"])
        assert "none of OTLP" in books["news"]
        assert dropped(books, "unclear") == 3 and books["failures"] == 1
        exporter.tell("requests 1")
        exporter.wait_for(lambda books: books["exported"] == 3)
        assert len(receiver.got()) == 2


@pytest.mark.parametrize("rejected, exported", [(2, 4), (100, 0)])
def test_partial(export, rejected, exported):
    answer = partial_success(rejected, "too\nold")
    with Receiver(reply(200, answer)) as receiver, export(receiver) as exporter:
        exporter.tell("requests 2")
        books = exporter.wait_for(lambda books: books["bad"])
        assert books["news"] == "it rejected some spans: too_old"
        assert dropped(books, "rejected") == 6 - exported and books["exported"] == exported
        assert books["failures"] == books["retries"] == 0 and len(receiver.got()) == 1


def test_warning(export):
    """A message where nothing was rejected is a warning, told once; what fails then is told."""
    warning = reply(200, partial_success(0, "use\tgRPC"))
    with (
        Receiver(reply(400), warning, warning, reply(400)) as receiver,
        export(receiver) as exporter,
    ):
        exporter.tell("requests 2")
        exporter.wait_for(lambda books: books["bad"])
        exporter.tell("requests 2")
        books = exporter.wait_for(lambda books: not books["bad"])
        assert not books["warned"] and books["news"] == ""
        exporter.tell("requests 2")
        books = exporter.wait_for(lambda books: books["warned"])
        assert not books["bad"] and books["news"] == "use_gRPC"
        assert books["exported"] == 12 and dropped(books, "refused") == 6
        exporter.tell("requests 2")
        exporter.wait_for(lambda books: books["bad"])


@pytest.mark.parametrize("fault", [reset_in_body, reset_in_answer, nonsense])
def test_broken(export, fault):
    with Receiver(fault, fault) as receiver, export(receiver, compression="none") as exporter:
        exporter.tell("requests 150")
        books = exporter.wait_for(all_out)
        assert books["exported"] == 450 and books["retries"] == 2
        assert len(receiver.got()[-1].spans) == 450


# ---- the end ----


def test_flush(export):
    """What waits at the end goes out, however long it would have waited."""
    with Receiver(answer=late(0.1)) as receiver, export(receiver, delay=3600) as exporter:
        exporter.tell("requests 600")
        assert exporter.close() < 3 and exporter.left == 0
        assert receiver.count() == 1800


@pytest.mark.parametrize("stuck", ["answering", "pausing", "idle"])
def test_flush_in_vain(export, stuck):
    """The end is not put off by a receiver that does not answer, or does not listen."""
    with Receiver(answer=late(30)) as receiver:
        url = receiver.url if stuck != "pausing" else f"http://127.0.0.1:{free_port()}"
        flush, delay = 60 if stuck == "pausing" else 1, 3600 if stuck == "idle" else 0.05
        with export(url, flush=flush, delay=delay) as exporter:
            exporter.tell("requests 2")
            if stuck == "answering":
                wait_until(receiver.got)
            if stuck == "pausing":
                exporter.wait_for(lambda books: books["bad"])
            assert exporter.close() < 3
            assert exporter.left == 6


def test_thread(export):
    """It is in less of a hurry than the rest."""
    with export(f"http://127.0.0.1:{free_port()}") as exporter:
        exporter.books()
        first, thread, *others = exporter.threads()
        assert not others

        def niceness(path):
            return int((path / "stat").read_text().rsplit(")", 1)[1].split()[16])

        # It says so itself, once it runs.
        wait_until(lambda: niceness(thread) == max(10, niceness(first)), seconds=5)
