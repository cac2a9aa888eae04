# SPDX-License-Identifier: Apache-2.0
"""Programs whose traffic is none of the observer's business.

other.py bulk SECONDS               bytes per second from one socket to another
other.py ping SECONDS               messages of 100 bytes per second, there and back
other.py build                      compiles some files; prints how many a second
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
# No bytes that any text protocol begins with.
MESSAGE = bytes(range(128, 228))


def pair():
    """Two ends of a TCP connection over loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        return client, server.accept()[0]


def at_other_end(function):
    """A connection whose other end is the function's, in a child: (this end, child)."""
    near, far = pair()
    pid = os.fork()
    if pid == 0:
        try:
            near.close()
            function(far)
        finally:
            os._exit(0)
    far.close()
    return near, pid


def send_all(end):
    chunk = os.urandom(64) * 4096
    try:
        while True:
            end.sendall(chunk)
    except OSError:
        pass


def echo(end):
    while True:
        data = end.recv(4096)
        if not data:
            return
        end.sendall(data)


def bulk(seconds):
    near, child = at_other_end(send_all)
    room = bytearray(1 << 18)
    moved, begin = 0, time.monotonic()
    while time.monotonic() - begin < seconds:
        moved += near.recv_into(room)
    near.close()
    rate = moved / (time.monotonic() - begin)
    os.waitpid(child, 0)
    return rate


def ping(seconds):
    near, child = at_other_end(echo)
    asked, begin = 0, time.monotonic()
    while time.monotonic() - begin < seconds:
        near.sendall(MESSAGE)
        near.recv(4096)
        asked += 1
    rate = asked / (time.monotonic() - begin)
    near.close()
    os.waitpid(child, 0)
    return rate


def build():
    """Two compilers at a time."""
    files = sorted(ROOT.glob("user/proto/*.c")) + sorted(ROOT.glob("user/util/*.c"))
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:

        def compile_one(file):
            flags = ["-std=c11", "-D_GNU_SOURCE", "-O1", "-Iinclude", "-Iuser"]
            out = Path(folder) / f"{file.stem}.o"
            subprocess.run(["gcc", *flags, "-c", file, "-o", out], check=True, cwd=ROOT)

        begin = time.monotonic()
        list(pool.map(compile_one, files))
        return len(files) / (time.monotonic() - begin)


def main():
    what, *seconds = sys.argv[1:]
    functions = {"bulk": bulk, "ping": ping, "build": build}
    print(functions[what](*map(float, seconds)))


if __name__ == "__main__":
    main()
