# SPDX-License-Identifier: Apache-2.0
"""
Connections that have spoken well and then go wrong. Every case returns what it was in truth: the
exchanges that must be counted, those that may be (up to `most` of them together), and for whom.
"""

import os
import socket
import struct
import subprocess
import sys

import ends
from broken import OK, PING, PONG, READY, ROW, SELECT, STARTUP, WELCOME, message
from ends import CLIENT, SERVER

HUGE = "99999999999999999999"
SELECTED = ROW + message(b"C", b"SELECT 1\0") + READY
FATAL = message(b"E", b"SFATAL\0C08P01\0Minvalid message length\0\0")


def get(path):
    return f"GET /{path} HTTP/1.1\r\nHost: e\r\n\r\n".encode()


class Case:
    """All connections of a case are to one port, the good ones afterwards too."""

    def __init__(self):
        self.listening = ends.listener()
        self.must, self.may, self.most = {}, [], 0

    def pair(self):
        client = ends.connect(self.listening.getsockname()[1])
        server = self.listening.accept()[0]
        server.settimeout(20)
        return client, server

    def count(self, *key, times=1):
        self.must[key] = self.must.get(key, 0) + times

    def allow(self, *keys):
        """One of them, or nothing."""
        self.may += keys
        self.most += 1

    def primed(self, protocol, times=2):
        """A new connection and its first exchanges."""
        both = self.pair()
        if protocol == "db":
            ends.say(both, (CLIENT, STARTUP), (SERVER, WELCOME))
        ask, answer, key = {
            "http": (get("prime"), OK, ("GET", "/prime", "200")),
            "redis": (PING, PONG, ("PING", "ok")),
            "db": (SELECT, SELECTED, ("SELECT", "ok")),
        }[protocol]
        for _ in range(times):
            ends.say(both, (CLIENT, ask), (SERVER, answer))
            self.count(protocol, *key)
        return both

    def spoil(self, protocol, *turns):
        both = self.primed(protocol)
        ends.say(both, *turns)
        ends.end(both)


def framed_wrongly(case, broken):
    """A server would refuse such a request, which is an exchange, and close; a client would close
    on such an answer. What lies behind is neither a request nor an answer (RFC 9112, 6.3)."""
    refusal = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    head = b"POST /refused HTTP/1.1\r\nHost: e\r\n" + broken
    case.spoil("http", (CLIENT, head + get("smuggled")), (SERVER, refusal))
    case.count("http", "POST", "/refused", "400")
    answer = b"HTTP/1.1 200 OK\r\n" + broken + OK
    case.spoil("http", (CLIENT, get("odd") + get("behind")), (SERVER, answer))
    for path in ("/odd", "/behind"):
        case.allow(("http", "GET", path, "aborted"))


def http_lengths(case):
    """Some are 3 to whoever counts in 32 or 64 bits."""
    for value in ("-1", "+3", HUGE, "0x3", "3, 4", "18446744073709551619",
                  "3\r\nContent-Length: 4"):  # fmt: skip
        framed_wrongly(case, f"Content-Length: {value}\r\n\r\nabc".encode())


def http_chunks(case):
    for size in ("-1", "1" + "0" * 15 + "3", "f" * 400, "0x3", "", "g"):
        broken = f"Transfer-Encoding: chunked\r\n\r\n{size}\r\nabc\r\n0\r\n\r\n"
        framed_wrongly(case, broken.encode())


def http_endless(case):
    """No request where the head never ends, unless it was answered."""
    fields = b"".join(b"X-%d: %b\r\n" % (i, b"v" * 50) for i in range(60000))
    case.spoil("http", (CLIENT, get("endless")[:-2] + fields))
    refusal = b"HTTP/1.1 431 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    case.spoil("http", (CLIENT, get("endless")[:-2] + fields), (SERVER, refusal))
    case.count("http", "GET", "/endless", "431")
    case.spoil("http", (CLIENT, get("odd")), (SERVER, OK.split(b"\r\n")[0] + b"\r\n" + fields))
    case.count("http", "GET", "/odd", "aborted")


