# SPDX-License-Identifier: Apache-2.0
"""
Loads of known size. Each takes a function that tells what the observer has counted since the
load began, and yields (what, expected, got): the truth is in the servers' books and the clients'.
"""

import re
from collections import Counter

import bed
from lib.books import RedisBook, access_log

REDIS_REQUESTS = 480
REDIS_TESTS = ("SET", "GET", "LPUSH")
CONNECTIONS = 1000
TRANSACTIONS = 15
SCRIPT = "BEGIN;\nINSERT INTO kept VALUES (:client_id);\nSELECT count(*) FROM kept;\nCOMMIT;\n"
FORMS = ("write", "writev", "send", "sendto", "sendmsg", "sendmmsg", "peek", "waitall", "pieces",
         "more", "sendfile", "splice")  # fmt: skip
FORM_COUNT = 2


def redis(counted, *flags):
    book = RedisBook(bed.REDIS_PORT)
    book.reset()
    bed.run("redis-benchmark", "-q", "-c", "6", "-n", REDIS_REQUESTS,
            "-t", ",".join(REDIS_TESTS).lower(), *flags)  # fmt: skip
    booked = book.commands()
    book.close()
    labels = ("operation", "status")
    yield "commands, server", booked, counted("redis_server_commands_total", *labels)
    # The book's own: CONFIG RESETSTAT and two INFO.
    expected = +(booked - Counter({("CONFIG", "ok"): 1, ("INFO", "ok"): 2}))
    got = counted("redis_commands_total", *labels, service="redis-benchmark")
    yield "commands, client", expected, got


def new_connections(counted):
    """A connection for each command, whose states change while programs run for other sockets."""
    with bed.interrupted():
        bed.run("redis-benchmark", "-q", "-k", "0", "-c", "20", "-n", CONNECTIONS, "-t", "set,get")
    for side in ("server_", ""):
        got = counted(f"redis_{side}commands_total", "operation", "status")
        got.pop(("CONFIG", "ok"))
        yield f"commands, {side or 'client_'}".rstrip("_"), {
            ("SET", "ok"): CONNECTIONS, ("GET", "ok"): CONNECTIONS}, got  # fmt: skip
    opened = counted("tcp_connections_opened_total", "role")
    yield "connections, both ends alike", opened["client"], opened["server"]


def postgres(counted, mode, host):
    script = bed.FOLDER / "script.sql"
    script.write_text(SCRIPT)
    text = bed.run("pgbench", "-n", "-h", host, "-U", "postgres", "-M", mode, "-c", 4,
                   "-t", TRANSACTIONS, "-f", script, "postgres")  # fmt: skip
    done = int(re.search(r"actually processed: (\d+)", text)[1])
    expected = {(verb, "ok"): done for verb in ("BEGIN", "INSERT", "SELECT", "COMMIT")}
    labels = ("operation", "status")
    yield "statements, client", expected, counted("db_queries_total", *labels, service="pgbench")
    yield "statements, server", expected, counted("db_server_queries_total", *labels)


def _http(counted, client, *command):
    labels = ("method", "endpoint", "status")
    log = bed.FOLDER / "access.log"
    position = log.stat().st_size
    bed.run(*command)
    served = counted("http_requests_total", *labels, service="nginx")
    lines = access_log(log, position)  # by now nginx has written its last line
    expected = Counter()
    for (method, path, status), n in lines.items():
        expected[method, re.sub(r"\d+", "{id}", path), status] += n
    asked = counted("http_client_requests_total", *labels, service=client)
    return expected, served, asked


def keep_alive(counted):
    expected, served, asked = _http(
        counted, "curl", "curl", "-sf", "-o", "/dev/null",
        f"http://127.0.0.1:{bed.HTTP_PORT}/items/[1-300]",
    )  # fmt: skip
    yield "requests, server", expected, served
    yield "requests, client", expected, asked


def sendfile(counted):
    base = f"http://127.0.0.1:{bed.HTTP_PORT}"
    urls = [f"{base}/file.bin", f"{base}/items/1"] * 10
    flags = [word for url in urls for word in ("-o", "/dev/null", url)]
    expected, served, asked = _http(counted, "curl", "curl", "-sf", *flags)
    yield "requests, server", expected, served
    yield "requests, client", expected, asked


def many_clients(counted):
    """wrk leaves in mid-request: nginx logs what it began to answer, we call some of it aborted."""
    expected, served, _ = _http(
        counted, "wrk", "wrk", "-t", "1", "-c", "8", "-d", "2",
        f"http://127.0.0.1:{bed.HTTP_PORT}/items/7",
    )  # fmt: skip
    yield "requests, server", sum(expected.values()), sum(served.values())


def calls(counted, family, address):
    """Every form of call that moves bytes."""
    bed.run(bed.PAYLOAD / "calls-client", "ask", family, address, FORM_COUNT)
    labels = ("method", "status", "endpoint")
    expected = {("POST", "200", f"/{form}"): FORM_COUNT for form in FORMS}
    yield "requests, server", expected, counted("http_requests_total", *labels)
    yield "requests, client", expected, counted("http_client_requests_total", *labels)


LOADS = {
    "redis": lambda counted: redis(counted),
    "redis -P 16": lambda counted: redis(counted, "-P", "16"),
    "redis, new connections": new_connections,
    "redis, Unix socket": lambda counted: redis(counted, "-s", bed.REDIS_SOCKET),
    "pgbench simple": lambda counted: postgres(counted, "simple", "127.0.0.1"),
    "pgbench extended": lambda counted: postgres(counted, "extended", "127.0.0.1"),
    "pgbench prepared": lambda counted: postgres(counted, "prepared", "127.0.0.1"),
    "pgbench, Unix socket": lambda counted: postgres(counted, "extended", bed.FOLDER),
    "nginx keep-alive": keep_alive,
    "nginx sendfile": sendfile,
    "nginx wrk": many_clients,
    "forms of calls": lambda counted: calls(counted, "4", bed.CALLS_PORT),
    "forms of calls, Unix socket": lambda counted: calls(counted, "u", bed.CALLS_SOCKET),
}
