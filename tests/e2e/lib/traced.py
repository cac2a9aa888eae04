# SPDX-License-Identifier: Apache-2.0
"""Observers with traces, services to be traced, and how their trees are judged."""

import sys
import time
from contextlib import contextmanager

from .process import HERE, accepts
from .traces import Traces, asked_by

FLIGHT = 64
REQUESTS = 300
WARM, FIRST, STEP = 1_000_000, 2_000_000, 100_000
FOUND = 1.5  # seconds from a process's first call until all is found that tells its tasks
ALL = {"sampler": "always_on", "delay": 0.1, "flush": 20, "queue": 32768, "batch": 2048}


def config(bed, receiver, **traces):
    """An observer's, of which nothing is lost."""
    return bed.watch() | {"traces": ALL | {"endpoint": receiver.url} | traces,
                          "memory_limit": 256 << 20, "limits": {"ring_bytes": 1 << 26}}  # fmt: skip


@contextmanager
def observing(start_observer, bed, receiver, **traces):
    observer = start_observer(config(bed, receiver, **traces))
    try:
        yield observer
    finally:
        observer.stop()


@contextmanager
def service(bed, postgres, redis, *flags, name="traces-app", env=None):
    port = bed.port()
    # fmt: off
    command = [sys.executable, "-m", "uvicorn", "traces:app", "--app-dir", HERE / "apps",
               "--host", "127.0.0.1", "--port", port, "--no-access-log", *flags]
    # fmt: on
    env = {"TASKS_POSTGRES": postgres.url(sslmode="disable"), "TASKS_REDIS": str(redis.port)} | (
        env or {}
    )
    with bed.start(name, command, env=env) as process:
        process.wait_for(lambda: accepts(port), 60)
        yield port


def warm_up(load):
    """Until logical tasks are followed: whose calls are whose is known by them. Then once more, for
    what is made anew of connections and threads."""
    load()
    time.sleep(FOUND)
    load()


def load(bed, port, paths):
    """Requests of each path after a warm-up; when they began."""
    warm_up(lambda: bed.call("marked.loads", port, paths, FLIGHT, FLIGHT * 2, WARM, 0))
    begin = time.time_ns()
    bed.call("marked.loads", port, paths, FLIGHT, REQUESTS, FIRST, STEP)
    return begin


def settle(observer, receiver):
    """All that the observer knows was posted, at its end at the latest; what it said before."""
    observer.settle_traces()
    scrape = observer.scrape()
    assert not scrape.total("onlooker_spans_dropped_total")
    assert not scrape.total("onlooker_trace_exchanges_lost_total", reason="no_room")
    observer.stop()
    assert "spans were not sent" not in observer.log_text()
    return traces_of(observer, receiver, scrape), scrape


def traces_of(observer, receiver, scrape):
    """What was posted, in which nothing is that nobody may see."""
    # In literals, query strings, cookies, credentials: tests/e2e/clients/marked.py, apps/traces.py.
    texts = [post.body for post in receiver.got()]
    texts += [observer.log_text().encode(), repr(sorted(scrape.samples)).encode()]
    assert not any(b"S3CRET" in text for text in texts)
    return Traces(receiver)


def judge(traces, path, first, count=REQUESTS):
    """How many requests have the calls that were made for them, too few, or others; `unseen` have
    no span, which the observer must have counted."""
    served = traces.served(first, count, path)
    found = {"right": 0, "missing": 0, "wrong": 0, "unseen": count - len(served)}
    for number, spans in served.items():
        assert len(spans) == 1
        calls, asked = traces.calls(spans[0]), asked_by(number)
        if calls - asked:
            found["wrong"] += 1
        elif calls != asked:
            found["missing"] += 1
        else:
            found["right"] += 1
    return found


def all_right(found, scrape, count=REQUESTS):
    """All that have spans; the others were counted as such whose time is not known."""
    unseen = sum(one["unseen"] for one in found.values())
    return unseen <= scrape.total("onlooker_trace_exchanges_lost_total") and all(
        one["right"] + one["unseen"] == count and one["unseen"] < count / 20
        for one in found.values()
    )
