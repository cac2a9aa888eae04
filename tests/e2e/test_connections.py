# SPDX-License-Identifier: Apache-2.0
"""Connections: the gauges against what the servers and the kernel list, and every one counted."""

import socket
import subprocess
from collections import Counter

from lib.process import wait_until


def gauge(observer, name, *labels, **match):
    return observer.scrape().by(name, *labels, **match)


def wait_for_gauge(observer, expected, name, *labels, **match):
    """A gauge follows within the observer's rhythm."""
    found = []

    def reached():
        found.append(gauge(observer, name, *labels, **match))
        return found[-1] == expected

    try:
        wait_until(reached, 3, what=f"{name} {expected}")
    except AssertionError:
        raise AssertionError(f"{name}: {found[-1]}, expected {expected}") from None


def established(port):
    """Connections of a server's port, as the kernel lists the server's end."""
    command = ["ss", "-Htn", "state", "established", f"( sport = :{port} )"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return len(done.stdout.splitlines())


def test_database_states(bed, postgres, observer):
    url = postgres.url(application_name="hold")
    sql = "SELECT state, count(*) FROM pg_stat_activity WHERE application_name = 'hold' GROUP BY 1"
    truth = ["active|2", "idle in transaction|3", "idle|4"]
    with bed.start_call("pg.hold", url, 4, 4, 2, 3) as client:
        wait_until(lambda: sorted(postgres.sql(sql)) == truth, what="the sessions")
        match = {"service": "client.py"}
        states = Counter({"active": 2, "idle": 4, "idle_in_transaction": 3})
        wait_for_gauge(observer, states, "db_connections", "state", **match)
        wait_for_gauge(observer, Counter({"client.py": 5}), "db_connection_pool_size", "service",
                       **match)  # fmt: skip
        assert sorted(postgres.sql(sql)) == truth, "the sessions changed meanwhile"
        assert client.process.wait(20) == 0, client.log_text()
    wait_for_gauge(observer, Counter(), "db_connections", "state", **match)
    wait_for_gauge(observer, Counter(), "db_connection_pool_size", "service", **match)


def test_database_pipeline(bed, postgres, observer):
    """The server waits for the client, with a transaction open (and calls that active)."""
    sql = "SELECT state, wait_event FROM pg_stat_activity WHERE application_name = 'pipe'"
    with bed.start_call("pg.hold_pipeline", postgres.url(application_name="pipe"), 3) as client:
        wait_until(lambda: postgres.sql(sql) == ["active|ClientRead"], what="the session")
        match = {"service": "client.py"}
        states = Counter({"idle_in_transaction": 1})
        wait_for_gauge(observer, states, "db_connections", "state", **match)
        wait_for_gauge(observer, Counter({"client.py": 1}), "db_connection_pool_size", "service",
                       **match)  # fmt: skip
        assert postgres.sql(sql) == ["active|ClientRead"], "the session changed meanwhile"
        assert client.process.wait(20) == 0, client.log_text()
    wait_for_gauge(observer, Counter(), "db_connections", "state", **match)


def test_database_peer(bed, postgres, observer):
    with bed.start_call("pg.hold", postgres.url(), 2, 3, 0, 0):
        peer = Counter({f"127.0.0.1:{postgres.port}": 3})
        wait_for_gauge(observer, peer, "db_connections", "peer", service="client.py")


def test_redis_connections(bed, redis, observer):
    control = redis.book()
    with bed.start_call("resp.hold", redis.port, 25, 3) as client:
        # The control connection is in the list too.
        wait_until(lambda: control.command("CLIENT", "LIST").count("addr=") == 2 * 26)
        wait_for_gauge(observer, Counter({"client.py": 25}), "redis_connections", "service")
        assert client.process.wait(20) == 0, client.log_text()
    control.close()
    wait_for_gauge(observer, Counter(), "redis_connections", "service")


def test_http_connections(bed, nginx, observer):
    with bed.start_call("web.hold", nginx.port, 30, 3) as client:
        wait_until(lambda: established(nginx.port) == 30, what="the connections")
        for role, service in (("server", "nginx"), ("client", "client.py")):
            wait_for_gauge(
                observer, Counter({service: 30}), "http_connections", "service", role=role
            )
        assert client.process.wait(20) == 0, client.log_text()
    wait_for_gauge(observer, Counter(), "http_connections", "role")


def test_churn(bed, redis, observer):
    """Ten thousand short connections: all opened, all closed, on both ends; none is left."""
    with observer.window() as window:
        bed.call("resp.churn", redis.port, 10000)
    for name in ("tcp_connections_opened_total", "tcp_connections_closed_total"):
        assert window.counts(name, "role", "service", "protocol") == {
            ("client", "client.py", "redis"): 10000,
            ("server", "redis-server", "redis"): 10000,
        }
    assert window.counts("redis_commands_total", "operation") == {"PING": 10000}
    assert window.counts("redis_server_commands_total", "operation") == {"PING": 10000}
    assert window.counts("tcp_connect_duration_seconds_count", "service") == {"client.py": 10000}
    assert window.counts("redis_connections", "service") == {}


def test_refused(bed, observer):
    port = bed.port()
    with observer.window() as window:
        bed.call("web.refused", port, 50)
    assert window.counts("tcp_connect_failures_total", "role", "service", "peer") == {
        ("client", "client.py", f"127.0.0.1:{port}"): 50
    }
    assert window.counts("tcp_connections_opened_total", "service") == {}


def test_timed_out(bed, observer):
    """A listener whose backlog is full answers nothing; the application gives up."""
    with socket.create_server(("127.0.0.1", bed.port()), backlog=0) as listener:
        port = listener.getsockname()[1]
        held = []
        try:
            while True:
                held.append(socket.create_connection(("127.0.0.1", port), timeout=0.3))
        except TimeoutError:
            pass
        with observer.window() as window:
            assert bed.call("web.timed_out", port, 3, 0.3) == 3
        for connection in held:
            connection.close()
    assert window.counts("tcp_connect_failures_total", "service", "peer") == {
        ("client.py", f"127.0.0.1:{port}"): 3
    }


def test_all_is_closed_at_last(bed, redis, observer):
    """After all the tests above every gauge of a client is back at zero."""
    scrape = observer.settle()
    for name in ("db_connection_pool_size", "db_connections", "redis_connections",
                 "http_connections"):  # fmt: skip
        assert scrape.by(name, "service") == {}, name
    opened = scrape.by("tcp_connections_opened_total", "service", "role", "protocol")
    assert opened == scrape.by("tcp_connections_closed_total", "service", "role", "protocol")
