# SPDX-License-Identifier: Apache-2.0
"""The traces of the sample service, as real backends have received them and show them."""

import http.client
import json
import socket
import subprocess
import sys
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import pytest
from lib import backends
from lib.process import HERE, accepts, wait_until

SERVICE = "ai-imutis-api"
SAMPLE = HERE.parent / "sample"
# What the service asks for before each request, in a pipeline; for a travel that is not in its
# cache (asyncpg resets a connection that goes back to its pool), for one that is; for a booking.
LIMIT = ["MULTI", "INCRBY", "EXPIRE", "EXEC"]
RESET = ["SELECT", "CLOSE", "UNLISTEN", "RESET"]
MISS = [*LIMIT, "GET", "SELECT", *RESET, "SET"]
HIT = [*LIMIT, "GET"]
BOOKING = [*LIMIT, "GET", "BEGIN", "SELECT", "UPDATE", "INSERT", "COMMIT", *RESET, "DEL"]
OPENING = ("HELLO", "CLIENT")  # of a connection to Redis
TRAVELS = range(1, 65)


@pytest.fixture(scope="module")
def jaeger(bed):
    server = backends.Jaeger(bed)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def database(bed, postgres):
    postgres.sql("CREATE DATABASE imutis")
    url = postgres.url(sslmode="disable").replace("/postgres?", "/imutis?")
    subprocess.run(
        ["psql", "-qX", "-v", "ON_ERROR_STOP=1", url, "-f", SAMPLE / "schema.sql"], check=True
    )
    yield url
    postgres.sql("DROP DATABASE imutis WITH (FORCE)")


@pytest.fixture(scope="module")
def service(bed, database, redis):
    """The sample service: its port and process."""
    port = bed.port()
    # fmt: off
    command = [sys.executable, "-m", "uvicorn", "app:app", "--app-dir", SAMPLE,
               "--host", "127.0.0.1", "--port", port, "--no-access-log"]
    # fmt: on
    env = {"DATABASE_URL": database, "REDIS_URL": f"redis://127.0.0.1:{redis.port}/0",
           "RATE_LIMIT": "1000000"}  # fmt: skip
    with bed.start("traces-sample", command, env=env) as process:
        process.wait_for(lambda: accepts(port), 60)
        yield port, process.process.pid


def observing(bed, start_observer, url):
    """The observer, named and pointed to its receiver as a pod of the service would be."""
    traces = {"endpoint": url, "service": SERVICE, "sampler": "parentbased_traceidratio",
              "ratio": 1, "delay": 0.2}  # fmt: skip
    return start_observer(bed.watch() | {"traces": traces})


def ask(port, path, body=None, **headers):
    """By a client that is not watched: its requests begin traces at the service."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("POST" if body else "GET", path, body=json.dumps(body) if body else None,
                       headers={"User-Agent": "e2e/1", "Content-Type": "application/json"}
                       | headers)  # fmt: skip
    answer = connection.getresponse()
    status, text = answer.status, answer.read()
    connection.close()
    return status, json.loads(text)


def warm(port):
    """Until the service's tasks are followed."""
    for _ in range(3):
        for _ in range(20):
            assert ask(port, "/health")[0] == 200
        time.sleep(0.6)


def find(jaeger, operation, path, count):
    """The traces of `count` requests for paths that begin so, as Jaeger tells them."""

    def found():
        query = urllib.parse.urlencode(
            {"service": SERVICE, "operation": operation, "limit": 1500}
        )
        traces = map(Trace, jaeger.ask(f"traces?{query}"))
        ret = [trace for trace in traces if trace.root.tags["url.path"].startswith(path)]
        return ret if len(ret) >= count else None

    ret = wait_until(found, what=f"{count} traces of {path}")
    assert len(ret) == count
    return ret


class Span:
    def __init__(self, found, process):
        self.name, self.id = found["operationName"], found["spanID"]
        self.begin, self.end = found["startTime"], found["startTime"] + found["duration"]
        self.tags = {tag["key"]: tag["value"] for tag in found["tags"]
                     if not tag["key"].startswith("otel.")}  # fmt: skip
        self.service = process["serviceName"]
        self.resource = {tag["key"]: tag["value"] for tag in process["tags"]}
        self.parents = [one["spanID"] for one in found["references"]]
        assert all(one["refType"] == "CHILD_OF" for one in found["references"])

    @property
    def operation(self):
        return self.tags["db.operation.name"]

    def key(self):
        """In order; what goes out at once begins at once: in the order that it has there."""
        together = LIMIT + RESET
        return self.begin, together.index(self.operation) if self.operation in together else 0


class Trace:
    """One trace: its root, and the calls below it in order."""

    def __init__(self, found):
        spans = [Span(one, found["processes"][one["processID"]]) for one in found["spans"]]
        [self.root] = [span for span in spans if not span.parents]
        calls = [span for span in spans if span.parents]
        assert all(span.parents == [self.root.id] for span in calls)
        assert all(self.root.begin <= span.begin for span in calls)
        self.calls = sorted(
            (span for span in calls if span.operation not in OPENING), key=Span.key
        )

    def operations(self):
        return [span.operation for span in self.calls]


