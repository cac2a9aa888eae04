# SPDX-License-Identifier: Apache-2.0
"""
One connection of each protocol that asks what it draws by lot and knows what must be answered: a
unit is the bytes of one request and, as keys, the exchanges in it as the observer names them. The
wrong answer ends the program, so that the ledger is the truth.
"""

import random
import socket
import struct
import time

import pgwire
from pgwire import SYNC, bind, execute, parse, query
from resp import encode

HTTP = {
    ("GET", "/hello", "200"): "GET /hello HTTP/1.1\r\nHost: e2e\r\n\r\n",
    ("GET", "/page", "200"): "GET /page HTTP/1.1\r\nHost: e2e\r\n\r\n",
    ("GET", "/nowhere", "404"): "GET /nowhere HTTP/1.1\r\nHost: e2e\r\n\r\n",
    ("HEAD", "/page", "200"): "HEAD /page HTTP/1.1\r\nHost: e2e\r\n\r\n",
    ("GET", "/nothing", "204"): "GET /nothing HTTP/1.1\r\nHost: e2e\r\n\r\n",
    ("POST", "/hello", "405"): (
        "POST /hello HTTP/1.1\r\nHost: e2e\r\nContent-Length: 5\r\n\r\n12345"
    ),
}
REDIS = {
    ("GET", "ok"): ("GET", "late:text"),
    ("GET", "error"): ("GET", "late:list"),
    ("PING", "ok"): ("PING",),
    ("INCR", "ok"): ("INCR", "late:number"),
    ("LPUSH", "error"): ("LPUSH", "late:text", "x"),
    ("LRANGE", "ok"): ("LRANGE", "late:list", "0", "-1"),
    ("SET", "ok"): ("SET", "late:other", "PING\r\n*1\r\n$4\r\nPING\r\n+OK\r\n:1\r\n"),
}
SQL = {
    ("SELECT", "ok"): "SELECT 1",
    ("INSERT", "ok"): "INSERT INTO late VALUES (1)",
    ("UPDATE", "error"): "UPDATE nosuch SET a = 1",
    ("DELETE", "ok"): "DELETE FROM late WHERE false",
    ("SELECT", "error"): "SELECT 1/0",
}
PREPARED = [("SELECT", "ok"), ("INSERT", "ok"), ("DELETE", "ok")]


class Speaker:
    """`where` is a port on loopback or the path of a Unix socket."""

    def __init__(self, where, random_):
        self.random = random_
        for _ in range(100):
            try:
                self.socket = self._connect(where)
                break
            except BlockingIOError:  # a Unix socket's queue is full
                time.sleep(0.02)
        self.buffer = b""

    @staticmethod
    def _connect(where):
        if not isinstance(where, str):
            made = socket.create_connection(("127.0.0.1", where))
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            made = socket.socket(socket.AF_UNIX)
            made.connect(where)
        made.settimeout(20)
        return made

    def prepare(self):
        """What has to be said before the first unit."""

    def draw(self):
        """One unit: (bytes, keys)."""
        raise NotImplementedError

    def fill(self):
        data = self.socket.recv(65536)
        assert data, "ended early"
        self.buffer += data

    def take(self, count):
        while len(self.buffer) < count:
            self.fill()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def until(self, mark):
        while mark not in self.buffer:
            self.fill()
        return self.take(self.buffer.index(mark) + len(mark))


class Redis(Speaker):
    def draw(self):
        key = self.random.choice(list(REDIS))
        return encode(*REDIS[key]), [key]

    def answer(self, keys):
        error = self._reply()
        assert error == (keys[0][1] == "error"), keys

    def _reply(self):
        line = self.until(b"\r\n")
        kind, size = line[:1], line[1:-2]
        if kind == b"$" and size != b"-1":
            self.take(int(size) + 2)
        elif kind == b"*":
            for _ in range(int(size)):
                self._reply()
        return kind == b"-"


class Http(Speaker):
    KEYS = list(HTTP)

    def draw(self):
        key = self.random.choice(self.KEYS)
        return HTTP[key].encode(), [key]

    def answer(self, keys):
        method, _, status = keys[0]
        head = self.until(b"\r\n\r\n").decode().lower()
        assert head.startswith(f"http/1.1 {status} "), (keys, head)
        if method != "HEAD" and status != "204":
            self.take(int(head.split("content-length: ")[1].split("\r\n")[0]))


class Brief(Http):
    """Without large answers."""

    KEYS = [key for key in HTTP if key[:2] != ("GET", "/page")]


class Simple(Speaker):
    """Simple queries; also the base of the other ways to ask a PostgreSQL server."""

    def prepare(self):
        fields = b"user\0e2e\0database\0postgres\0application_name\0late\0\0"
        self.socket.sendall(struct.pack("!ii", len(fields) + 8, 3 << 16) + fields)
        self._until_ready()

    def draw(self):
        key = self.random.choice(list(SQL))
        return query(SQL[key]), [key]

    def answer(self, keys):
        kinds = self._until_ready()
        tags = kinds.count("C") + kinds.count("E")
        assert tags == len(keys), (kinds, keys)
        assert kinds.count("E") == sum(status == "error" for _, status in keys), (kinds, keys)

    def ask(self, *messages):
        self.socket.sendall(b"".join(messages))
        self._until_ready()

    def _until_ready(self):
        kinds = ""
        while not kinds.endswith("Z"):
            head = self.take(5)
            self.take(struct.unpack("!i", head[1:])[0] - 4)
            kinds += head[:1].decode()
        return kinds


class Extended(Simple):
    """Parse, Bind, Describe, Execute; one to three statements before the Sync."""

    def draw(self):
        data, keys = b"", []
        for _ in range(self.random.choice([1, 1, 2, 3])):
            key = self.random.choice(list(SQL))
            data += pgwire.extended(SQL[key])
            keys.append(key)
            if key[1] == "error":
                break
        return data + SYNC, keys


class Prepared(Simple):
    """Statements prepared when the connection was made: only the tag says what they are."""

    def prepare(self):
        super().prepare()
        for key in PREPARED:
            self.ask(parse(key[0], SQL[key]), SYNC)
        self.ask(parse("bad", "SELECT 1/($1::int + 0 * pg_backend_pid())"), SYNC)

    def draw(self):
        data, keys = b"", []
        for _ in range(self.random.choice([1, 1, 2])):
            if self.random.random() < 0.2:
                data += bind("", "bad", b"0") + execute()
                keys.append(("OTHER", "error"))
                break
            key = self.random.choice(PREPARED)
            data += bind("", key[0]) + execute()
            keys.append(key)
        return data + SYNC, keys


class Transaction(Simple):
    """Always within a transaction."""

    def prepare(self):
        super().prepare()
        self.ask(query("BEGIN"))

    def draw(self):
        if self.random.random() < 0.2:
            return query("COMMIT AND CHAIN"), [("COMMIT", "ok")]
        key = self.random.choice(PREPARED)
        return query(SQL[key]), [key]


SPEAKERS = {
    "redis": Redis,
    "http": Http,
    "brief": Brief,
    "simple": Simple,
    "extended": Extended,
    "prepared": Prepared,
    "transaction": Transaction,
}


def speaker(kind, where, seed):
    return SPEAKERS[kind](where, random.Random(seed))
