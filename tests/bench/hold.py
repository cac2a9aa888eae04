# SPDX-License-Identifier: Apache-2.0
"""Clients that hold connections open, and that ask for many different things.

hold.py CONNECTIONS ROUTES NGINX REDIS     says "ready" once all is done, ends with its input
hold.py ping REDIS                         a PING every millisecond until its input ends
"""

import resource
import select
import socket
import sys

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def ask(end, text):
    end.sendall(text)
    data = end.recv(65536)
    assert data, "closed"


def request(end, method, path):
    text = f"{method} {path} HTTP/1.1\r\nHost: bench\r\nContent-Length: 0\r\n\r\n"
    ask(end, text.encode())


def word(number):
    """A name without digits: numbers in paths are folded into one route."""
    letters = ""
    while True:
        letters = chr(ord("a") + number % 26) + letters
        number = number // 26
        if not number:
            return f"page{letters}"


def hold(connections, routes, nginx, redis):
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    half = connections // 2
    web = [socket.create_connection(("127.0.0.1", nginx)) for _ in range(max(1, half))]
    cache = [socket.create_connection(("127.0.0.1", redis)) for _ in range(connections - half)]
    for end in web:
        request(end, "GET", "/600")
    for end in cache:
        ask(end, b"*1\r\n$4\r\nPING\r\n")
    for number in range(routes):
        request(web[number % len(web)], METHODS[number % 5], f"/route/{word(number // 5)}")
    print("ready", flush=True)
    sys.stdin.read()


def ping(redis):
    with socket.create_connection(("127.0.0.1", redis)) as end:
        while not select.select([sys.stdin], [], [], 0.001)[0]:
            ask(end, b"*1\r\n$4\r\nPING\r\n")


if __name__ == "__main__":
    if sys.argv[1] == "ping":
        ping(int(sys.argv[2]))
    else:
        hold(*(int(argument) for argument in sys.argv[1:]))
