# SPDX-License-Identifier: Apache-2.0
"""Traces of programs of other kinds: several processes, threads, frameworks and languages."""

import os
import shutil
import subprocess
import sys

import pytest
from lib import servers
from lib.fetched import fetched
from lib.process import HERE, accepts
from lib.traced import FIRST, FLIGHT, STEP, WARM, judge, traces_of, warm_up

APPS = HERE / "apps"
PYTHON = sys.executable
REQUESTS = 200


@pytest.fixture(scope="module")
def postgres(bed):
    """Each thread of each process has a connection of its own."""
    server = servers.Postgres(bed, "traces-pg", connections=400)
    yield server
    server.stop()


@pytest.fixture
def run(bed, postgres, redis):
    """Starts servers, which end with the test; their port."""
    running = []

    def start(*command, port, **env):
        known = {"TASKS_POSTGRES": postgres.url(sslmode="disable"),
                 "TASKS_REDIS": str(redis.port), "PYTHONPATH": str(APPS)}  # fmt: skip
        process = bed.start(f"traced-{port}", command, env=known | env)
        running.append(process)
        process.wait_for(lambda: accepts(port), 60)
        return port

    yield start
    for process in running:
        process.stop()


def look(bed, tracer, port, paths):
    """What became of REQUESTS requests of each path, after a warm-up."""
    warm_up(lambda: bed.call("marked.loads", port, paths, FLIGHT, FLIGHT * 2, WARM, 0))
    before = tracer.settle()
    tracer.receiver.forget()
    bed.call("marked.loads", port, paths, FLIGHT, REQUESTS, FIRST, STEP)
    tracer.settle_traces()
    scrape = tracer.scrape()
    traces = traces_of(tracer, tracer.receiver, scrape)
    lost = [one.total("onlooker_trace_exchanges_lost_total") for one in (before, scrape)]
    found = {
        path: judge(traces, path, FIRST + i * STEP, REQUESTS) for i, path in enumerate(paths)
    }
    assert sum(one["unseen"] for one in found.values()) <= lost[1] - lost[0]
    return found


def right(found):
    return all(one["right"] + one["unseen"] == REQUESTS and one["unseen"] < REQUESTS / 20
               for one in found.values())  # fmt: skip


@pytest.fixture
def uvicorn(bed, run):
    def start(app, *flags):
        port = bed.port()
        return run(PYTHON, "-m", "uvicorn", app, "--host", "127.0.0.1", "--port", port,
                   "--no-access-log", *flags, port=port)  # fmt: skip

    return start


@pytest.fixture
def gunicorn(bed, run):
    def start(app, *flags):
        port = bed.port()
        return run(PYTHON, "-m", "gunicorn", app, "--bind", f"127.0.0.1:{port}",
                   "--keep-alive", "60", *flags, port=port)  # fmt: skip

    return start


def test_uvicorn_workers(bed, tracer, uvicorn):
    """Below SQLAlchemy, too: with asyncpg, psycopg2 and psycopg."""
    port = uvicorn("traces:app", "--workers", 3)
    found = look(bed, tracer, port, ("async", "executor", "alchemy", "alchemysync"))
    assert right(found), found


def test_contexts_of_nobody(bed, tracer, uvicorn):
    port = uvicorn("traces:app")
    found = look(bed, tracer, port, ["empty"])
    assert right(found), found


def test_gunicorn_with_uvicorn(bed, tracer, gunicorn):
    port = gunicorn("traces:app", "-k", "uvicorn_worker.UvicornWorker", "--workers", 2)
    found = look(bed, tracer, port, ("sync", "gather"))
    assert right(found), found


def test_gunicorn_threads(bed, tracer, gunicorn):
    port = gunicorn("traces_wsgi:app", "--workers", 2, "--threads", 32)
    found = look(bed, tracer, port, ["wsgi"])
    assert right(found), found


def test_django_threads(bed, tracer, gunicorn):
    port = gunicorn("traces_django:application", "--workers", 2, "--threads", 32)
    found = look(bed, tracer, port, ("django", "djangoasync"))
    assert right(found), found


def test_django_uvicorn(bed, tracer, uvicorn):
    port = uvicorn("traces_django:asgi")
    found = look(bed, tracer, port, ("django", "djangoasync"))
    assert right(found), found


@pytest.mark.parametrize("version", ["0.17.0", "0.22.1"])
def test_older_uvloop(bed, tracer, run, version):
    """Those that queue what is written, Debian 12's own among them."""
    folder = fetched("libraries", "uvloop", version)
    port = bed.port()
    run(PYTHON, "-m", "uvicorn", "traces:app", "--host", "127.0.0.1", "--port", port,
        "--no-access-log", "--loop", "uvloop", port=port,
        PYTHONPATH=f"{folder}:{APPS}")  # fmt: skip
    found = look(bed, tracer, port, ("async", "executor"))
    assert right(found), found


@pytest.fixture
def newest_python():
    """A root to change into, with the programs of the tests in it."""
    root = fetched("newest-python")
    programs = root / f"opt/e2e-{os.getpid()}"
    shutil.copytree(HERE / "lib", programs / "lib")
    shutil.copytree(APPS, programs / "apps")
    yield root, f"/opt/{programs.name}/apps"
    shutil.rmtree(programs)


@pytest.mark.parametrize(
    "loop, paths, env",
    [
        ("asyncio", ("async", "sync", "executor"), {}),
        ("uvloop", ("async", "sync", "executor"), {}),
        ("asyncio", ["interpreters"], {"INTERPRETERS": "1"}),
    ],
)
def test_newest_python(bed, tracer, run, newest_python, loop, paths, env):
    root, folder = newest_python
    port = bed.port()
    run("chroot", root, "/usr/bin/python3", "-m", "uvicorn", "traces:app", "--host", "127.0.0.1",
        "--port", port, "--no-access-log", "--loop", loop, port=port,
        PYTHONPATH=f"/opt/site:{folder}", **env)  # fmt: skip
    found = look(bed, tracer, port, paths)
    assert right(found), found


def test_threads_in_c(bed, tracer, run, postgres, redis):
    port, program = bed.port(), bed.folder / "traces-c"
    subprocess.run(
        ["gcc", "-O1", "-D_GNU_SOURCE", "-Wall", "-pthread", "-o", program, APPS / "traces.c"],
        check=True,
    )
    run(program, port, redis.port, postgres.port, "e2e", port=port)
    found = look(bed, tracer, port, ["c"])
    assert right(found), found


@pytest.mark.skipif(not shutil.which("go"), reason="no Go")
def test_goroutines(bed, tracer, run, postgres, redis):
    port, program = bed.port(), bed.folder / "traces-go"
    subprocess.run(["go", "build", "-C", APPS / "traces_go", "-o", program, "."], check=True)
    run(program, port, redis.port, postgres.url(sslmode="disable"), port=port)
    found = look(bed, tracer, port, ["go"])
    assert right(found), found