def unasked(case):
    """As a server says 408 before it closes; a Redis server and a database their last words."""
    timeout = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    case.spoil("http", (SERVER, timeout))
    case.spoil("http", (SERVER, OK * 3))
    case.spoil("redis", (SERVER, b"-ERR bye\r\n"))
    case.spoil("redis", (SERVER, PONG * 3))
    case.spoil("db", (SERVER, FATAL))
    case.spoil("db", (SERVER, SELECTED * 3))
    for answer in (OK, PONG, SELECTED):
        both = case.pair()
        ends.say(both, (SERVER, answer * 5))
        ends.end(both)


def redis_commands(case):
    """What is none is refused by a server, which closes: it is in none of its books, nor is what
    lies behind. Some lengths are right to whoever counts in 32 or 64 bits."""
    refusal = b"-ERR Protocol error: invalid length\r\n"
    for form, right in (("*1\r\n$%s\r\nPING\r\n", 4), ("*%s\r\n$4\r\nPING\r\n", 1)):
        for number in ("-2", HUGE, "2147483648", "x", 2**32 + right, 2**64 + right):
            if form[1] == "%" and number == "-2":
                continue  # an array of fewer than nothing is nothing, to a server too
            broken = (form % number).encode()
            case.spoil("redis", (CLIENT, broken), (SERVER, refusal))
            case.spoil("redis", (CLIENT, broken + PING), (SERVER, refusal))
    case.spoil("redis", (CLIENT, b"*1073741824\r\n$4\r\nPING\r\n"))
    case.spoil("redis", (CLIENT, b"*2\r\n$4\r\nECHO\r\n$400000000\r\nabc"))


def redis_replies(case):
    """A client closes; what lies behind answers nothing."""
    for reply in ("$-2", f"${HUGE}", "*1073741824", f"*{HUGE}", "$2147483647", "%-2",
                  f"${2**64}\r\n", f"*{2**64}"):  # fmt: skip
        case.spoil("redis", (CLIENT, PING * 2), (SERVER, reply.encode() + b"\r\n" + PONG))
        case.allow(("redis", "PING", "aborted"))
        case.allow(("redis", "PING", "aborted"))
    case.spoil("redis", (CLIENT, PING), (SERVER, b"*1\r\n" * 10000 + b":1\r\n"))
    case.allow(("redis", "PING", "ok"), ("redis", "PING", "aborted"))
    case.spoil("redis", (CLIENT, PING), (SERVER, b"*1\r\n" * 10000))
    case.allow(("redis", "PING", "aborted"))


def postgres_lengths(case):
    for size in (0, 3, 0x7FFFFFFF, 0xFFFFFFFF):
        size = struct.pack("!I", size)
        for kind in (b"Q", b"P", b"S"):
            case.spoil("db", (CLIENT, kind + size + b"SELECT 1\0" + SELECT), (SERVER, FATAL))
        for kind in (b"D", b"C", b"T", b"Z"):
            case.spoil("db", (CLIENT, SELECT), (SERVER, kind + size + SELECTED))
            case.allow(("db", "SELECT", "aborted"))


def postgres_startups(case):
    """No statement was ever sent."""
    for size in (0, 3, 7, 0x7FFFFFFF, 0xFFFFFFFF):
        both = case.pair()
        ends.say(both, (CLIENT, struct.pack("!I", size) + STARTUP[4:]), (SERVER, FATAL))
        ends.end(both)


def open_requests(case):
    """A hundred thousand that nobody answers; the client has enough."""
    for protocol, ask, key in (("http", get("open"), ("GET", "/open", "aborted")),
                               ("redis", PING, ("PING", "aborted"))):  # fmt: skip
        both = case.primed(protocol)
        for _ in range(100):
            ends.move(*both, ask * 1000)
        case.may.append((protocol, *key))
        case.most += 100_000
        both[CLIENT].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        ends.end(both)


def broken_off(case):
    """Of as many as are kept count of, each is aborted."""
    for protocol, ask, key in (("http", get("open"), ("GET", "/open", "aborted")),
                               ("redis", PING, ("PING", "aborted"))):  # fmt: skip
        both = case.primed(protocol)
        for _ in range(10):
            ends.move(*both, ask * 1000)
        ends.end(both)
        case.count(protocol, *key, times=10_000)


