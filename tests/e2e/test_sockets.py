# SPDX-License-Identifier: Apache-2.0
"""Connections that come about in other ways, or are read in other ways, than most."""

import sys

import pytest
from lib.process import HERE

COUNT = 200
PROGRAM = HERE / "apps" / "sockets.py"


def assert_all(window, count, client, server=None):
    for name, service in (("http_client_requests_total", client), ("http_requests_total", server)):
        if service:
            assert window.counts(name, "status", service=service) == {"200": count}


@pytest.mark.parametrize("kind", ["pair", "bound"])
def test_unix_sockets(bed, observer, kind):
    """Their addresses do not tell who asks."""
    if bed.group.path is None:
        pytest.skip("no cgroup can be made: a Unix socket has no port to be watched by")
    with observer.window() as window:
        bed.run([sys.executable, PROGRAM, kind, COUNT])
    assert_all(window, COUNT, PROGRAM.name, PROGRAM.name)


def test_discarded(bed, observer):
    """A body that nobody looks at, MSG_TRUNC: tcp(7)."""
    with observer.window() as window:
        bed.run([sys.executable, PROGRAM, "discarded", COUNT])
    assert_all(window, COUNT, PROGRAM.name, PROGRAM.name)


def test_fast_open(bed, observer):
    """TCP Fast Open (RFC 7413): a request in the SYN."""
    if bed.group.path is None:
        pytest.skip("no cgroup can be made: a network namespace has ports of its own")
    ready = 'ip link set lo up && echo 3 > /proc/sys/net/ipv4/tcp_fastopen && exec "$@"'
    with observer.window() as window:
        sent = bed.run(["unshare", "--net", "sh", "-c", ready, "sh", sys.executable, PROGRAM,
                        "fastopen", COUNT])  # fmt: skip
    assert int(sent) >= COUNT / 2 - 2
    assert_all(window, COUNT, PROGRAM.name, PROGRAM.name)


def test_large_answers_over_unix_sockets(bed, nginx, observer):
    """Whoever reads the last of a body may close at once, and no call follows."""
    if bed.group.path is None:
        pytest.skip("no cgroup can be made: a Unix socket has no port to be watched by")
    (nginx.folder / "www" / "megabyte").write_bytes(bytes(1 << 20))
    command = ["curl", "-sf", "--unix-socket", nginx.socket, "-o", "/dev/null",
               "http://e2e/megabyte"]  # fmt: skip
    with observer.window() as window:
        for _ in range(20):
            bed.run(command)
    assert_all(window, 20, "curl", "nginx")
