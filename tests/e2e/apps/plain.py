# SPDX-License-Identifier: Apache-2.0
"""A server on bare sockets: one thread, one connection at a time, exact bytes."""

import socket
import sys
import time


def read_request(connection):
    """The path; the header is read, a body is not."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return None
        data += part
    return data.split(b" ", 2)[1].decode()


def until_close(connection):
    connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    for _ in range(10):
        connection.sendall(b"no length, but an end\n")


def endless(connection):
    """Until nobody is there any more to read it."""
    connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    while True:
        connection.sendall(b"no length, and no end\n")
        time.sleep(0.001)


def split(connection):
    answer = b"HTTP/1.1 203 Split\r\nContent-Length: 3\r\nConnection: close\r\n\r\nyes"
    for byte in answer:
        connection.sendall(bytes([byte]))


def slow(connection):
    """The others wait in their sockets, unread."""
    time.sleep(0.1)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nyes")


def early(connection):
    connection.sendall(b"HTTP/1.1 413 No\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n")
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(1 << 20):
        pass


def cut(connection):
    """Promises more than it sends."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\nyes")


ROUTES = {"/until-close": until_close, "/endless": endless, "/split": split, "/slow": slow,
          "/early": early, "/cut": cut}  # fmt: skip


def main():
    with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=100) as server:
        while True:
            connection, _ = server.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection:
                try:
                    path = read_request(connection)
                    if path:
                        ROUTES[path](connection)
                except ConnectionError:
                    pass


if __name__ == "__main__":
    main()
