# SPDX-License-Identifier: Apache-2.0
"""Chunked bodies, which the kernel side hops over: every request counted all the same."""

import json
import sys

import pytest
from lib.process import HERE, accepts

# (shape, size of a chunk, chunks): lines at every place in a call, chunks longer than calls.
PLAN = [
    *([shape, size, 400] for shape in ("whole", "gathered", "apart", "odd-whole", "odd-gathered")
      for size in (1, 15, 16, 1000, 20000)),
    *([f"{odd}cut-{call}", size, 60] for odd in ("", "odd-") for call in (1, 2, 3, 7, 100, 4099)
      for size in (1, 17, 300)),
    *([f"cut-{call}", 70000, 100] for call in (4096, 9999, 65536)),
]  # fmt: skip


@pytest.fixture(scope="module", params=["both", "client", "server"])
def ends(request, bed, start_observer):
    """Both ends of connections are observed, or one; a server of its own."""
    if request.param != "both" and bed.group.path is None:
        pytest.skip("no cgroup can be made: an end has no watch of its own")
    port = bed.port()
    observer = start_observer()
    observer.ends = ["client", "server"] if request.param == "both" else [request.param]
    command = [sys.executable, HERE / "client.py", "chunks.serve", f"[{port}]"]
    with bed.start("chunks-server", command, watched=request.param != "client") as server:
        server.wait_for(lambda: accepts(port))
        observer.served = port
        yield observer


def call(bed, ends, function, *args):
    """A client in its own process, observed or not."""
    command = [sys.executable, HERE / "client.py", function, json.dumps(args)]
    with bed.start("chunks-client", command, watched="client" in ends.ends) as client:
        assert client.process.wait(300) == 0, client.log_text()
        return json.loads(client.log_text())


def expect(ends, window, expected):
    families = {"client": "http_client_requests_total", "server": "http_requests_total"}
    for end, family in families.items():
        counts = window.counts(family, "method", "status")
        assert counts == (expected if end in ends.ends else {})


def test_shapes(bed, ends):
    with ends.window() as window:
        moved = call(bed, ends, "chunks.ask", ends.served, PLAN)
    assert moved == [[size * count] * 2 for _, size, count in PLAN]
    expect(ends, window, {("GET", "200"): len(PLAN), ("POST", "200"): len(PLAN)})


@pytest.mark.parametrize("shape", ["whole", "gathered"])
def test_little_is_told(bed, ends, shape):
    """Of 64 MB each way, in 4000 calls, some at the begin until the kernel side was told, and what
    is read by an end whose other end is observed. What is copied takes four records for a call."""
    with ends.window() as window:
        call(bed, ends, "chunks.ask", ends.served, [[shape, 16000, 4000]])
    expect(ends, window, {("GET", "200"): 1, ("POST", "200"): 1})
    told = window.delta.total("onlooker_events_total", kind="data")
    assert told < (2 * 4000 if len(ends.ends) == 2 else 4000)


def test_left(bed, ends):
    with ends.window() as window:
        call(bed, ends, "chunks.leave", ends.served, 12)
    expect(ends, window, {("GET", "aborted"): 12})
