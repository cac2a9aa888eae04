# SPDX-License-Identifier: Apache-2.0
"""Chunked bodies in either direction, however calls cut them: RFC 9112, section 7.1."""

import http.client
import socket
import threading

LINE, LAST = b"\r\n", b"0\r\n\r\n"
HEAD = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def _heads(size, count):
    return (b"%x\r\n" % size for _ in range(count))


def _odd_heads(size, count):
    """Capitals, leading zeros, and now and then an extension."""
    for number in range(count):
        yield b"%06X%s\r\n" % (size, b"" if number % 50 else b";name=value")


def _send_all(connection, buffers):
    """One call, as a rule."""
    sent = connection.sendmsg(buffers)
    connection.sendall(b"".join(buffers)[sent:])


def _whole(connection, heads, data):
    for head in heads:
        connection.sendall(head + data + LINE)


def _gathered(connection, heads, data):
    for head in heads:
        _send_all(connection, [head, data, LINE])


def _apart(connection, heads, data):
    for head in heads:
        for piece in (head, data, LINE):
            connection.sendall(piece)


def _cut(connection, heads, data, call):
    body = b"".join(head + data + LINE for head in heads)
    for begin in range(0, len(body), call):
        connection.sendall(body[begin : begin + call])


SHAPES = {"whole": _whole, "gathered": _gathered, "apart": _apart}


def _send(connection, shape, size, count):
    heads = _odd_heads if shape.startswith("odd") else _heads
    shape = shape.removeprefix("odd-")
    if shape.startswith("cut-"):
        _cut(connection, heads(size, count), b"x" * size, int(shape[4:]))
    else:
        SHAPES[shape](connection, heads(size, count), b"x" * size)
    connection.sendall(b"0\r\nSum: 1\r\n\r\n" if heads is _odd_heads else LAST)


def _read_body(file):
    total = 0
    while size := int(file.readline().split(b";")[0], 16):
        total += len(file.read(size))
        assert file.read(2) == LINE
    while file.readline() != LINE:
        pass
    return total


def _serve(connection):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection, connection.makefile("rb", buffering=65536) as file:
        while line := file.readline():
            method, path, _ = line.decode().split()
            while file.readline() != LINE:
                pass
            if method == "POST":
                text = b"%d" % _read_body(file)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"
                                   % (len(text), text))  # fmt: skip
                continue
            _, shape, size, count = path.split("/")
            connection.sendall(HEAD.encode())
            _send(connection, shape, int(size), int(count))


def serve(port):
    listener = socket.create_server(("127.0.0.1", port))
    while True:
        threading.Thread(target=_serve, args=[listener.accept()[0]], daemon=True).start()


def ask(port, plan):
    """By plan: [shape, size of a chunk, chunks]: an answer like that, and a request. What each
    moved, which must be what both ends count."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    moved = []
    for shape, size, count in plan:
        connection.request("GET", f"/{shape}/{size}/{count}")
        got = len(connection.getresponse().read())
        connection.putrequest("POST", "/upload")
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _send(connection.sock, shape, size, count)
        moved.append([got, int(connection.getresponse().read())])
    connection.close()
    return moved


def leave(port, count):
    """Goes away in the middle of an answer."""
    for _ in range(count):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"GET /whole/1000/100000 HTTP/1.1\r\nHost: e2e\r\n\r\n")
            left = 2000000
            while left > 0:
                left -= len(connection.recv(65536))
