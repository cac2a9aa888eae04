# SPDX-License-Identifier: Apache-2.0
"""Programs in between, which pass on what others ask: whatever way the bytes take, each hop counts
each exchange once."""

import re
from collections import Counter

import pytest
from lib.books import access_log
from lib.process import accepts

HAPROXY = """
defaults
	mode {mode}
	{options}
	timeout connect 5s
	timeout client 30s
	timeout server 30s
frontend before
	bind 127.0.0.1:{port}
	default_backend behind
backend behind
	server nginx 127.0.0.1:{backend} {sending}
"""


WAYS = ["http", "http splice", "tcp splice", "http send-proxy", "tcp send-proxy-v2"]


@pytest.fixture(params=WAYS)
def haproxy(request, bed, nginx):
    """Copies what it passes on, or (splice) lets the kernel move it without a look; or says first
    whose it is (send-proxy)."""
    mode, *way = request.param.split()
    port = bed.port()
    config = bed.folder / f"haproxy-{port}.cfg"
    options = "option splice-auto" if way == ["splice"] else "http-reuse always"
    sending = "".join(word for word in way if word.startswith("send-proxy"))
    backend = nginx.proxied if sending else nginx.port
    config.write_text(HAPROXY.format(mode=mode, options=options, port=port, backend=backend,
                                     sending=sending))  # fmt: skip
    with bed.start(f"haproxy-{port}", ["haproxy", "-db", "-f", config]) as process:
        process.wait_for(lambda: accepts(port))
        process.port, process.mode = port, request.param
        yield process


def test_haproxy(bed, nginx, observer, haproxy):
    position = nginx.access.stat().st_size
    with observer.window(exact=haproxy.mode != "tcp splice") as window:
        bed.call("web.keepalive", haproxy.port, 500, "/hello")
        bed.call("web.pipelined", haproxy.port, 50, "/hello")
        bed.call("web.keepalive", haproxy.port, 100, "/page")
        bed.run(
            ["curl", "-sS", "--range", "0-2999999", "-o", "/dev/null",
             f"http://127.0.0.1:{haproxy.port}/large?[1-20]"]
        )  # fmt: skip
    book = Counter()
    for (method, _, status), n in access_log(nginx.access, position).items():
        book[method, status] += n
    labels = ("method", "status")
    asked = Counter({("GET", "200"): 800, ("HEAD", "200"): 150, ("GET", "404"): 150})
    assert book == asked + Counter({("GET", "206"): 20})
    for metric in ("http_requests_total", "http_request_duration_seconds_count"):
        assert window.counts(metric, *labels, service="nginx") == book
    assert window.counts("http_client_requests_total", *labels, service="client.py") == asked
    served = window.counts("http_requests_total", *labels, service="haproxy")
    durations = window.counts("http_request_duration_seconds_count", *labels, service="haproxy")
    passed_on = window.counts("http_client_requests_total", *labels, service="haproxy")
    assert not served - book and not passed_on - book
    lost = window.counts("onlooker_events_lost_total", "reason")
    if haproxy.mode == "tcp splice" and set(lost) == {"no_buffer"}:
        return  # HAProxy 3 splices heads, too: nobody has their bytes, which is said
    window.assert_nothing_missed()
    assert served == durations == book
    # Where nothing tells of it, an idle connection's last splice() is known with its next call.
    untold = "splice" in haproxy.mode and not observer.tells_of_splice()
    assert (book - passed_on).total() <= untold


@pytest.fixture(params=["session", "transaction", "statement"])
def pgbouncer(request, bed, postgres):
    """Fewer connections to the server than clients have to it."""
    port = bed.port()
    config = bed.folder / f"pgbouncer-{port}.ini"
    config.write_text(
        f"[databases]\npostgres = host=127.0.0.1 port={postgres.port} user=e2e\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = any\npool_mode = {request.param}\ndefault_pool_size = 2\n"
    )
    config.chmod(0o644)
    # It does not run as root.
    with bed.start(f"pgbouncer-{port}", [*postgres.user, "pgbouncer", config]) as process:
        process.wait_for(lambda: accepts(port))
        process.port = port
        yield process


@pytest.mark.parametrize("mode", ["simple", "extended"])
def test_pgbouncer(bed, postgres, observer, pgbouncer, mode):
    book = postgres.book()
    script = bed.folder / "between.sql"
    script.write_text("SELECT 1;\nSELECT generate_series(1, 50);\n")
    with observer.window() as window:
        out = bed.run(
            [postgres.programs / "pgbench", "-h", "127.0.0.1", "-p", pgbouncer.port, "-U", "e2e",
             "-n", "-M", mode, "-c", "4", "-j", "2", "-t", "100", "-f", script, "postgres"]
        )  # fmt: skip
    assert re.search(r"actually processed: 400/400", out)
    executed = book.executed()
    assert executed["SELECT"] == 800
    passed_on = window.counts("db_queries_total", "operation", service="pgbouncer")
    assert passed_on == executed
    assert window.counts("db_queries_total", "operation", "status", service="pgbench") == {
        ("SELECT", "ok"): 800
    }
    served = window.counts("db_server_queries_total", "service", "operation")
    own = {operation: n for (service, operation), n in served.items() if service == "postgres"}
    assert own == executed
    assert served["pgbouncer", "SELECT"] == 800
