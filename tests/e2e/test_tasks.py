# SPDX-License-Identifier: Apache-2.0
"""Each query's request, by the descent of logical tasks: the right one, or none, never another."""

import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from lib.observer import sanitized
from lib.process import HERE, accepts, free_port, wait_until
from lib.tasks import Tasks
from lib.traced import FOUND

FLIGHT = 64
REQUESTS = 300
WARM, FIRST = 1_000_000, 2_000_000
ENDPOINTS = ("async", "sync", "tothread", "executor", "gather", "alchemy", "stream", "depends")


@contextmanager
def service(bed, postgres, redis, *flags, port=None, python=sys.executable, env=None):
    port = port or bed.port()
    # fmt: off
    command = [python, "-m", "uvicorn", "tasks:app", "--app-dir", HERE / "apps",
               "--host", "127.0.0.1", "--port", port, "--no-access-log", *flags]
    # fmt: on
    env = {"TASKS_POSTGRES": postgres.url(sslmode="disable"), "TASKS_REDIS": str(redis.port)} | (
        env or {}
    )
    with bed.start("tasks-app", command, env=env) as process:
        process.wait_for(lambda: accepts(port), 60)
        yield process


def warm(bed, tool, port, paths, followed):
    """Until the service's processes are followed, its worker threads there."""
    bed.call("marked.loads", port, paths, FLIGHT, FLIGHT * 2, WARM, 0)
    wait_until(lambda: tool.followed()[0] >= followed, what="the following")
    time.sleep(FOUND)
    bed.call("marked.loads", port, paths, FLIGHT, FLIGHT * 2, WARM, 0)


def judge(bed, tool, port, paths):
    """By endpoint: what became of each query, in numbers."""
    found = {}
    bed.call("marked.loads", port, paths, FLIGHT, REQUESTS, FIRST, WARM)
    time.sleep(0.5)
    judgement = tool.stop()
    assert judgement.lost == 0
    queries = judgement.queries
    for i, path in enumerate(paths):
        first = FIRST + i * WARM
        judgement.queries = [q for q in queries if first <= q.mark < first + WARM]
        found[path] = judgement.counts()
        assert len(judgement.queries) >= REQUESTS
    return found


def all_right(counts):
    return counts["right"] > 0 and not counts["wrong"] + counts["none"] + counts["several"]


@pytest.fixture
def start_tool(bed):
    tools = []

    def start(*ports, **options):
        name = f"tasks-{len(tools)}-{time.time_ns()}"
        tools.append(Tasks(bed.folder, name, *ports, group=bed.group, **options))
        return tools[-1]

    yield start
    for tool in tools:
        if tool.process.poll() is None:
            tool.stop()


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("below", ["", "1"], ids=["bare", "middleware"])
def test_right_parents(bed, postgres, redis, start_tool, loop, below):
    port = bed.port()
    tool = start_tool(port, postgres.port, redis.port)
    with service(bed, postgres, redis, "--loop", loop, port=port, env={"MW": below}):
        warm(bed, tool, port, ENDPOINTS, 1)
        found = judge(bed, tool, port, ENDPOINTS)
    assert all(map(all_right, found.values())), found


def test_workers(bed, postgres, redis, start_tool):
    port = bed.port()
    tool = start_tool(port, postgres.port, redis.port)
    paths = ("async", "executor", "gather")
    with service(bed, postgres, redis, "--workers", "3", port=port):
        warm(bed, tool, port, paths, 3)
        found = judge(bed, tool, port, paths)
    assert all(map(all_right, found.values())), found


def test_background_has_no_other_parent(bed, postgres, redis, start_tool):
    port = bed.port()
    tool = start_tool(port, postgres.port, redis.port)
    with service(bed, postgres, redis, port=port):
        warm(bed, tool, port, ["background"], 1)
        found = judge(bed, tool, port, ["background"])["background"]
    assert found["right"] >= REQUESTS and not found["wrong"] + found["several"], found