def resets(case):
    """Either end breaks off while the other owes something."""
    for protocol, ask, key in (("http", get("reset"), ("GET", "/reset", "aborted")),
                               ("redis", PING, ("PING", "aborted")),
                               ("db", SELECT, ("SELECT", "aborted"))):  # fmt: skip
        for first in (CLIENT, SERVER):
            both = case.primed(protocol)
            ends.move(*both, ask)
            both[first].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            both[first].close()
            both[not first].close()
            case.count(protocol, *key)


def half_closes(case):
    """Nothing more is asked, the last is answered; and the other way round."""
    for protocol, ask, answer, key in (
        ("http", get("half"), OK, ("GET", "/half", "200")),
        ("redis", PING, PONG, ("PING", "ok")), ("db", SELECT, SELECTED, ("SELECT", "ok")),
    ):  # fmt: skip
        both = case.primed(protocol)
        ends.move(*both, ask)
        both[CLIENT].shutdown(socket.SHUT_WR)
        assert both[SERVER].recv(1) == b""
        ends.say(both, (SERVER, answer))
        ends.end(both)
        case.count(protocol, *key)
        both = case.primed(protocol)
        ends.say(both, (CLIENT, ask), (SERVER, answer))
        both[SERVER].shutdown(socket.SHUT_WR)
        assert both[CLIENT].recv(1) == b""
        ends.move(*both, ask)  # too late: nobody can answer any more
        ends.end(both)
        case.count(protocol, *key)
        case.allow((protocol, *key[:-1], "aborted"))


def switched(case):
    """What a connection speaks does not change in the middle of it."""
    talks = {"http": (get("switched"), OK), "redis": (PING, PONG), "db": (SELECT, SELECTED)}
    for protocol in talks:
        for other, (ask, answer) in talks.items():
            if other != protocol:
                case.spoil(protocol, *[(CLIENT, ask), (SERVER, answer)] * 3)


def noise(case):
    for protocol in ("http", "redis", "db"):
        for size in (1, 100, 10000):
            data = b"\x80\xff\0\1" + os.urandom(size)
            case.spoil(protocol, (CLIENT, data), (SERVER, data), (CLIENT, data))


def handed_on(case):
    """The server's end goes to a program of another name in the middle of a request, and comes
    back after the next."""
    talks = {"http": (get("handed"), OK, ("GET", "/handed", "200")),
             "redis": (PING, PONG, ("PING", "ok")),
             "db": (SELECT, SELECTED, ("SELECT", "ok"))}  # fmt: skip
    for protocol, (ask, answer, key) in talks.items():
        both = case.primed(protocol)
        ends.move(*both, ask[:5])
        ours, theirs = socket.socketpair()
        words = [sys.executable, __file__, theirs.fileno(), len(ask) - 5, len(ask), answer.hex()]
        heir = subprocess.Popen([str(word) for word in words], pass_fds=[theirs.fileno()])
        socket.send_fds(ours, [b"."], [both[SERVER].fileno()])
        for rest in (ask[5:], ask):
            both[CLIENT].sendall(rest)
            assert ends.read(both[CLIENT], len(answer)) == answer
        assert heir.wait(20) == 0
        ends.say(both, (CLIENT, ask), (SERVER, answer))
        ends.end((*both, ours, theirs))
        case.count(protocol, *key, times=3)


def heir(number, *sizes, answer):
    """The other program: takes the connection over for requests of these sizes."""
    with socket.socket(fileno=number) as line:
        _, [taken], _, _ = socket.recv_fds(line, 1, 1)
    with socket.socket(fileno=taken) as server:
        server.settimeout(20)  # the timeout of before left it not to block
        for size in sizes:
            ends.read(server, size)
            server.sendall(answer)


CASES = [http_lengths, http_chunks, http_endless, unasked, redis_commands, redis_replies,
         postgres_lengths, postgres_startups, open_requests, broken_off, resets, half_closes,
         switched, noise, handed_on]  # fmt: skip


def run(name):
    """The case, then a good load to the same port, which is part of what must be counted."""
    case = Case()
    {each.__name__: each for each in CASES}[name](case)
    for protocol, times in (("http", 7), ("redis", 5), ("db", 3)):
        for _ in range(2):
            ends.end(case.primed(protocol, times))
    case.listening.close()
    return {"must": [[*key, n] for key, n in case.must.items()], "may": case.may, "most": case.most}


if __name__ == "__main__":
    heir(*map(int, sys.argv[1:-1]), answer=bytes.fromhex(sys.argv[-1]))