def has_tags(span, expected):
    """All that the conventions want, and nothing that nobody knows of."""
    assert {key: span.tags.get(key) for key in expected} == expected
    beside = {"client.address", "db.namespace", "db.query.summary", "db.query.text",
              "onlooker.queue.duration"}  # fmt: skip
    assert set(span.tags) <= set(expected) | beside


def check_root(span, service, path, route, method="GET", code=200):
    port, pid = service
    assert span.name == f"{method} {route}" and span.service == SERVICE
    assert 0 <= span.tags["onlooker.queue.duration"] < 10
    has_tags(
        span,
        {
            "span.kind": "server",
            "http.request.method": method,
            "http.route": route,
            "url.path": path,
            "url.scheme": "http",
            "http.response.status_code": code,
            "server.address": "127.0.0.1",
            "server.port": port,
            "client.address": "127.0.0.1",
            "network.protocol.version": "1.1",
            "user_agent.original": "e2e/1",
        },
    )
    assert span.resource["process.pid"] == pid
    assert span.resource["host.name"] == socket.gethostname()


def check_call(span, system, port, text=None):
    assert span.service == SERVICE
    expected = {"span.kind": "client", "db.system.name": system, "server.address": "127.0.0.1",
                "server.port": port, "db.operation.name": span.operation}  # fmt: skip
    has_tags(span, expected | ({"db.query.text": text} if text else {}))


def check_calls(trace, postgres, redis):
    for call in trace.calls:
        cached = call.operation in (*LIMIT, "GET", "SET", "DEL")
        system, port = ("redis", redis.port) if cached else ("postgresql", postgres.port)
        check_call(call, system, port)


def test_jaeger(bed, start_observer, jaeger, service, postgres, redis):
    """64 at once, none in the cache; then once more, all in it."""
    port, _ = service
    observer = observing(bed, start_observer, jaeger.url)
    warm(port)
    for _ in range(2):
        with ThreadPoolExecutor(len(TRAVELS)) as pool:
            answers = pool.map(lambda n: ask(port, f"/api/travels/{n}"), TRAVELS)
            assert [(status, body["id"]) for status, body in answers] == [
                (200, n) for n in TRAVELS
            ]
    traces = find(jaeger, "GET /api/travels/{id}", "/api/travels/", 2 * len(TRAVELS))
    observer.stop()
    assert SERVICE in jaeger.ask("services")
    assert "GET /api/travels/{id}" in jaeger.ask(f"services/{SERVICE}/operations")
    traces.sort(key=lambda trace: trace.root.begin)
    for number in TRAVELS:
        path = f"/api/travels/{number}"
        miss, hit = [trace for trace in traces if trace.root.tags["url.path"] == path]
        assert (miss.operations(), hit.operations()) == (MISS, HIT)
        for trace in (miss, hit):
            check_root(trace.root, service, path, "/api/travels/{id}")
            check_calls(trace, postgres, redis)
        asked = {call.name: call for call in miss.calls}
        check_call(asked["GET"], "redis", redis.port, "GET travel:?")
        check_call(asked["SET"], "redis", redis.port, "SET travel:?")
        text = ("SELECT id, origin, destination, departs, price, seats FROM travels"
                " WHERE id = $1")  # fmt: skip
        check_call(asked["SELECT travels"], "postgresql", postgres.port, text)


def test_collector(bed, start_observer, jaeger, service, postgres, redis):
    """Through a collector: a booking, and what was refused."""
    port, _ = service
    collector = backends.Collector(bed, jaeger.grpc_port)
    observer = observing(bed, start_observer, collector.url)
    user = {"email": "user1@example.com", "password": "travel"}
    status, body = ask(port, "/api/auth/login", user)
    assert status == 200
    warm(port)
    token = {"Authorization": f"Bearer {body['access_token']}"}
    for number in (7, 8, 9):
        assert ask(port, "/api/bookings", {"travel_id": number}, **token)[0] == 201
    assert ask(port, "/api/bookings", {"travel_id": 7})[0] == 401
    assert ask(port, "/api/travels/9999")[0] == 404
    traces = find(jaeger, "POST /api/bookings", "/api/bookings", 4)
    [missing] = find(jaeger, "GET /api/travels/{id}", "/api/travels/9999", 1)
    observer.stop()
    collector.stop()
    assert body["access_token"] not in collector.process.log_text()
    for trace in traces:
        code = trace.root.tags["http.response.status_code"]
        check_root(trace.root, service, "/api/bookings", "/api/bookings", "POST", code)
        check_calls(trace, postgres, redis)
    done = [trace for trace in traces if trace.root.tags["http.response.status_code"] == 201]
    assert [trace.operations() for trace in done] == 3 * [BOOKING]
    names = [call.name for call in done[0].calls]
    for name in ("SELECT travels", "UPDATE travels", "INSERT bookings"):
        assert name in names
    # What a client does wrong is no error of the server.
    assert "error" not in missing.root.tags and missing.operations()[-5:-4] != ["SET"]
