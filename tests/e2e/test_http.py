# SPDX-License-Identifier: Apache-2.0
"""HTTP: every exchange counted once, on both ends, by method and status."""

import re
import shutil
import sys
from collections import Counter

import pytest
from lib.books import access_log
from lib.process import wait_until
from lib.servers import Script

LABELS = ("method", "status")


@pytest.fixture(scope="module")
def plain(bed):
    server = Script(bed, "plain.py")
    yield server
    server.stop()


def server_counts(window, service):
    return window.counts("http_requests_total", *LABELS, service=service)


def client_counts(window, service="client.py"):
    return window.counts("http_client_requests_total", *LABELS, service=service)


def assert_both(window, service, expected, client="client.py"):
    expected = Counter({key: n for key, n in expected.items() if n})
    assert server_counts(window, service) == expected
    assert client_counts(window, client) == expected
    answered = Counter({key: n for key, n in expected.items() if key[1] != "aborted"})
    for name, of in (("http_request_duration_seconds", service),
                     ("http_client_request_duration_seconds", client)):  # fmt: skip
        assert window.counts(f"{name}_count", *LABELS, service=of) == answered


def logged(path, position):
    """The access log by method and status; nginx writes it when a request is done."""
    counts = Counter()
    for (method, _, status), n in access_log(path, position).items():
        counts[method, status] += n
    return counts


def test_keepalive_nginx(bed, nginx, observer):
    position = nginx.access.stat().st_size
    with observer.window() as window:
        bed.call("web.keepalive", nginx.port, 2000, "/hello")
    assert logged(nginx.access, position) == {("GET", "200"): 2000}
    assert_both(window, "nginx", {("GET", "200"): 2000})
    assert window.counts("http_requests_total", "endpoint") == {"/hello": 2000}


def test_pipelined_nginx(bed, nginx, observer):
    position = nginx.access.stat().st_size
    with observer.window() as window:
        bed.call("web.pipelined", nginx.port, 200, "/hello")
    book = logged(nginx.access, position)
    assert book == {("GET", "200"): 800, ("HEAD", "200"): 600, ("GET", "404"): 600}
    assert_both(window, "nginx", book)


def test_behind_the_last_answer(bed, nginx, observer):
    """A server that has said "close" serves nothing more, though it has read it."""
    position = nginx.access.stat().st_size
    with observer.window() as window:
        bed.call("web.behind_the_last", nginx.port, 50, "/hello")
    assert logged(nginx.access, position) == {("GET", "200"): 150}
    assert server_counts(window, "nginx") == {("GET", "200"): 150}
    assert client_counts(window) == {("GET", "200"): 150, ("GET", "aborted"): 150}


def test_without_bodies(bed, nginx, node, observer):
    position = nginx.access.stat().st_size
    with observer.window() as window:
        bed.call("web.without_bodies", node.port, 50)
        bed.call("web.not_modified", nginx.port, 50, "/hello")
        bed.call("web.keepalive", nginx.port, 50, "/nothing")
    assert logged(nginx.access, position) == {("GET", "304"): 50, ("GET", "204"): 50}
    assert server_counts(window, "nginx") == {("GET", "304"): 50, ("GET", "204"): 50}
    assert server_counts(window, "node.js") == {
        ("HEAD", "200"): 50,
        ("GET", "204"): 50,
        ("GET", "304"): 50,
        ("GET", "200"): 50,
    }
    assert client_counts(window) == server_counts(window, "nginx") + server_counts(
        window, "node.js"
    )


def test_expect_continue(bed, node, fastapi, observer):
    """100 is not the answer."""
    with observer.window() as window:
        bed.call("web.expect", node.port, 50, "/echo", 200)
        bed.call("web.expect", fastapi.port, 50, "/items", 201)
    assert server_counts(window, "node.js") == {("POST", "200"): 50}
    assert server_counts(window, fastapi.service) == {("POST", "201"): 50}
    assert client_counts(window) == {("POST", "200"): 50, ("POST", "201"): 50}


def test_early_hints(bed, node, observer):
    with observer.window() as window:
        bed.call("web.hints", node.port, 30)
    assert_both(window, "node.js", {("GET", "200"): 30})


def test_chunked_both_ways(bed, node, observer):
    with observer.window() as window:
        bed.call("web.chunked", node.port, 50)
    assert_both(window, "node.js", {("POST", "200"): 52, ("GET", "200"): 1})


def test_bytewise(bed, nginx, node, observer):
    with observer.window() as window:
        bed.call("web.bytewise", nginx.port, 20, "/hello")
        bed.call("web.bytewise", node.port, 20, "/hello")
    assert server_counts(window, "nginx") == {("GET", "200"): 20}
    assert server_counts(window, "node.js") == {("GET", "200"): 20}
    assert client_counts(window) == {("GET", "200"): 40}


def test_answers_split_and_until_close(bed, plain, observer):
    with observer.window() as window:
        bed.call("web.old", plain.port, 20, "/until-close")
        bed.call("web.old", plain.port, 20, "/split")
    assert_both(window, plain.service, {("GET", "200"): 20, ("GET", "203"): 20})


