# SPDX-License-Identifier: Apache-2.0
"""crowd.py PROCESSES SECONDS REDIS: so many processes that ask; prints commands per second."""

import os
import socket
import sys
import time

QUESTION = b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n"


def ask(port, start, seconds, out):
    """As a child: begins once `start` is closed."""
    count = 0
    with socket.create_connection(("127.0.0.1", port)) as connection:
        os.read(start, 1)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            connection.sendall(QUESTION)
            connection.recv(4096)
            count += 1
    os.write(out, f"{count}\n".encode())


def main():
    processes, seconds, port = (int(argument) for argument in sys.argv[1:])
    start, starter = os.pipe()
    near, far = os.pipe()
    children = []
    for _ in range(processes):
        pid = os.fork()
        if pid == 0:
            try:
                os.close(starter)
                ask(port, start, seconds, far)
            finally:
                os._exit(0)
        children.append(pid)
    os.close(far)
    os.close(starter)
    with os.fdopen(near) as file:
        counts = [int(line) for line in file]
    for pid in children:
        os.waitpid(pid, 0)
    assert len(counts) == processes, "a client failed"
    print(sum(counts) / seconds)


if __name__ == "__main__":
    main()
