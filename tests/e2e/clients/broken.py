# SPDX-License-Identifier: Apache-2.0
"""
The observer's own protocols, broken or driven to their limits, both ends of each connection. Every
function returns by protocol how many exchanges there were: [at least, at most], of either end.
"""

import random
import struct
import time

import pgwire
from ends import CLIENT, SERVER, counted, end, hold, move, pair, say
from foreign import http2_turns

GET = b"GET /hello HTTP/1.1\r\nHost: e\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
PING, PONG = b"*1\r\n$4\r\nPING\r\n", b"+PONG\r\n"
NUMBERS = ("-1", "-0", "+5", "0x10", "1e3", "", " ", "2147483648", "4294967296", "4294967301",
           "9223372036854775807", "9223372036854775808", "18446744073709551615",
           "18446744073709551621", "99999999999999999999999999", "9" * 400)  # fmt: skip


def message(kind, body=b""):
    return kind + struct.pack("!i", len(body) + 4) + body


STARTUP = b"\0\3\0\0user\0e2e\0database\0postgres\0\0"
STARTUP = struct.pack("!i", len(STARTUP) + 4) + STARTUP
READY = message(b"Z", b"I")
WELCOME = message(b"R", bytes(4)) + message(b"K", bytes(8)) + READY
SELECT = message(b"Q", b"SELECT 1\0")
ROW = message(b"D", b"\0\1\0\0\0\0011")
SELECTED = ROW + message(b"C", b"SELECT 1\0") + READY


def lengths_http():
    """In heads and chunks; the other end answers as if all were well."""
    count = 0
    for number in NUMBERS:
        length = b"Content-Length: " + number.encode() + b"\r\n"
        chunked = b"Transfer-Encoding: chunked\r\n\r\n" + number.encode() + b"\r\nabc\r\n0\r\n\r\n"
        bodies = (length + b"\r\nabc", length + length + b"\r\nabc", chunked, length + chunked,
                  b"Content-Length: 3\r\n" + length + b"\r\nabc")  # fmt: skip
        for headers in bodies:
            hold((CLIENT, b"POST /l HTTP/1.1\r\nHost: e\r\n" + headers), (SERVER, OK))
            hold((CLIENT, GET), (SERVER, b"HTTP/1.1 200 OK\r\n" + headers))
            count += 2
    return {"http": [0, count]}


def lengths_redis():
    """Of arrays and strings, in commands and replies."""
    count = 0
    for number in NUMBERS:
        number = number.encode()
        for broken in (b"*%b\r\n$4\r\nPING\r\n", b"*1\r\n$%b\r\nPING\r\n"):
            hold((CLIENT, broken % number), (SERVER, PONG))
            count += 1
        for kind in b"$*%~>=(:,_|!":
            hold((CLIENT, PING), (SERVER, bytes([kind]) + number + b"\r\nabc\r\n" + PONG))
            count += 1
    return {"redis": [0, count]}


def lengths_postgres():
    """Of messages, fields and rows."""
    count = 0
    for number in (-1, 0, 1, 3, 4, 5, 255, 65536, 0x7FFFFFFF, -0x80000000):
        size = struct.pack("!i", number)
        hold((CLIENT, size + STARTUP[4:]), (SERVER, WELCOME))
        for kind in (b"Q", b"P", b"B", b"E", b"S", b"\0", b"d"):
            broken = kind + size + b"SELECT 1\0"
            hold((CLIENT, STARTUP), (SERVER, WELCOME), (CLIENT, broken), (SERVER, SELECTED))
            count += 1
        for kind in (b"D", b"C", b"E", b"Z", b"T", b"N", b"\0"):
            broken = kind + size + b"SELECT 1\0"
            answer = (SERVER, broken + SELECTED)
            hold((CLIENT, STARTUP), (SERVER, WELCOME), (CLIENT, SELECT), answer)
            count += 1
        bind = message(b"B", b"\0\0\0\0" + size + b"\0\0")
        hold((CLIENT, STARTUP), (SERVER, WELCOME),
             (CLIENT, message(b"P", b"\0SELECT 1\0\0\0") + bind + message(b"E", b"\0" + size)
              + message(b"S")),
             (SERVER, message(b"1") + message(b"2") + SELECTED))  # fmt: skip
        count += 1
    return {"db": [0, count]}