def test_old_protocol(bed, nginx, observer):
    with observer.window() as window:
        bed.call("web.old", nginx.port, 50, "/hello")
    assert_both(window, "nginx", {("GET", "200"): 50})


def test_upload(bed, node, nginx, observer):
    """50 MB, directly and through nginx, which hands them on; then one more on the connection."""
    position = nginx.access.stat().st_size
    with observer.window() as window:
        bed.call("web.upload", node.port, 50 << 20, "/sink?n=1", 200)
        bed.call("web.upload", nginx.port, 50 << 20, "/proxied/sink", 200)
    assert logged(nginx.access, position) == {("POST", "200"): 1, ("GET", "200"): 1}
    assert server_counts(window, "node.js") == {("POST", "200"): 1, ("GET", "200"): 1}
    # nginx is both: the one in front and the one behind.
    assert server_counts(window, "nginx") == {("POST", "200"): 2, ("GET", "200"): 1}
    assert client_counts(window) == {("POST", "200"): 2, ("GET", "200"): 2}
    assert client_counts(window, "nginx") == {("POST", "200"): 1}


def test_large_echo(bed, node, observer):
    """Chunks that Node hands to the kernel by the hundred, in calls of a thousand pieces."""
    with observer.window() as window:
        bed.call("web.upload", node.port, 50 << 20, "/echo", 200)
    assert_both(window, "node.js", {("POST", "200"): 1, ("GET", "200"): 1})


def test_download_by_sendfile(bed, nginx, observer):
    url = f"http://127.0.0.1:{nginx.port}"
    with observer.window() as window:
        null = ["-o", "/dev/null"]
        bed.run(["curl", "-sf", *null, f"{url}/large", *null, f"{url}/hello"])
    assert_both(window, "nginx", {("GET", "200"): 2}, client="curl")
    assert window.counts("http_requests_total", "endpoint") == {"/large": 1, "/hello": 1}


def test_early_refusal(bed, nginx, plain, node, observer):
    """413 before the body has come, which may come all the same."""
    with observer.window() as window:
        bed.call("web.too_large", nginx.port, 10, "/small", 10 << 20)
        bed.call("web.too_large", plain.port, 10, "/early", 10 << 20)
        bed.call("web.too_large", node.port, 10, "/early", 10 << 20)
    for service in ("nginx", plain.service, "node.js"):
        assert server_counts(window, service) == {("POST", "413"): 10}
    assert client_counts(window) == {("POST", "413"): 30}


def test_upgrade(bed, node, observer):
    """The handshake is an exchange; what follows is not HTTP, whatever it looks like."""
    with observer.window() as window:
        bed.call("web.websocket", node.port, 10, 20)
    assert_both(window, "node.js", {("GET", "101"): 10})


def test_given_up(bed, node, observer):
    with observer.window() as window:
        bed.call("web.give_up", node.port, 20, "/never")
    assert_both(window, "node.js", {("GET", "aborted"): 20})


@pytest.mark.parametrize("ends", ["both", "client"])
def test_half_closed(bed, nginx, start_observer, ends):
    """What is read when both directions are closed was answered all the same."""
    if ends == "client" and bed.group.path is None:
        pytest.skip("no cgroup can be made: an end has no watch of its own")
    config = bed.watch()
    if ends == "client":
        config["watch"]["exclude"] = [{"executable": "nginx"}]
    observer = start_observer(config)
    position = nginx.access.stat().st_size
    with observer.window() as window:
        bed.call("web.half_closed", nginx.port, 32, "/hello")
        bed.call("web.half_closed", nginx.port, 32, "/page")
    assert logged(nginx.access, position) == {("GET", "200"): 64}
    if ends == "both":
        assert_both(window, "nginx", {("GET", "200"): 64})
    assert client_counts(window) == {("GET", "200"): 64}


# serve PATH 0|1, ask PATH COUNT 0|1; 1: half-closed, and answered only then
BY_UNIX = """
import socket, sys

half = sys.argv[-1] == "1"
if sys.argv[1] == "serve":
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[2])
    listener.listen(64)
    print("ready", flush=True)
    while True:
        with listener.accept()[0] as connection:
            while connection.recv(1000) and half:
                pass
            connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nhi")
for _ in range(int(sys.argv[3])):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(sys.argv[2])
        connection.sendall(b"GET / HTTP/1.1\\r\\nHost: e2e\\r\\n\\r\\n")
        if half:
            connection.shutdown(socket.SHUT_WR)
        while connection.recv(1000):
            pass
"""


@pytest.mark.parametrize("half", [0, 1], ids=["at_once", "half_closed"])
def test_new_unix_sockets(bed, observer, half):
    """What is written to a new one while its reader asks for it: both make its state. Or one whose
    client says that it sends no more before it is answered."""
    if bed.group.path is None:
        pytest.skip("no cgroup can be made: a Unix socket has no port to be watched by")
    script, path = bed.folder / f"unix-{half}.py", bed.folder / f"unix-{half}.sock"
    script.write_text(BY_UNIX)
    with bed.start(f"unix-{half}", [sys.executable, script, "serve", path, half]) as server:
        server.wait_for(lambda: "ready" in server.log_text())
        with observer.window() as window:
            bed.run([sys.executable, script, "ask", path, 5000, half])
    assert server_counts(window, script.name) == {("GET", "200"): 5000}
    assert client_counts(window, script.name) == {("GET", "200"): 5000}


