# SPDX-License-Identifier: Apache-2.0
"""Which processes' logical tasks are told: what the observer says of it, and how to do without."""

import http.client
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from lib.observer import Observer, binary
from lib.privileges import held, only
from lib.process import HERE, accepts, free_port, wait_until
from lib.receiver import Receiver
from lib.traces import SERVER, Traces

FAMILIES = {"onlooker_processes_followed", "onlooker_processes_sought", "onlooker_probes",
            "onlooker_processes_unfollowed_total", "onlooker_tasks_known",
            "onlooker_tasks_evicted_total"}  # fmt: skip


THREADS = """
import http.server, sys
import redis

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        store.get("key")
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass

store = redis.Redis(port=int(sys.argv[2]))
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
REQUESTS = 20
ALL_BUT_ADMIN = ("bpf", "perfmon", "sys_ptrace", "dac_read_search", "sys_nice")
privileged = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give privileges away")


@contextmanager
def observing(bed, name, prefix=(), **traces):
    """An observer that posts traces; `receiver` is its attribute."""
    with Receiver() as receiver:
        settings = {"endpoint": receiver.url, "delay": 0.1, "sampler": "always_on"} | traces
        observer = Observer(bed.folder, free_port(), bed.watch() | {"traces": settings},
                            name=f"following-{name}", prefix=prefix)  # fmt: skip
        observer.receiver = receiver
        try:
            yield observer
        finally:
            observer.stop()


@contextmanager
def service(bed, postgres, redis):
    port = bed.port()
    # fmt: off
    command = [sys.executable, "-m", "uvicorn", "traces:app", "--app-dir", HERE / "apps",
               "--host", "127.0.0.1", "--port", port, "--no-access-log"]
    # fmt: on
    env = {"TASKS_POSTGRES": postgres.url(sslmode="disable"), "TASKS_REDIS": str(redis.port)}
    with bed.start("following-app", command, env=env) as process:
        process.wait_for(lambda: accepts(port), 60)
        yield port


def followed(observer):
    """How many processes of CPython, and of Go."""
    scrape = observer.scrape()
    name = "onlooker_processes_followed"
    return scrape.total(name, runtime="python"), scrape.total(name, runtime="go")


def test_python(bed, postgres, redis):
    """Followed while it lives, with its probes; nothing is left of it then."""
    with observing(bed, "python") as observer:
        assert {name for name, _ in observer.scrape().samples if name in FAMILIES} == FAMILIES
        with service(bed, postgres, redis) as port:
            for _ in range(2):
                bed.call("marked.load", port, "async", 8, 64, 0)
                # The service: the client was followed, too, and is gone.
                wait_until(lambda: followed(observer) == (1, 0))
            scrape = observer.scrape()
            assert scrape.total("onlooker_probes") >= 1
            assert scrape.total("onlooker_tasks_known") > 0
            assert scrape.total("onlooker_events_total", kind="task") > 0
        wait_until(lambda: followed(observer) == (0, 0))
        scrape = observer.scrape()
        assert scrape.total("onlooker_probes") == scrape.total("onlooker_processes_sought") == 0
        assert scrape.total("onlooker_processes_unfollowed_total") == 0


@pytest.mark.skipif(not shutil.which("go"), reason="no Go")
def test_go(bed, redis):
    """Without any probe."""
    port, program = bed.port(), bed.folder / "following-go"
    subprocess.run(["go", "build", "-o", program, HERE / "apps" / "tasks.go"], check=True)
    with (
        observing(bed, "go") as observer,
        bed.start("following-go", [program, port, redis.port]) as process,
    ):
        process.wait_for(lambda: accepts(port))
        bed.call("marked.load", port, "x", 4, 16, 0)
        wait_until(lambda: followed(observer) == (0, 1))
        assert observer.scrape().total("onlooker_probes") == 0


def assert_threads_tell(bed, redis, observer):
    """A thread serves each connection: its calls are below its requests, whatever is known."""
    port = bed.port()
    command = [sys.executable, "-c", THREADS, port, redis.port]
    with bed.start("following-threads", command) as process:
        process.wait_for(lambda: accepts(port))
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for number in range(REQUESTS):
            connection.request("GET", f"/threads/{number}")
            connection.getresponse().read()
        observer.settle_traces()
    served = [span for span in Traces(observer.receiver).spans
              if span.kind == SERVER and span["url.path"].startswith("/threads/")]
    calls = [[child.name for child in span.children] for span in served]
    assert calls[0][-1] == "GET"  # after what opens the connection
    assert calls[1:] == [["GET"]] * (REQUESTS - 1)


def probes_open(observer):
    """Descriptors of perf events."""
    folder = Path(f"/proc/{observer.process.pid}/fd")
    return sum(os.readlink(entry) == "anon_inode:[perf_event]" for entry in folder.iterdir())


def test_off(bed, postgres, redis):
    """Asked for none: no probes, and nothing kept that they would need."""
    with observing(bed, "off", tasks=False) as observer:
        with service(bed, postgres, redis) as port:
            bed.call("marked.load", port, "async", 8, 64, 0)
            time.sleep(0.5)
            assert probes_open(observer) == 0
        assert_threads_tell(bed, redis, observer)
        scrape = observer.scrape()
        assert not {name for name, _ in scrape.samples} & FAMILIES
        assert scrape.total("onlooker_events_total", kind="task") == 0
        assert not {"sys_admin", "perfmon"} & held(observer.process.pid)["CapEff"]


def test_on(bed, postgres, redis):
    """What is tested above can be otherwise."""
    with observing(bed, "on") as observer, service(bed, postgres, redis) as port:
        bed.call("marked.load", port, "async", 8, 64, 0)
        wait_until(lambda: followed(observer) == (1, 0))
        assert probes_open(observer) == observer.scrape().total("onlooker_probes") > 0
        [kept] = [line["extra"]["kept"] for line in observer.log_lines()
                  if line["message"] == "privileges given up"]  # fmt: skip
        assert held(observer.process.pid)["CapEff"] == {
            name.removeprefix("CAP_").lower() for name in kept.split()
        }


CROWD = """
import asyncio, ctypes, os, signal, sys

