# SPDX-License-Identifier: Apache-2.0
"""
Services of one node that call one another are in one trace without any header, from the first
request of a connection on: most clients make a connection for each.
"""

import shutil
import subprocess
import sys
from contextlib import contextmanager

import pytest
from lib.linked import CLIENT, SERVER, judged, observing, settle
from lib.process import HERE, accepts
from lib.receiver import Receiver

REQUESTS = 300
FLIGHT = 16
FIRST, STEP = 2_000_000, 100_000
CLIENTS = ("requests", "httpx", "httpx-async", "aiohttp", "close")


@pytest.fixture
def receiver():
    with Receiver() as ret:
        yield ret


@contextmanager
def service(bed, name, env=None, *flags):
    port = bed.port()
    # fmt: off
    command = [sys.executable, "-m", "uvicorn", "linked:app", "--app-dir", HERE / "apps",
               "--host", "127.0.0.1", "--port", port, "--no-access-log", *flags]
    # fmt: on
    with bed.start(name, command, env=env) as process:
        process.wait_for(lambda: accepts(port), 60)
        yield port


def test_connection_for_each(bed, start_observer, receiver):
    """Request, call and the called one's request, by each client; and none of another number."""
    with (
        observing(start_observer, bed, receiver) as observer,
        service(bed, "linked-inner") as inner,
        service(bed, "linked-outer", {"NEXT": f"http://127.0.0.1:{inner}"}) as port,
    ):
        for i, client in enumerate(CLIENTS):
            bed.call("marked.load", port, client, FLIGHT, REQUESTS, FIRST + i * STEP)
        traces, scrape = settle(observer, receiver)
    for i, client in enumerate(CLIENTS):
        first = FIRST + i * STEP
        way = (SERVER, client), (CLIENT, "leaf"), (SERVER, "leaf")
        found = judged(traces, first, REQUESTS, *way)
        assert found == {"whole": REQUESTS}, (client, found)
    assert scrape.total("onlooker_traces_split_total") == 0


def test_curl(bed, start_observer, receiver):
    """A process for each request."""
    with (
        observing(start_observer, bed, receiver) as observer,
        service(bed, "linked-curled") as port,
    ):
        script = 'for n in $(seq "$2" "$3"); do curl -sSf "http://127.0.0.1:$1/leaf/$n"; done'
        bed.run(["sh", "-c", script, "sh", port, FIRST, FIRST + REQUESTS - 1])
        traces, scrape = settle(observer, receiver)
    found = judged(traces, FIRST, REQUESTS, (CLIENT, "leaf"), (SERVER, "leaf"))
    assert found == {"whole": REQUESTS}, found
    assert scrape.total("onlooker_traces_split_total") == 0


@pytest.mark.skipif(not shutil.which("go"), reason="no Go")
def test_go(bed, start_observer, receiver):
    program = bed.folder / "linked-go"
    subprocess.run(["go", "build", "-o", program, HERE / "apps" / "linked.go"], check=True)
    with (
        observing(start_observer, bed, receiver) as observer,
        service(bed, "linked-gone") as port,
    ):
        bed.run([program, f"http://127.0.0.1:{port}", FIRST, REQUESTS])
        traces, scrape = settle(observer, receiver)
    found = judged(traces, FIRST, REQUESTS, (CLIENT, "leaf"), (SERVER, "leaf"))
    assert found == {"whole": REQUESTS}, found
    assert scrape.total("onlooker_traces_split_total") == 0


def test_impatient(bed, start_observer, receiver):
    """The caller has given up, and answered, long before the called one has."""
    count = 20
    with (
        observing(start_observer, bed, receiver) as observer,
        service(bed, "linked-slow") as inner,
        service(bed, "linked-impatient", {"NEXT": f"http://127.0.0.1:{inner}"}) as port,
    ):
        bed.call("marked.load", port, "impatient", FLIGHT, count, FIRST)
        traces, scrape = settle(observer, receiver)
    found = judged(
        traces, FIRST, count, (SERVER, "impatient"), (CLIENT, "slow"), (SERVER, "slow")
    )
    assert found == {"whole": count}, found
    assert scrape.total("onlooker_traces_split_total") == 0
