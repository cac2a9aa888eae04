# SPDX-License-Identifier: Apache-2.0
"""Every form of call that moves bytes through a socket, over every family of sockets."""

import subprocess

import pytest
from lib.process import HERE

FORMS = ("write", "writev", "send", "sendto", "sendmsg", "sendmmsg", "peek", "waitall", "pieces",
         "more", "sendfile", "splice")  # fmt: skip
COUNT = 5


@pytest.fixture(scope="module")
def program(bed):
    """The same program under two names, one for each end; two more for what is counted apart."""
    for name in ("calls-server", "calls-client", "upload-server", "upload-client"):
        subprocess.run(
            ["gcc", "-O1", "-D_GNU_SOURCE", "-Wall", "-o", bed.folder / name,
             HERE / "apps" / "calls.c"], check=True,
        )  # fmt: skip
    return bed.folder


@pytest.mark.parametrize("family", ["4", "6", "u"])
def test_forms(bed, program, observer, family):
    if family == "u" and bed.group.path is None:
        pytest.skip("no cgroup can be made: a Unix socket has no port to be watched by")
    address = program / "calls.sock" if family == "u" else bed.port()
    command = [program / "calls-server", "serve", family, address]
    untold = family == "u" and not observer.tells_of_splice()
    with bed.start(f"calls-{family}", command) as server:
        server.wait_for(lambda: "ready" in server.log_text())
        with observer.window(exact=not untold) as window:
            bed.run([program / "calls-client", "ask", family, address, COUNT])
        assert server.process.poll() is None, server.log_text()
    served = window.counts("http_requests_total", "endpoint", service="calls-server")
    asked = window.counts("http_client_requests_total", "endpoint", service="calls-client")
    assert set(window.counts("http_requests_total", "status", service="calls-server")) == {"200"}
    forms = set(FORMS)
    if untold:
        forms.remove("splice")
        for counts in (served, asked):
            assert_honest(window, counts.pop("/splice", 0))
    assert served == asked == {f"/{form}": COUNT for form in forms}


def assert_honest(window, count):
    """
    Nothing numbers the bytes of a Unix socket: where the kernel does not tell of splice() either,
    what was missed is said, and nothing made up.
    """
    assert count <= COUNT
    if count < COUNT:
        lost = window.delta.select("onlooker_events_lost_total")
        gaps = window.delta.select("onlooker_stream_gaps_total")
        errors = window.delta.select("onlooker_parse_errors_total")
        assert sum(n for _, n in [*lost, *gaps, *errors]) > 0


def test_message_behind_what_is_skipped(bed, program, observer):
    """The bytes of the second message of a call, of whose first one nothing is wanted."""
    port = bed.port()
    with bed.start("calls-skipped", [program / "upload-server", "serve", "4", port]) as server:
        server.wait_for(lambda: "ready" in server.log_text())
        with observer.window() as window:
            bed.run([program / "upload-client", "upload", "4", port, COUNT])
    for name, service in (("", "upload-server"), ("client_", "upload-client")):
        family = f"http_{name}requests_total"
        assert window.counts(family, "endpoint", service=service) == {"/waitall": 2 * COUNT}
