# SPDX-License-Identifier: Apache-2.0
"""Durations: our means against the clients' own."""

import functools
import re

import pytest
from lib.servers import Script


class Apart(AssertionError):
    pass


def assert_near(ours, theirs):
    """Within 5 % or 20 microseconds."""
    if abs(ours - theirs) > max(0.05 * theirs, 20e-6):
        raise Apart(f"ours {ours:.6f}, theirs {theirs:.6f}")


def least_disturbed(test):
    """
    Measures up to three times: a client's clock goes on while others have its processor, between
    the answer and its look at the clock, and no observer sees that.
    """

    @functools.wraps(test)
    def repeated(*args, **kwargs):
        for left in (2, 1, 0):
            try:
                return test(*args, **kwargs)
            except Apart:
                if not left:
                    raise

    return repeated


def in_seconds(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()
    return float(number) * {"us": 1e-6, "ms": 1e-3, "s": 1}[unit]


@pytest.fixture(scope="module")
def plain(bed):
    server = Script(bed, "plain.py")
    yield server
    server.stop()


@pytest.mark.parametrize("connections", [1, 20])
@least_disturbed
def test_redis_benchmark(bed, redis, observer, connections):
    with observer.window() as window:
        out = bed.run(["redis-benchmark", "-p", redis.port, "--csv", "-t", "get", "-n", "40000",
                       "-c", connections])  # fmt: skip
    header, row = (line.replace('"', "").split(",") for line in out.strip().splitlines()[-2:])
    theirs = float(dict(zip(header, row, strict=True))["avg_latency_ms"]) / 1000
    ours = window.delta.mean(
        "redis_command_duration_seconds", service="redis-benchmark", operation="GET"
    )
    assert_near(ours, theirs)


@least_disturbed
def test_redis_one_at_a_time(bed, redis, observer):
    with observer.window() as window:
        theirs = bed.call("resp.paced", redis.port, 5000)
    assert_near(window.delta.mean("redis_command_duration_seconds", service="client.py"), theirs)


@pytest.mark.parametrize("seconds", [0.001, 0.02])
@least_disturbed
def test_pgbench(bed, postgres, observer, seconds):
    script = bed.folder / "sleep.sql"
    script.write_text(f"SELECT pg_sleep({seconds});\n")
    with observer.window() as window:
        out = postgres.pgbench("-M", "prepared", "-f", script, "-c", "2", "-t", int(1 / seconds))
    theirs = float(re.search(r"latency average = ([\d.]+) ms", out)[1]) / 1000
    ours = window.delta.mean("db_query_duration_seconds", service="pgbench", operation="SELECT")
    assert_near(ours, theirs)
    assert ours >= seconds


@least_disturbed
def test_psycopg(bed, postgres, observer):
    with observer.window() as window:
        theirs = bed.call("pg.paced", postgres.url(), 300)
    assert_near(window.delta.mean("db_query_duration_seconds", service="client.py"), theirs)
    server = window.delta.mean("db_server_query_duration_seconds", service="postgres")
    assert 0.002 <= server <= theirs


def wrk_means(bed, observer, connections, url):
    """Ours and wrk's own. Its last requests are never answered."""
    with observer.window(exact=False) as window:
        out = bed.run(["wrk", "-t", "1", "-c", connections, "-d", "1s", url])
    ours = window.delta.mean("http_client_request_duration_seconds", service="wrk")
    return ours, in_seconds(re.search(r"Latency\s+(\S+)", out)[1])


@least_disturbed
def test_wrk(bed, nginx, observer):
    """
    One connection that asks as soon as it is answered: the time by the number of requests. (Its own
    mean adds requests that were never sent, as a correction for coordinated omission.)
    """
    with observer.window(exact=False) as window:
        out = bed.run(["wrk", "-t", "1", "-c", "1", "-d", "2s",
                       f"http://127.0.0.1:{nginx.port}/hello"])  # fmt: skip
    count, seconds = re.search(r"(\d+) requests in ([\d.]+)s", out).groups()
    ours = window.delta.mean("http_client_request_duration_seconds", service="wrk")
    assert_near(ours, float(seconds) / int(count))


@least_disturbed
def test_wrk_and_a_sleeping_handler(bed, fastapi, observer):
    ours, theirs = wrk_means(bed, observer, 8, f"http://127.0.0.1:{fastapi.port}/sleep")
    assert_near(ours, theirs)
    assert ours >= 0.05


@pytest.mark.parametrize("path", ["/sleep", "/sleep-sync"])
@least_disturbed
def test_sleeping_handler(bed, fastapi, observer, path):
    with observer.window() as window:
        theirs = bed.call("web.parallel", fastapi.port, 4, 20, path, True)
    client = window.delta.mean("http_client_request_duration_seconds", service="client.py")
    server = window.delta.mean("http_request_duration_seconds", service=fastapi.service)
    assert_near(client, theirs)
    assert 0.05 <= server <= client
    buckets = window.delta.select("http_request_duration_seconds_bucket", service=fastapi.service)
    assert sum(value for labels, value in buckets if float(labels["le"]) < 0.05) == 0


@least_disturbed
def test_waiting_before_a_busy_loop(bed, fastapi, observer):
    """A handler that blocks its event loop: what others ask meanwhile waits unread."""
    with observer.window() as window:
        theirs = bed.call("web.parallel", fastapi.port, 4, 10, "/block", True)
    assert theirs > 0.15
    assert_near(window.delta.mean("http_request_duration_seconds", service=fastapi.service), theirs)
    client = window.delta.mean("http_client_request_duration_seconds", service="client.py")
    assert_near(client, theirs)


@least_disturbed
def test_waiting_before_accept(bed, plain, observer):
    """The connection itself waits to be accepted, its request in the socket."""
    with observer.window() as window:
        theirs = bed.call("web.parallel", plain.port, 4, 5, "/slow", False)
    assert theirs > 0.3
    assert_near(window.delta.mean("http_request_duration_seconds", service=plain.service), theirs)