SPOKEN = {
    "http": [(CLIENT, GET), (SERVER, OK)] * 4,
    "redis": [(CLIENT, PING * 3), (SERVER, PONG * 3)] * 4,
    "db": [(CLIENT, STARTUP), (SERVER, WELCOME)] + [(CLIENT, SELECT), (SERVER, SELECTED)] * 4,
}
WHOLE = {"http": GET, "redis": PING, "db": SELECT}
ENDS = {"http": [b" HTTP/1."], "redis": [b"\n"], "db": [b"Q", b"E", b";"]}


def asked(turns):
    return b"".join(data for who, data in turns if who == CLIENT)


def cut():
    """Good conversations that end anywhere in the middle of a turn."""
    truth = {}
    for protocol, turns in SPOKEN.items():
        count = 0
        for i, (who, data) in enumerate(turns):
            for at in range(1, len(data), 7):
                said = [*turns[:i], (who, data[:at])]
                hold(*said)
                count += asked(said).count(WHOLE[protocol])
        truth[protocol] = [count, count]
    return truth


def mutated(seed, count):
    """Good conversations of which a byte or a stretch is changed, lost or said twice. There are no
    more requests than ends of their first lines, or bytes of their kinds."""
    source = random.Random(seed)
    limits = {protocol: [0, 0] for protocol in SPOKEN}
    for protocol, turns in SPOKEN.items():
        for _ in range(count):
            turns_now = list(turns)
            for _ in range(source.randint(1, 4)):
                i = source.randrange(len(turns_now))
                who, data = turns_now[i]
                a, b = sorted(source.randrange(len(data) + 1) for _ in range(2))
                new = source.choice([source.randbytes(b - a), b"", data[a:b] * 2])
                turns_now[i] = (who, data[:a] + new + data[b:])
            hold(*[turn for turn in turns_now if turn[1]])
            sent = asked(turns_now)
            limits[protocol][1] += sum(map(sent.count, ENDS[protocol]))
    return limits


def unasked():
    """Answers to nothing, then an exchange on the same connection."""
    for answer in (OK * 20, PONG * 20, SELECTED * 20, WELCOME * 3):
        hold((SERVER, answer))
        hold((SERVER, answer), (SERVER, answer))
    # The lone exchange on a connection that spoke out of turn may count, or not.
    hold((SERVER, OK), (CLIENT, GET), (SERVER, OK))
    hold((SERVER, PONG), (CLIENT, PING), (SERVER, PONG))
    hold((CLIENT, STARTUP), (SERVER, WELCOME + SELECTED), (CLIENT, SELECT), (SERVER, SELECTED))
    return {"http": [0, 1], "redis": [0, 1], "db": [0, 1]}


