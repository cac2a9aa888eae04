# SPDX-License-Identifier: Apache-2.0
"""HTTP connections in the middle of something when the observer started; both ends are ours."""

from collections import Counter

from lib.held import AT_MOST, EXACTLY, NOTHING, Case, judged
from lib.stepped import Puppet

WEB = {
    ("GET", "/hello", "200"): (b"GET /hello HTTP/1.1\r\nHost: e\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n"),
    ("GET", "/nowhere", "404"): (b"GET /nowhere HTTP/1.1\r\nHost: e\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno\n"),
    ("HEAD", "/page", "200"): (b"HEAD /page HTTP/1.1\r\nHost: e\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 8000\r\n\r\n"),
    ("POST", "/item", "201"): (b"POST /item HTTP/1.1\r\nHost: e\r\nContent-Length: 5\r\n\r\n12345",
        b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"),
}  # fmt: skip
WEB_KEYS = list(WEB)
HELLO, NOWHERE, HEAD, POST = (WEB[key] for key in WEB_KEYS)
ALIKE = HELLO[0] + HELLO[1] + NOWHERE[0] + NOWHERE[1]


def asked(case, *keys):
    """Requests in one write, which arrive."""
    data = b"".join(WEB[key][0] for key in keys)
    case.send(data)
    case.peer.expect(case.name, data)


def told(case, *keys):
    data = b"".join(WEB[key][1] for key in keys)
    case.peer.send(case.name, data)
    case.expect(data)


def web_exchange(case, *keys):
    asked(case, *keys)
    told(case, *keys)


def web_recovers(case):
    web_exchange(case, WEB_KEYS[0])
    web_exchange(case, WEB_KEYS[1])
    yield AT_MOST, Counter(WEB_KEYS[:2])
    web_exchange(case, *WEB_KEYS)
    web_exchange(case, WEB_KEYS[3])
    yield EXACTLY, Counter(WEB_KEYS) + Counter([WEB_KEYS[3]])


def web_unanswered(case):
    asked(case, WEB_KEYS[0])
    yield
    told(case, WEB_KEYS[0])
    yield AT_MOST, NOTHING
    yield from web_recovers(case)


def web_unanswered_and_more_behind(case):
    web_exchange(case, WEB_KEYS[0])
    asked(case, WEB_KEYS[0])
    yield
    asked(case, *WEB_KEYS[1:])
    told(case, *WEB_KEYS)
    yield AT_MOST, Counter(WEB_KEYS[1:])
    yield from web_recovers(case)


def web_half_a_body(case):
    """What is left of it looks like requests."""
    head = b"POST /item HTTP/1.1\r\nHost: e\r\nContent-Length: %d\r\n\r\n12345" % (len(ALIKE) + 5)
    case.send(head)
    case.peer.expect(case.name, head)
    yield
    case.send(ALIKE)
    case.peer.expect(case.name, ALIKE)
    told(case, WEB_KEYS[3])
    yield AT_MOST, NOTHING
    yield from web_recovers(case)


def web_half_an_answer(case):
    asked(case, WEB_KEYS[0])
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n12345" % (2 * len(ALIKE) + 5)
    case.peer.send(case.name, head)
    case.expect(head)
    yield
    case.peer.send(case.name, ALIKE)
    case.expect(ALIKE)
    asked(case, WEB_KEYS[1])
    case.peer.send(case.name, ALIKE)
    case.expect(ALIKE)
    told(case, WEB_KEYS[1])
    yield AT_MOST, Counter([WEB_KEYS[1]])
    yield from web_recovers(case)


def web_stream(case):
    """Chunks without an end in sight."""
    asked(case, WEB_KEYS[0])
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ndata\n\r\n"
    case.peer.send(case.name, head)
    case.expect(head)
    yield
    chunk = b"%x\r\n%s\r\n" % (len(HELLO[1]), HELLO[1])
    for data in (chunk, chunk, b"5\r\ndata\n\r\n", b"0\r\n\r\n"):
        case.peer.send(case.name, data)
        case.expect(data)
    yield AT_MOST, NOTHING
    yield from web_recovers(case)


def web_continue(case):
    """A body that was asked for before."""
    head = b"POST /item HTTP/1.1\r\nHost: e\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    head %= len(ALIKE)
    case.send(head)
    case.peer.expect(case.name, head)
    case.peer.send(case.name, b"HTTP/1.1 100 Continue\r\n\r\n")
    case.expect(b"HTTP/1.1 100 Continue\r\n\r\n")
    yield
    case.send(ALIKE)
    case.peer.expect(case.name, ALIKE)
    told(case, WEB_KEYS[3])
    yield AT_MOST, NOTHING
    yield from web_recovers(case)


def web_window(case):
    """A server that reads on while it owes answers, and a client that never lets it catch up: seen
    from there this looks like one request after the other, so what was counted is not judged. Once
    it has ended it must be found out."""
    window = [WEB_KEYS[i] for i in (1, 0, 3, 2)]
    sent = []
    asked(case, *window)
    yield
    for i in range(20):
        told(case, window.pop(0))
        window.append(WEB_KEYS[i * 7 % 11 % 4])
        asked(case, window[-1])
        sent.append(window[-1])
    told(case, *window)
    pairs = [(*asked[:2], told[2]) for asked in WEB_KEYS for told in WEB_KEYS]
    yield AT_MOST, Counter({pair: len(sent) for pair in pairs})
    yield from web_recovers(case)


def web_unread(case):
    """Requests that lie in the server's socket, and answers that lie in the client's."""
    asked(case, *WEB_KEYS[:2])
    case.peer.send(case.name, HELLO[1] + NOWHERE[1])
    case.send(HEAD[0])
    case.pause()
    yield
    case.send(POST[0])
    case.expect(HELLO[1] + NOWHERE[1])
    case.peer.expect(case.name, HEAD[0] + POST[0])
    told(case, *WEB_KEYS[2:])
    yield AT_MOST, Counter([WEB_KEYS[3]]), Counter(WEB_KEYS[2:])
    yield from web_recovers(case)


def web_socket(case):
    """Upgraded before: no request any more, whatever its frames look like."""
    upgrade = b"Host: e\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    case.send(b"GET /socket HTTP/1.1\r\n" + upgrade + b"\r\n")
    case.peer.until(case.name, b"\r\n\r\n")
    answer = b"HTTP/1.1 101 Switching Protocols\r\n" + upgrade[9:] + b"\r\n"
    case.peer.send(case.name, answer)
    case.expect(answer)
    yield
    for _ in range(3):
        for end, other, text in ((case.client, case.peer, HELLO[0]),
                                 (case.peer, case.client, HELLO[1])):  # fmt: skip
            end.send(case.name, b"\x81" + bytes([len(text)]) + text)
            other.expect(case.name, b"\x81" + bytes([len(text)]) + text)
    yield AT_MOST, NOTHING


WEB_CASES = [
    web_unanswered, web_unanswered_and_more_behind, web_half_a_body, web_half_an_answer, web_stream,
    web_continue, web_window, web_unread, web_socket,
]  # fmt: skip


def test_http(bed, start_observer):
    with Puppet(bed, "held-client.py") as client, Puppet(bed, "held-server.py") as server:
        port = bed.port()
        server.listen(port)
        cases = {}
        for make in WEB_CASES:
            case = Case(client, make.__name__, server, server)
            case.open(port)
            server.accept(case.name, port)
            web_exchange(case, *WEB_KEYS)
            cases[make.__name__] = make(case)

        def count(scrape):
            labels = ("method", "endpoint", "status")
            client = scrape.by("http_client_requests_total", *labels, service="held-client.py")
            return client, scrape.by("http_requests_total", *labels, service="held-server.py")

        judged(cases, start_observer, count)
