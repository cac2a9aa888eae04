# SPDX-License-Identifier: Apache-2.0
"""Traffic that asks for more memory than an observer may have. Both ends are in this process, so
that nothing but the kernel decides what is read when. Each storm holds what it has opened until
standard input ends."""

import os
import resource
import socket
import struct
import sys
import time
from itertools import product
from string import ascii_lowercase

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing leaves no TIME_WAIT behind
BATCH = 500


def _listen():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return socket.create_server(("0.0.0.0", 0), backlog=4096)


def _connect(listener, number, spread=False):
    """Both ends of `number` connections, each to an address of its own where `spread`."""
    port = listener.getsockname()[1]
    for i in range(number):
        host = f"127.{1 + i // 62500}.{i // 250 % 250}.{1 + i % 250}" if spread else "127.0.0.1"
        client = socket.create_connection((host, port))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        yield client, listener.accept()[0]


def _hold(pairs):
    print("held", flush=True)
    sys.stdin.read()
    for pair in pairs:
        for end in pair:
            end.close()


def _in_parts(number, storm):
    """Runs storm(part) in as many processes as the number of open files asks for."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1] // 2 - 50
    ready, mine = os.pipe()
    children = []
    for begin in range(0, number, most):
        children.append(os.fork())
        if children[-1] == 0:
            pairs = storm(min(most, number - begin))
            os.write(mine, b".")
            sys.stdin.read()
            assert pairs
            os._exit(0)
    os.close(mine)
    while children and os.read(ready, 1):
        children.pop()
    assert not children, "a part failed"
    _hold([])


def _take(end, size):
    while size:
        size -= len(end.recv(min(size, 1 << 20)))


def _move(client, server, data):
    client.sendall(data)
    _take(server, len(data))


def halves(number, size):
    """Requests of which the head never ends, every connection to another address."""
    head = b"GET /half HTTP/1.1\r\nHost: a\r\nCookie: "
    data = head + b"x" * (size - len(head))

    def part(number):
        pairs = []
        for client, server in _connect(_listen(), number, spread=True):
            pairs.append((client, server))
            _move(client, server, data)
        return pairs

    _in_parts(number, part)


def unanswered(connections, each, protocol):
    """Whole requests that nobody answers, in a pipeline."""
    request = {
        "http": b"GET /unanswered/for/ever HTTP/1.1\r\nHost: a\r\n\r\n",
        "redis": b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n",
    }[protocol]
    pairs = list(_connect(_listen(), connections))
    for client, server in pairs:
        for done in range(0, each, BATCH):
            _move(client, server, request * min(BATCH, each - done))
    _hold(pairs)


def paths(number):
    """As many different paths and Host headers, all answered."""
    names = map("".join, product(ascii_lowercase, repeat=5))
    answer = b"HTTP/1.1 204 No Content\r\n\r\n"
    [(client, server)] = _connect(_listen(), 1)
    tail = b"/" + b"y" * 200
    for _ in range(0, number, BATCH):
        batch = [next(names).encode() for _ in range(BATCH)]
        requests = b"".join(
            b"GET /%s%s HTTP/1.1\r\nHost: %s\r\n\r\n" % (name, tail[: i % 200], name)
            for i, name in enumerate(batch)
        )
        _move(client, server, requests)
        _move(server, client, answer * BATCH)
        time.sleep(0.004)  # more than a small ring buffer holds would be lost there
    _hold([(client, server)])
