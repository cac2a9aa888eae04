# SPDX-License-Identifier: Apache-2.0
"""
A client that holds connections open: arguments are how many to Redis, idle ones to PostgreSQL,
ones with a transaction open, and to nginx. Says "ready" once each has had an answer; ends with its
input.
"""

import socket
import struct
import sys
from pathlib import Path

import bed

held = []


def connect(port):
    held.append(socket.create_connection(("127.0.0.1", port)))
    return held[-1]


def redis():
    connection = connect(bed.REDIS_PORT)
    connection.sendall(b"*1\r\n$4\r\nPING\r\n")
    assert connection.recv(64) == b"+PONG\r\n"


def _until_ready(file):
    kind = b""
    while kind != b"Z":
        kind, size = struct.unpack("!cI", file.read(5))
        file.read(size - 4)


def postgres(statement):
    connection = connect(bed.POSTGRES_PORT)
    file = connection.makefile("rb")
    start = struct.pack("!I", 196608) + b"user\0postgres\0database\0postgres\0\0"
    connection.sendall(struct.pack("!I", len(start) + 4) + start)
    _until_ready(file)
    query = statement.encode() + b"\0"
    connection.sendall(b"Q" + struct.pack("!I", len(query) + 4) + query)
    _until_ready(file)


def http():
    connection = connect(bed.HTTP_PORT)
    connection.sendall(b"GET /items/1 HTTP/1.1\r\nHost: bed\r\n\r\n")
    assert connection.recv(4096).startswith(b"HTTP/1.1 200")


Path("/proc/self/comm").write_text("MainThread", encoding="ascii")  # as Node does
commands, idle, open_transactions, requests = map(int, sys.argv[1:])
for _ in range(commands):
    redis()
for _ in range(idle):
    postgres("SELECT 1")
for _ in range(open_transactions):
    postgres("BEGIN")
for _ in range(requests):
    http()
print("ready", flush=True)
sys.stdin.read()