def endless_headers(megabytes):
    """A head that never ends, in requests and in answers; the request that waits is aborted."""
    header = b"X-Header: " + b"x" * 1000 + b"\r\n"
    block = header * (1024 * 1024 // len(header))
    for start in (b"GET / HTTP/1.1\r\n", b"GET /" + b"a" * 100000, b"GET / HTTP/1.1\r\nX: "):
        ends = pair()
        move(*ends, start)
        for _ in range(megabytes):
            move(*ends, block)
        end(ends)
    ends = pair()
    say(ends, (CLIENT, GET), (SERVER, b"HTTP/1.1 200 OK\r\n"))
    for _ in range(megabytes):
        move(ends[SERVER], ends[CLIENT], block)
    end(ends)
    return {"http": [1, 1]}


def odd_paths():
    """Any byte in a path; those that no path may have need not count."""
    least = 0
    for byte in range(256):
        target = b"/odd" + bytes([byte]) + b"x"
        hold((CLIENT, b"GET " + target + b" HTTP/1.1\r\nHost: e\r\n\r\n"), (SERVER, OK))
        least += byte in b"-._~!$&'()*+,;=:@/?%" or bytes([byte]).isalnum()
    return {"http": [least, 256]}


def upgraded_to_http2():
    """The answer to the first request is in HTTP/2: what cannot be seen is not made up."""
    ask = (GET[:-2] + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
           b"HTTP2-Settings: AAMAAABk\r\n\r\n")  # fmt: skip
    switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    hold((CLIENT, ask), (SERVER, switch), *http2_turns())
    return {"http": [0, 1]}


def large_heads():
    """Heads of common sizes are read: 8, 32 and 64 KiB of cookies."""
    sizes = (8000, 16000, 32000, 64000)
    for size in sizes:
        cookie = b"Cookie: " + b"c" * size + b"\r\n\r\n"
        hold((CLIENT, GET[:-2] + cookie), (SERVER, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-"
                                           + cookie))  # fmt: skip
    return {"http": [len(sizes)] * 2}


def open_requests(protocol, count, exact):
    """So many wait on one connection before the first is answered; all are, at last."""
    request, answer = {"http": (GET, OK), "redis": (PING, PONG)}[protocol]
    ends = pair()
    batch = 1000
    for _ in range(count // batch):
        move(*ends, request * batch)
    for _ in range(count // batch):
        move(ends[SERVER], ends[CLIENT], answer * batch)
    end(ends)
    return {protocol: [count if exact else 0, count]}


def nested(depth):
    """Replies of arrays in arrays; so deep that nobody follows, and as deep as some are."""
    deep = [b"*1\r\n" * depth + b":1\r\n", b"*2\r\n" * depth + b":1\r\n", b"*1\r\n" * depth]
    for reply in deep:
        hold((CLIENT, PING), (SERVER, reply))
        hold((CLIENT, reply), (SERVER, PONG))
    hold((CLIENT, PING), (SERVER, b"*1\r\n" * 7 + b":1\r\n"), (CLIENT, PING), (SERVER, PONG))
    return {"redis": [2, 2 * len(deep) + 2]}


def paths(count):
    """As many paths, none of which folds; a client that pipelines."""
    letters = "bcdfghjklmnpqrstvwxz"
    words = [a + b + c for a in letters for b in letters for c in letters]
    ends = pair()
    made = 0
    for i in range(-(-count // 1000)):
        batch = [f"GET /{words[i % 8000]}/{words[j]} HTTP/1.1\r\n\r\n" for j in range(1000)]
        move(*ends, "".join(batch).encode())
        move(ends[SERVER], ends[CLIENT], OK * 1000)
        time.sleep(0.002)
        made += 1000
    end(ends)
    return {"http": [made, made]}


def words(count):
    """Commands, methods, verbs and tags that nobody knows."""
    letters = "bcdfghjklmnpqrstvwxz"
    names = [f"{a}{b}{c}{d}".upper().encode() for a in letters for b in letters for c in letters
             for d in "xyz"][:count]  # fmt: skip
    redis, http, postgres = pair(), pair(), pair()
    say(redis, (CLIENT, PING), (SERVER, PONG))
    say(http, (CLIENT, GET), (SERVER, OK))
    say(postgres, (CLIENT, STARTUP), (SERVER, WELCOME))
    failed = message(b"E", b"SERROR\0C42601\0\0") + READY
    for name in names:
        say(redis, (CLIENT, b"*1\r\n$5\r\nR%b\r\n" % name), (SERVER, b"-ERR unknown\r\n"))
        say(http, (CLIENT, b"H%b /hello HTTP/1.1\r\n\r\n" % name), (SERVER, OK))
        say(postgres, (CLIENT, message(b"Q", b"P%b 1\0" % name)), (SERVER, failed))
        done = message(b"C", b"P%b\0" % name) + READY
        say(postgres, (CLIENT, message(b"Q", b"SELECT 1\0")), (SERVER, done))
    for ends in (redis, http, postgres):
        end(ends)
    return {"redis": [count + 1] * 2, "http": [count + 1] * 2, "db": [2 * count] * 2}


def large_sql(port, megabytes):
    """Statements of that length to a real server, simple and extended."""
    text = "SELECT length('" + "x" * (megabytes << 20) + "')"
    with pgwire.Connection(port, "large") as connection:
        counted(connection.socket)
        assert connection.ask(pgwire.query(text)) == "TDCZ"
        assert connection.ask(pgwire.extended(text), pgwire.SYNC) == "12TDCZ"
        assert connection.ask(pgwire.extended("SELECT length($1)", b"y" * (megabytes << 20)),
                              pgwire.SYNC) == "12TDCZ"  # fmt: skip
        assert connection.ask(pgwire.query("SELECT 1")) == "TDCZ"
    return {"db": [4, 4]}
