# SPDX-License-Identifier: Apache-2.0
"""What each kind of span says, every attribute of it, from real programs."""

import pytest
from lib.receiver import Receiver
from lib.traces import CLIENT, ERROR, SERVER, Traces

SERVED = {"http.request.method", "http.route", "url.path", "url.scheme",
          "http.response.status_code", "server.address", "server.port", "client.address",
          "network.protocol.version", "user_agent.original",
          "onlooker.queue.duration"}  # fmt: skip
SENT = {"http.request.method", "url.path", "url.scheme", "http.response.status_code",
        "server.address", "server.port", "network.protocol.version",
        "user_agent.original"}  # fmt: skip
ASKED = {"db.system.name", "db.operation.name", "db.query.text", "db.query.summary",
         "db.namespace", "server.address", "server.port"}  # fmt: skip
FAILED = {"db.response.status_code", "error.type"}


@pytest.fixture(scope="module")
def traces(bed, start_observer, redis, postgres, fastapi):
    """Of everything that the tests below do, under one observer."""
    with Receiver() as receiver:
        settings = {"endpoint": receiver.url, "sampler": "always_on", "delay": 0.1}
        observer = start_observer(bed.watch() | {"traces": settings})
        url = f"http://127.0.0.1:{fastapi.port}"
        for command in (
            ["curl", "-s", "-A", "e2e/1", f"{url}/items/7?token=S3CRET"],
            ["curl", "-s", "-A", "e2e/2", "-H", "Host: shop.example", f"{url}/boom"],
        ):
            bed.run(command)
        commands = "set user:77 S3CRET\nlpush user:77 x\nselect 5\nget user:78\n"
        bed.run(["redis-cli", "-p", redis.port, "-n", "3"], input_text=commands)
        statements = "select 41 as one; select 1/0; select broken from nowhere;"
        bed.run([postgres.programs / "psql", "-h", "127.0.0.1", "-p", postgres.port, "-U", "e2e",
                 "-d", "template1"], input_text=statements.replace("; ", ";\n"))  # fmt: skip
        observer.settle_traces()
        observer.stop()
        assert not any(b"S3CRET" in post.body for post in receiver.got())
        return Traces(receiver)


def one(traces, **match):
    """The only span with these attributes, named with __ for .."""
    wanted = {name.replace("__", "."): value for name, value in match.items()}
    found = [span for span in traces.spans
             if all(getattr(span, name, span[name]) == value for name, value in wanted.items())]
    assert len(found) == 1, found
    return found[0]


def test_server(traces, fastapi):
    span = one(traces, kind=SERVER, user_agent__original="e2e/1")
    assert span.name == "GET /items/{id}" and span.attributes.keys() == SERVED
    assert (span["url.path"], span["http.route"]) == ("/items/7", "/items/{id}")
    assert (span["server.address"], span["server.port"]) == ("127.0.0.1", fastapi.port)
    assert (span["client.address"], span["url.scheme"]) == ("127.0.0.1", "http")
    assert span["http.response.status_code"] == 200 and span.status != ERROR
    assert 0 <= span["onlooker.queue.duration"] <= (span.end - span.begin) / 1e9


def test_server_that_fails(traces):
    span = one(traces, kind=SERVER, user_agent__original="e2e/2")
    assert span.attributes.keys() == SERVED | {"error.type"} and span.status == ERROR
    assert (span["server.address"], span["server.port"]) == ("shop.example", 80)
    assert (span["http.response.status_code"], span["error.type"]) == (500, "500")


def test_client(traces, fastapi):
    span = one(traces, kind=CLIENT, user_agent__original="e2e/1")
    assert span.attributes.keys() == SENT and span.name == "GET"
    assert (span["server.address"], span["server.port"]) == ("127.0.0.1", fastapi.port)
    failed = one(traces, kind=CLIENT, user_agent__original="e2e/2")
    assert failed.attributes.keys() == SENT | {"error.type"} and failed.status == ERROR


def test_redis(traces, redis):
    """The database is the one that was selected when it was asked."""
    first = one(traces, kind=CLIENT, db__query__text="SET user:?")
    assert first.attributes.keys() == ASKED and first.name == "SET"
    assert (first["db.system.name"], first["db.namespace"]) == ("redis", "3")
    assert (first["server.address"], first["server.port"]) == ("127.0.0.1", redis.port)
    failed = one(traces, kind=CLIENT, db__operation__name="LPUSH")
    assert failed.attributes.keys() == ASKED | FAILED and failed.status == ERROR
    assert failed["db.response.status_code"] == failed["error.type"] == "WRONGTYPE"
    last = one(traces, kind=CLIENT, db__query__text="GET user:?")
    assert last["db.namespace"] == "5"


def test_postgres(traces, postgres):
    span = one(traces, kind=CLIENT, db__query__text="select ? as one")
    assert span.attributes.keys() == ASKED and span.name == "SELECT"
    assert (span["db.system.name"], span["db.namespace"]) == ("postgresql", "template1")
    assert (span["server.address"], span["server.port"]) == ("127.0.0.1", postgres.port)
    failed = one(traces, kind=CLIENT, db__response__status_code="22012")
    assert failed.attributes.keys() == ASKED | FAILED and failed["error.type"] == "22012"
    assert failed["db.query.text"] == "select ? / ?" and failed.status == ERROR
    assert one(traces, db__response__status_code="42P01")["db.query.summary"] == "SELECT nowhere"