async def serve():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # with its parent
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, int)
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
    await asyncio.sleep(60)

for number in range(int(sys.argv[1])):
    if os.fork() == 0:
        asyncio.run(serve())
print("forked", flush=True)
os.wait()
"""


def test_few_descriptors(bed):
    """They are not all for probes: whoever scrapes is still served, and names are still found."""
    with (
        observing(bed, "few", prefix=["prlimit", "--nofile=128:128"]) as observer,
        bed.start("following-crowd", [sys.executable, "-c", CROWD, 24]) as crowd,
        ExitStack() as scrapers,
    ):
        wait_until(lambda: followed(observer)[0] > 1)
        time.sleep(3)  # queues are looked for later
        for _ in range(30):
            address = ("127.0.0.1", observer.port)
            scrapers.enter_context(socket.create_connection(address))
        scrape = observer.scrape()
        unfollowed = scrape.total("onlooker_processes_unfollowed_total", reason="open_files")
        assert unfollowed + followed(observer)[0] >= 24 > unfollowed > 0
        assert 30 < scrape.total("process_open_fds") < 128
        assert crowd.process.poll() is None


def check(*names):
    done = subprocess.run([*only(*names), binary(), "check"], capture_output=True, text=True,
                          timeout=20)  # fmt: skip
    [line] = [line for line in done.stdout.splitlines() if "probes in programs: " in line]
    return done.returncode, line


@privileged
def test_without_the_privilege(bed, postgres, redis):
    """Said once at the start, for all processes; the rest works, by threads."""
    status, line = check(*ALL_BUT_ADMIN)
    assert status == 0
    if line.startswith("ok "):
        pytest.skip("CAP_PERFMON is enough on this kernel")
    assert line.startswith("warn  probes in programs: cannot be set: ")
    assert "CAP_SYS_ADMIN is missing, which this kernel asks for" in line
    assert check(*ALL_BUT_ADMIN, "sys_admin") == (
        0, "ok    probes in programs: can be set, for traces"
    )  # fmt: skip
    with observing(bed, "without", prefix=only(*ALL_BUT_ADMIN)) as observer:
        with service(bed, postgres, redis) as port:
            bed.call("marked.load", port, "async", 8, 64, 0)
            wait_until(lambda: observer.scrape().total("onlooker_processes_unfollowed_total",
                                                       reason="privilege"))  # fmt: skip
        assert_threads_tell(bed, redis, observer)
        scrape = observer.scrape()
        assert scrape.total("onlooker_processes_followed", runtime="python") == 0
        assert probes_open(observer) == scrape.total("onlooker_probes") == 0
        said = [line["message"] for line in observer.log_lines() if line["level"] == "WARNING"]
        assert [text for text in said if "probe" in text or "thread" in text] == [
            "no probes can be set in programs: CAP_SYS_ADMIN is missing, which this kernel asks "
            "for; without them the calls of CPython programs are told by thread only"
        ]
