# SPDX-License-Identifier: Apache-2.0
"""
Services of one node that call one another are in one trace without any header, from the first
request of a connection on: most clients make a connection for each.
"""

import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial

import pytest
from lib.linked import CLIENT, SERVER, judged, observing, settle, warm_up
from lib.process import HERE, accepts

REQUESTS = 300
FLIGHT = 16
FIRST, STEP = 2_000_000, 100_000
CLIENTS = ("requests", "httpx", "httpx-async", "aiohttp", "close")


UVICORN = [sys.executable, "-m", "uvicorn", "linked:app", "--app-dir", HERE / "apps",
           "--no-access-log"]  # fmt: skip


@contextmanager
def service(bed, name, env=None):
    port = bed.port()
    command = [*UVICORN, "--host", "127.0.0.1", "--port", port]
    with bed.start(name, command, env=env) as process:
        process.wait_for(lambda: accepts(port), 60)
        yield port


@contextmanager
def local_service(bed, name):
    """At a Unix socket."""
    place = bed.folder / f"{name}.socket"
    with bed.start(name, [*UVICORN, "--uds", place]) as process:
        process.wait_for(place.exists, 60)
        os.chmod(place, 0o666)
        yield place


@contextmanager
def nginx(bed, name, upstream):
    """/front/N is asked of the upstream as /leaf/N, on a connection for each."""
    port, folder = bed.port(), bed.folder / name
    folder.mkdir()
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log stderr; worker_processes 1;\n"
        f"events {{}} http {{ access_log off; proxy_temp_path {folder}/proxy;\n"
        f"server {{ listen 127.0.0.1:{port}; "
        f"location /front/ {{ proxy_pass http://{upstream}/leaf/; }} }} }}\n"
    )
    command = ["nginx", "-e", "stderr", "-p", folder, "-c", folder / "nginx.conf"]
    with bed.start(name, command) as process:
        process.wait_for(lambda: accepts(port))
        yield port


def test_connection_for_each(bed, start_observer, receiver):
    """Request, call and the called one's request, by each client; and none of another number."""
    with (
        observing(start_observer, bed, receiver) as observer,
        service(bed, "linked-inner") as inner,
        service(bed, "linked-outer", {"NEXT": f"http://127.0.0.1:{inner}"}) as port,
    ):
        loads = partial(bed.call, "marked.loads", port, timeout=400)
        warm_up(loads, CLIENTS)
        loads(CLIENTS, FLIGHT, REQUESTS, FIRST, STEP)
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


def test_unix_socket(bed, start_observer, receiver):
    """The called one listens at a Unix socket."""
    clients = "httpx-async", "aiohttp"
    with (
        observing(start_observer, bed, receiver) as observer,
        local_service(bed, "linked-local") as place,
        service(bed, "linked-to-local", {"NEXT": "http://x", "SOCKET": str(place)}) as port,
    ):
        loads = partial(bed.call, "marked.loads", port, timeout=400)
        warm_up(loads, clients)
        loads(clients, FLIGHT, REQUESTS, FIRST, STEP)
        first = FIRST + len(clients) * STEP
        script = 'for n in $(seq "$2" "$3"); do curl -sSf --unix-socket "$1" "x/leaf/$n"; done'
        bed.run(["sh", "-c", script, "sh", place, first, first + REQUESTS - 1])
        traces, scrape = settle(observer, receiver)
    for i, client in enumerate(clients):
        way = (SERVER, client), (CLIENT, "leaf"), (SERVER, "leaf")
        found = judged(traces, FIRST + i * STEP, REQUESTS, *way)
        assert found == {"whole": REQUESTS}, (client, found)
    found = judged(traces, first, REQUESTS, (CLIENT, "leaf"), (SERVER, "leaf"))
    assert found == {"whole": REQUESTS}, found
    assert scrape.total("onlooker_traces_split_total") == 0


@pytest.mark.parametrize("local", [False, True], ids=["tcp", "unix"])
def test_proxy(bed, start_observer, receiver, local):
    """nginx asks the service behind it. It answers many in one thread: whose a call is, is known
    only of one request at a time."""
    name = "local" if local else "tcp"
    with (
        observing(start_observer, bed, receiver) as observer,
        local_service(bed, "proxied-local") if local else service(bed, "proxied") as behind,
        nginx(
            bed, f"nginx-{name}", f"unix:{behind}:" if local else f"127.0.0.1:{behind}"
        ) as port,
    ):
        bed.call("marked.load", port, "front", 1, REQUESTS, FIRST)
        time.sleep(1)  # until nobody can doubt them
        bed.call("marked.load", port, "front", FLIGHT, REQUESTS, FIRST + STEP)
        traces, scrape = settle(observer, receiver)
    below = (CLIENT, "leaf"), (SERVER, "leaf")
    found = judged(traces, FIRST, REQUESTS, (SERVER, "front"), *below)
    assert found == {"whole": REQUESTS}, found
    found = judged(traces, FIRST + STEP, REQUESTS, *below)
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
        loads = partial(bed.call, "marked.loads", port, timeout=400)
        warm_up(loads, ["impatient"])
        loads(["impatient"], FLIGHT, count, FIRST, STEP)
        traces, scrape = settle(observer, receiver)
    found = judged(
        traces, FIRST, count, (SERVER, "impatient"), (CLIENT, "slow"), (SERVER, "slow")
    )
    assert found == {"whole": count}, found
    assert scrape.total("onlooker_traces_split_total") == 0
