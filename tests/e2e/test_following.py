# SPDX-License-Identifier: Apache-2.0
"""Which processes' logical tasks are told: what the observer says of it, and how to do without."""

import shutil
import subprocess
import sys
from contextlib import contextmanager

import pytest
from lib.observer import Observer
from lib.process import HERE, accepts, free_port, wait_until
from lib.receiver import Receiver

FAMILIES = {"onlooker_processes_followed", "onlooker_processes_sought", "onlooker_probes",
            "onlooker_processes_unfollowed_total", "onlooker_tasks_known",
            "onlooker_tasks_evicted_total"}  # fmt: skip


@contextmanager
def observing(bed, name, config=None, prefix=(), **traces):
    """An observer with traces, unless told otherwise, that posts them to nobody in particular."""
    with Receiver() as receiver:
        settings = {"traces": {"endpoint": receiver.url, "delay": 0.1} | traces}
        observer = Observer(bed.folder, free_port(), bed.watch() | settings | (config or {}),
                            name=f"following-{name}", prefix=prefix)  # fmt: skip
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