@pytest.mark.skipif(sanitized(), reason="not confined with the sanitizers")
@pytest.mark.parametrize("confined", [False, True], ids=["all", "confined"])
def test_running_before(bed, postgres, redis, start_tool, confined):
    """A service is busy when the tool starts; whatever its privileges are by then."""
    port = bed.port()
    with service(bed, postgres, redis, port=port):
        bed.call("marked.load", port, "async", FLIGHT, FLIGHT * 2, 1)
        tool = start_tool(port, postgres.port, redis.port, confined=confined)
        warm(bed, tool, port, ["async", "sync"], 1)
        found = judge(bed, tool, port, ["async", "sync"])
    assert all(map(all_right, found.values())), found


@pytest.mark.skipif(not shutil.which("go"), reason="no Go")
def test_goroutines(bed, redis, start_tool):
    port, program = bed.port(), bed.folder / "tasks-go"
    subprocess.run(["go", "build", "-o", program, HERE / "apps" / "tasks.go"], check=True)
    tool = start_tool(port, redis.port)
    with bed.start("tasks-go", [program, port, redis.port]) as process:
        process.wait_for(lambda: accepts(port))
        warm(bed, tool, port, ["x"], 1)
        found = judge(bed, tool, port, ["x"])
    assert all_right(found["x"]), found


MANY = """
import contextvars, socket, sys, threading, time

def run():
    contextvars.ContextVar("one").set(1)
    there.wait()
    connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    while True:
        connection.sendall(b"PING\\r\\n")
        assert connection.recv(7) == b"+PONG\\r\\n"
        time.sleep(0.5)

there = threading.Barrier(200)
for _ in range(200):
    threading.Thread(target=run).start()
"""


def test_many_threads(bed, redis, start_tool):
    """What is looked at in a process does not grow with its threads until it is too much."""
    tool = start_tool(free_port(), redis.port)
    command = [sys.executable, "-S", "-c", MANY, redis.port]
    with bed.start("tasks-many", command, end=signal.SIGKILL) as process:
        process.wait_for(lambda: tool.followed() == (1, 0))


BRIEF = """
import asyncio, os, sys, time

async def main(seconds):
    async def one():
        reader, writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
        writer.write(b"PING\\r\\n")
        assert await reader.readline() == b"+PONG\\r\\n"
        writer.close()
    await one()
    await asyncio.sleep(seconds)
    await asyncio.gather(*(one() for _ in range(5)))

begun, ended, failed, end = 0, 0, 0, time.monotonic() + float(sys.argv[2])
while time.monotonic() < end or begun > ended:
    if time.monotonic() < end and begun - ended < 16:
        child = os.fork()
        if child == 0:
            asyncio.run(main(begun % 16 * 0.02))
            os._exit(0)
        begun += 1
    time.sleep(0.015)
    while begun > ended and (status := os.waitpid(-1, os.WNOHANG))[0]:
        ended += 1
        failed += status[1] != 0
asyncio.run(main(0))
print(ended, failed)
"""


def descriptors(pid):
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def test_short_lives(bed, redis, start_tool):
    """Many processes that start and end: all of them well, and nothing of them stays."""
    tool = start_tool(free_port(), redis.port)
    before = descriptors(tool.process.pid)
    ended = 0
    for seconds in (6, 0, 0, 0):
        command = [sys.executable, "-S", "-c", BRIEF, redis.port, seconds]
        done, failed = map(int, bed.run(command).split())
        assert failed == 0
        ended += done + 1
    assert ended > 100
    assert any(line.startswith("f") for line in tool.lines())
    wait_until(lambda: tool.followed() == (0, 0), what="the end of following")
    wait_until(lambda: descriptors(tool.process.pid) <= before, what="the end of descriptors")


def test_leaves_a_running_service(bed, postgres, redis, start_tool):
    """Probes come and go again and again under load; the service notices nothing."""
    port, under_way = bed.port(), bed.folder / "tasks-under-way"
    under_way.touch()
    with service(bed, postgres, redis, port=port) as process:
        with bed.start_call("marked.load_while", port, "executor", FLIGHT, str(under_way)) as load:
            for i in range(5):
                tool = start_tool(port, postgres.port, redis.port)
                wait_until(lambda t=tool: t.followed()[0] >= 1, what="the following")
                time.sleep(0.3)
                if i % 2:
                    tool.process.kill()
                    tool.process.wait()
                else:
                    tool.stop()
            time.sleep(1)  # it goes on without them
            assert load.process.poll() is None, load.log_text()
            under_way.unlink()
            assert load.process.wait(60) == 0, load.log_text()
        assert process.process.poll() is None