def test_cut_short(bed, plain, observer):
    with observer.window() as window:
        bed.call("web.cut", plain.port, 20, "/cut")
    assert_both(window, plain.service, {("GET", "aborted"): 20})


@pytest.mark.parametrize("linger", [False, True], ids=["closed", "reset"])
def test_left_before_the_end(bed, plain, observer, linger):
    """Where only the end tells that an answer is complete, it is not if its reader goes first."""
    with observer.window() as window:
        bed.call("web.leave", plain.port, 20, "/endless", linger)
    assert_both(window, plain.service, {("GET", "aborted"): 20})


def test_libraries_and_fastapi(bed, fastapi, observer):
    with observer.window() as window:
        count = bed.call("web.libraries", fastapi.port, 50)
    expected = {
        ("GET", "200"): count,
        ("GET", "404"): count,
        ("POST", "201"): count,
        ("GET", "500"): 3,
    }
    assert_both(window, fastapi.service, expected)
    assert window.counts("http_requests_total", "endpoint") == {
        "/items/{id}": 2 * count,
        "/items": count,
        "/boom": 3,
    }


def test_curl_ipv4_and_names(bed, nginx, observer):
    """Several transfers of one curl, parallel too; the query is no part of the endpoint."""
    urls = [f"http://localhost:{nginx.port}/hello?n={i}" for i in range(20)]
    with observer.window() as window:
        bed.run(["curl", "-sf", "-Z", *sum([["-o", "/dev/null", url] for url in urls], [])])
    assert_both(window, "nginx", {("GET", "200"): 20}, client="curl")
    assert window.counts("http_requests_total", "endpoint") == {"/hello": 20}


def wrk(bed, url, connections, seconds=2, threads=1):
    out = bed.run(["wrk", "-t", threads, "-c", connections, "-d", f"{seconds}s", url])
    assert "Socket errors" not in out and "Non-2xx" not in out, out
    return int(re.search(r"(\d+) requests in", out)[1]), out


def assert_as_booked(ours, book, connections):
    """nginx books an answer whose write fails as if it were sent: when a load ends by closing its
    connections, that is aborted here. All in all the numbers are the same."""
    assert ours.total() == book.total()
    assert book["GET", "200"] - connections <= ours["GET", "200"] <= book["GET", "200"]


def assert_as_counted(clients, count, book, connections):
    """wrk leaves at its end: what was in flight then was sent, but it does not count it."""
    assert count <= clients["GET", "200"] <= count + connections
    assert book.total() <= clients.total() <= count + connections


@pytest.mark.parametrize("path, connections", [("/hello", 32), ("/page", 64)])
def test_wrk(bed, nginx, observer, path, connections):
    """At full speed."""
    position = nginx.access.stat().st_size
    with observer.window() as window:
        count, _ = wrk(bed, f"http://127.0.0.1:{nginx.port}{path}", connections, threads=2)
        settled_log(nginx.access)
    book = logged(nginx.access, position)
    assert_as_booked(server_counts(window, "nginx"), book, connections)
    assert_as_counted(client_counts(window, "wrk"), count, book, connections)


def settled_log(path):
    """nginx books the last requests of a load after their clients are gone."""
    sizes = [None]

    def settled():
        sizes.append(path.stat().st_size)
        return sizes[-1] == sizes[-2]

    wait_until(settled, pause=0.2, what="the end of the access log")


def test_wrk_through_proxy(bed, nginx, observer):
    front, back = nginx.access.stat().st_size, nginx.backend_access.stat().st_size
    with observer.window() as window:
        count, _ = wrk(bed, f"http://127.0.0.1:{nginx.port}/proxied/hello", 32)
        settled_log(nginx.access)
        settled_log(nginx.backend_access)
    before, behind = logged(nginx.access, front), logged(nginx.backend_access, back)
    for endpoint, book in (("/proxied/hello", before), ("/hello", behind)):
        served = window.counts("http_requests_total", *LABELS, service="nginx", endpoint=endpoint)
        assert_as_booked(served, book, 32)
    assert behind.total() <= client_counts(window, "nginx").total() <= before.total()
    assert_as_counted(client_counts(window, "wrk"), count, before, 32)


def test_interpreters_are_named_by_their_script(bed, observer):
    """python3 -m http.server is http.server, not python3."""
    folder = bed.folder / "static"
    folder.mkdir()
    shutil.copy(__file__, folder / "file")
    port = bed.port()
    command = [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", port]
    with bed.start("http-server", command, cwd=folder) as server:
        server.wait_for(lambda: "Serving" in server.log_text())
        with observer.window() as window:
            bed.run(["curl", "-sf", "-o", "/dev/null", f"http://127.0.0.1:{port}/file"])
    assert_both(window, "http.server", {("GET", "200"): 1}, client="curl")
