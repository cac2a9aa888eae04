# SPDX-License-Identifier: Apache-2.0
"""
Both ends of a connection on one node are known as such where the addresses between them are
translated, as those of Kubernetes' Services are: each byte is taken once, and traces go on.
"""

import sys
from contextlib import ExitStack, contextmanager

import pytest
from lib.linked import CLIENT, SERVER, judged, observing, settle, warm_up
from lib.process import HERE
from lib.spaces import HAIRPIN, MASQUERADED, SERVICE, A, B, Node, Unable

REQUESTS = 300
FLIGHT = 16
FIRST, STEP = 2_000_000, 100_000
CLIENTS = "requests", "aiohttp"
WAYS = {"address": B, "service": SERVICE, "masqueraded": MASQUERADED, "hairpin": HAIRPIN}


@pytest.fixture(scope="module")
def node():
    try:
        running = Node()
    except Unable as error:
        pytest.skip(f"no translated addresses here: {error}")
    with running:
        yield running


def service(bed, space, name, port, env=None):
    # fmt: off
    command = [sys.executable, "-m", "uvicorn", "linked:app", "--app-dir", HERE / "apps",
               "--host", "0.0.0.0", "--port", port, "--no-access-log"]
    # fmt: on
    return space.start(bed, name, command, env=env)


@contextmanager
def redis(bed, space, host, port):
    # fmt: off
    command = ["redis-server", "--bind", "0.0.0.0", "--port", port, "--save", "", "--appendonly",
               "no", "--protected-mode", "no", "--dir", bed.folder]
    # fmt: on
    with space.start(bed, f"redis-{host}", command):
        space.wait_for(host, port)
        yield


@contextmanager
def nginx(bed, space, host, port):
    folder = bed.folder / f"nginx-{host}"
    folder.mkdir()
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log stderr; worker_processes 1;\n"
        "events {} http { access_log off; keepalive_requests 1000000;\n"
        f"server {{ listen {port}; location / {{ return 200 {'x' * 600}; }} }} }}\n"
    )
    command = ["nginx", "-e", "stderr", "-p", folder, "-c", folder / "nginx.conf"]
    with space.start(bed, f"nginx-{host}", command):
        space.wait_for(host, port)
        yield


def test_traces(bed, node, start_observer, receiver):
    """A service in a pod asks one in another, or itself: one trace, by whatever address."""
    ports = {way: 8100 + i for i, way in enumerate(WAYS)}

    def loads(way, *args):
        node.a.call(bed, "marked.loads", ports[way], *args)

    def loads_of_all(*args):
        for way in WAYS:
            loads(way, *args)

    with ExitStack() as running:
        observer = running.enter_context(observing(start_observer, bed, receiver))
        running.enter_context(service(bed, node.b, "translated-b", 8080))
        running.enter_context(service(bed, node.a, "translated-self", 8080))
        for way, address in WAYS.items():
            env = {"NEXT": f"http://{address}:{8080 if way == 'address' else 80}"}
            running.enter_context(service(bed, node.a, f"translated-{way}", ports[way], env))
        node.b.wait_for(B, 8080)
        for port in (8080, *ports.values()):
            node.a.wait_for(A, port)
        warm_up(loads_of_all, CLIENTS)
        for i, way in enumerate(WAYS):
            loads(way, CLIENTS, FLIGHT, REQUESTS, FIRST + 2 * i * STEP, STEP)
        traces, scrape = settle(observer, receiver)
    for i, way in enumerate(WAYS):
        for n, client in enumerate(CLIENTS):
            asked = (SERVER, client), (CLIENT, "leaf"), (SERVER, "leaf")
            found = judged(traces, FIRST + (2 * i + n) * STEP, REQUESTS, *asked)
            assert found == {"whole": REQUESTS}, (way, client, found)
    assert scrape.total("onlooker_traces_split_total") == 0


def records(window):
    return window.delta.total("onlooker_events_total", kind="data")


def test_redis(bed, node, start_observer):
    """Bytes are taken where they are sent alone: two records for each command, not four."""
    observer, count = start_observer(), 20000
    with redis(bed, node.b, B, 8085), redis(bed, node.a, A, 8085):
        for way, address in WAYS.items():
            port = 8085 if way == "address" else 85
            with observer.window() as window:
                bed.run([*node.a.enter, "redis-benchmark", "-h", address, "-p", port, "-t", "set",
                         "-c", 20, "-n", count, "-q"])  # fmt: skip
            for name in ("redis_commands_total", "redis_server_commands_total"):
                found = window.counts(name, "operation")
                assert found["SET"] == count, (way, name, found)
                timed = window.delta.total(
                    name.replace("commands_total", "command_duration_seconds_count"),
                    operation="SET",
                )
                assert timed >= count * 0.99, (way, name, timed)
            assert records(window) < 2.1 * count, (way, records(window) / count)


def test_nginx(bed, node, start_observer):
    observer, count = start_observer(), 5000
    with nginx(bed, node.b, B, 8086), nginx(bed, node.a, A, 8086):
        for way, address in WAYS.items():
            port = 8086 if way == "address" else 86
            url = f"http://{address}:{port}/page?[1-{count}]"
            with observer.window() as window:
                bed.run([*node.a.enter, "curl", "-sSf", "-o", "/dev/null", url])
            for name in ("http_requests_total", "http_client_requests_total"):
                found = window.counts(name, "status")
                assert found == {"200": count}, (way, name, found)
            assert records(window) < 3.5 * count, (way, records(window) / count)


def test_found_open(bed, node, start_observer):
    """Connections through a Service that are older than the observer."""
    count = 64
    with redis(bed, node.b, B, 8087):
        script = ("import redis, sys\n"
                  "c = [redis.Redis('10.96.0.1', 87) for _ in range(int(sys.argv[1]))]\n"
                  "for i in (0, 1):\n"
                  "    for one in c: one.get('key')\n"
                  "    print(i, flush=True)\n"
                  "    sys.stdin.readline()\n"
                  "for _ in range(200):\n"
                  "    for one in c: one.get('key')\n"
                  "print('done', flush=True)\n"
                  "sys.stdin.readline()\n")  # fmt: skip
        command = [sys.executable, "-c", script, count]
        with node.a.start(bed, "translated-old", command, stdin=True) as client:

            def go_on(until):
                client.process.stdin.write(b"\n")
                client.process.stdin.flush()
                client.wait_for(lambda: until in client.log_text().split(), 60)

            client.wait_for(lambda: "0" in client.log_text().split(), 60)
            observer = start_observer()
            go_on("1")
            with observer.window() as window:
                go_on("done")
            assert window.counts("redis_commands_total", "operation")["GET"] == 200 * count
            assert window.counts("redis_server_commands_total", "operation")["GET"] == 200 * count
            assert records(window) < 2.3 * 200 * count
            client.process.stdin.close()
            client.process.wait(10)
