# SPDX-License-Identifier: Apache-2.0
"""
io_uring: whose calls they are is known, where their bytes lie is not. What cannot be counted is
said to be missing, and what is counted is true; an end that makes plain calls is counted exactly.
"""

import subprocess
from collections import Counter

import pytest
from lib.process import HERE, wait_until

CLIENT = "uring-client"
ROUNDS = 200
CANNOT = 3  # exit status
FORMS = ("send", "write", "message", "fixed", "zerocopy", "zerocopy-fixed", "multishot", "worker",
         "sqpoll", "sqpoll-fixed", "send-only", "receive-only", "beside")  # fmt: skip


@pytest.fixture(scope="module")
def program(bed):
    program = bed.folder / CLIENT
    subprocess.run(
        ["gcc", "-O1", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-o", program,
         HERE / "apps" / "uring.c", "-luring"], check=True,
    )  # fmt: skip
    return program


def exchanges(bed, program, redis, form, depth):
    """What the server booked of a client."""
    control = redis.book()
    control.reset()
    command = bed.group.command([program, redis.port, form, ROUNDS, depth])
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode == CANNOT:
        pytest.skip(f"this kernel has no {form}")
    assert done.returncode == 0, done.stderr
    book = control.commands()
    control.close()
    return book


@pytest.mark.parametrize("depth", [1, 16])
@pytest.mark.parametrize("form", FORMS)
def test_form(bed, redis, observer, program, form, depth):
    with observer.window(exact=False) as window:
        book = exchanges(bed, program, redis, form, depth)
    labels = ("operation", "status")
    assert window.counts("redis_server_commands_total", *labels, service="redis-server") == book
    truth = book - Counter({("INFO", "ok"): 2, ("CONFIG", "ok"): 1})
    assert truth["SET", "ok"] == truth["GET", "ok"] == ROUNDS * depth
    ours = window.counts("redis_commands_total", *labels)
    assert ours == window.counts("redis_commands_total", *labels, service=CLIENT)
    assert not ours - truth
    lost = window.counts("onlooker_events_lost_total", "reason")
    assert set(lost) == {"io_uring"}, lost
    # The kernel's own threads make the calls, but no connection is theirs.
    for name in ("tcp_connections_opened_total", "tcp_connections_closed_total"):
        owners = window.counts(name, "service", role="client")
        assert owners == {CLIENT: 1 + (form == "beside")}, (name, owners)
    wait_until(lambda: observer.scrape().total("redis_connections") == 0, 4)


@pytest.mark.parametrize("form", ["receive-only", "beside"])
def test_requests_by_calls(bed, redis, observer, program, form):
    """Where the answers' bytes are had from the server, all but the first batches are counted."""
    with observer.window(exact=False) as window:
        exchanges(bed, program, redis, form, 4)
    counts = window.counts("redis_commands_total", "operation", service=CLIENT)
    for operation in ("SET", "GET"):
        assert 4 * (ROUNDS - 3) <= counts[operation] <= 4 * ROUNDS
    if form == "beside":
        assert counts["PING"] >= 3 * ROUNDS
