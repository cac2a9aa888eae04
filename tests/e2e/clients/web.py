# SPDX-License-Identifier: Apache-2.0
"""HTTP clients that put exact bytes on the wire."""

import http.client
import os
import socket
import struct
import threading
import time
import urllib.error
import urllib.request


class Connection:
    def __init__(self, port, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port))
        self.socket.settimeout(30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb", buffering=0)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def _more(self, size=65536):
        data = self.socket.recv(size)
        self.buffer += data
        return bool(data)

    def _take(self, count):
        parts, missing = [self.buffer[:count]], count - len(self.buffer)
        self.buffer = self.buffer[count:]
        while missing > 0:
            parts.append(self.socket.recv(min(missing, 1 << 20)))
            assert parts[-1], "ended early"
            missing -= len(parts[-1])
        return b"".join(parts)

    def _until(self, mark, size=65536):
        while mark not in self.buffer:
            assert self._more(size), f"ended early: {self.buffer!r}"
        return self._take(self.buffer.index(mark) + len(mark))

    def _chunks(self):
        parts = []
        while True:
            size = int(self._until(b"\r\n").split(b";")[0], 16)
            if size == 0:
                break
            parts.append(self._take(size + 2)[:-2])
        while self._until(b"\r\n") != b"\r\n":
            pass
        return b"".join(parts)

    def answer(self, method="GET", size=65536):
        """Status and body of one answer; an informational one has none."""
        head = self._until(b"\r\n\r\n", size).decode().split("\r\n")
        status = int(head[0].split(" ")[1])
        fields = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:] if line)
        }
        if status < 200 or status in (204, 304) or method == "HEAD":
            return status, b""
        if fields.get("transfer-encoding") == "chunked":
            return status, self._chunks()
        if "content-length" in fields:
            return status, self._take(int(fields["content-length"]))
        while self._more():
            pass
        body, self.buffer = self.buffer, b""
        return status, body


def request(path, method="GET", fields="", body=""):
    return f"{method} {path} HTTP/1.1\r\nHost: e2e\r\n{fields}\r\n{body}"


def keepalive(port, count, path):
    """One request after the other on one connection; returns the mean seconds."""
    total = 0
    data = request(path).encode()
    with Connection(port) as connection:
        for _ in range(count):
            begin = time.perf_counter()
            connection.send(data)
            connection.answer()
            total += time.perf_counter() - begin
    return total / count


def pipelined(port, count, path):
    """Ten requests in one write, of two methods and with a body in between."""
    batch = request(path) * 4 + request(path, "HEAD") * 3 + request("/nowhere") * 3
    with Connection(port) as connection:
        for _ in range(count):
            connection.send(batch)
            methods = ["GET"] * 4 + ["HEAD"] * 3 + ["GET"] * 3
            statuses = [connection.answer(method)[0] for method in methods]
            assert statuses == [200] * 7 + [404] * 3


def behind_the_last(port, count, path):
    """Six requests in one write, of which the third asks for the connection's end."""
    last = request(path, fields="Connection: close\r\n")
    for _ in range(count):
        with Connection(port) as connection:
            connection.send(request(path) * 2 + last + request(path) * 3)
            assert [connection.answer()[0] for _ in range(3)] == [200] * 3
            assert connection.file.read() == b""


def without_bodies(port, count):
    """HEAD, 204 and 304, each followed by another on the same connection."""
    with Connection(port) as connection:
        for _ in range(count):
            connection.send(request("/hello", "HEAD"))
            assert connection.answer("HEAD")[0] == 200
            connection.send(request("/empty"))
            assert connection.answer()[0] == 204
            connection.send(request("/same"))
            assert connection.answer()[0] == 304
            connection.send(request("/hello"))
            assert connection.answer() == (200, b"hello\n")


def not_modified(port, count, path):
    with Connection(port) as connection:
        when = "If-Modified-Since: Sat, 01 Jan 2135 00:00:00 GMT\r\n"
        for _ in range(count):
            connection.send(request(path, fields=when))
            assert connection.answer()[0] == 304


def bytewise(port, count, path):
    """The request in single bytes, the answer read in single bytes."""
    with Connection(port) as connection:
        for _ in range(count):
            for byte in request(path).encode():
                connection.send(bytes([byte]))
            assert connection.answer(size=1)[0] == 200


def expect(port, count, path, status):
    """Bodies that wait for the 100."""
    with Connection(port) as connection:
        for _ in range(count):
            connection.send(
                request(path, "POST", "Expect: 100-continue\r\nContent-Length: 5\r\n")
            )
            assert connection.answer()[0] == 100
            connection.send("12345")
            assert connection.answer()[0] == status


def hints(port, count):
    with Connection(port) as connection:
        for _ in range(count):
            connection.send(request("/hints"))
            assert connection.answer()[0] == 103
            assert connection.answer()[0] == 200


def chunked(port, count):
    """Chunks both ways, with extensions and trailers; two requests in one write at last."""
    fields = "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n"
    chunks = "5\r\nhello\r\na;name=value\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n"
    whole = request("/echo", "POST", fields, chunks)
    with Connection(port) as connection:
        for _ in range(count):
            connection.send(whole)
            assert connection.answer() == (200, b"hello0123456789")
        connection.send(whole + whole)
        assert [connection.answer()[1] for _ in range(2)] == [b"hello0123456789"] * 2
        connection.send(request("/stream"))
        assert connection.answer()[0] == 200


def old(port, count, path):
    """HTTP/1.0: a connection each; the end of the body is the end of the connection."""
    for _ in range(count):
        with Connection(port) as connection:
            connection.send(f"GET {path} HTTP/1.0\r\n\r\n")
            assert connection.answer()[0] in (200, 203)
            assert connection.socket.recv(1) == b""


def upload(port, size, path, status):
    block = b"u" * (1 << 20)
    with Connection(port) as connection:
        connection.send(request(path, "POST", f"Content-Length: {size}\r\n"))
        for _ in range(size >> 20):
            connection.send(block)
        assert connection.answer()[0] == status
        connection.send(request("/hello"))
        assert connection.answer()[0] == 200


def too_large(port, count, path, size):
    """An answer that comes before the body was sent, which then goes on for a while."""
    for _ in range(count):
        with Connection(port) as connection:
            connection.send(request(path, "POST", f"Content-Length: {size}\r\n"))
            connection.send(b"b" * 1000)
            assert connection.answer()[0] == 413
            try:
                connection.send(b"b" * 100000)
            except ConnectionError:
                pass


def websocket(port, count, messages):
    """A handshake, then frames, of which some look like requests."""
    fields = (
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    for _ in range(count):
        with Connection(port) as connection:
            connection.send(request("/socket", fields=fields))
            assert connection.answer()[0] == 101
            for _ in range(messages):
                mask = os.urandom(4)
                text = request("/hello").encode()[:125]
                frame = bytes([0x81, 0x80 | len(text)]) + mask
                frame += bytes(byte ^ mask[i % 4] for i, byte in enumerate(text))
                connection.send(frame)
                connection._take(len(frame))
            connection.send(request("/hello"))
            connection._take(len(request("/hello")))


def give_up(port, count, path):
    """Requests whose client leaves before the answer."""
    for _ in range(count):
        with Connection(port) as connection:
            connection.send(request(path))
            time.sleep(0.02)


def half_closed(port, count, path):
    """Requests whose client says that it sends no more, before the answer or once the server has
    closed, and reads all of it then: at once, or late and in pieces."""
    for number in range(count):
        with Connection(port) as connection:
            connection.send(request(path, fields="Connection: close\r\n"))
            if number & 1:
                time.sleep(0.05)
            connection.socket.shutdown(socket.SHUT_WR)
            if number & 2:
                time.sleep(0.05)
            assert connection.answer(size=512 if number & 2 else 65536)[0] == 200
            assert number & 4 or not connection._more()


def cut(port, count, path):
    """Answers that end before their length is reached."""
    for _ in range(count):
        with Connection(port) as connection:
            connection.send(request(path))
            assert connection._until(b"yes")
            assert not connection._more()


def leave(port, count, path, linger):
    """Answers that are not read to their end."""
    for _ in range(count):
        with Connection(port) as connection:
            connection.send(request(path))
            assert connection._until(b"and no end")
            if linger:
                connection.socket.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )


def parallel(port, threads, count, path, keep):
    """Requests side by side, on kept connections or each on a new one; the mean seconds."""
    times = []

    def ask(connection):
        begin = time.perf_counter()
        connection.send(request(path))
        assert connection.answer()[0] == 200
        times.append(time.perf_counter() - begin)

    def work():
        kept = Connection(port) if keep else None
        for _ in range(count):
            if kept:
                ask(kept)
            else:
                with Connection(port) as connection:
                    ask(connection)
        if kept:
            kept.close()

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(times) / len(times)


def libraries(port, count):
    """Python's own clients: urllib and http.client."""
    for i in range(count):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/items/{i}") as answer:
            answer.read()
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/items/{9000 + i}")
        except urllib.error.HTTPError as error:
            assert (error.code, error.read()) == (404, b'{"detail":"no such item"}')
            error.close()
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for _ in range(count):
        connection.request("POST", "/items", body=iter([b"chunk", b"chunk"]), encode_chunked=True,
                           headers={"Transfer-Encoding": "chunked"})  # fmt: skip
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (201, b'{"size":10}')
    connection.close()
    for _ in range(3):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/boom")
        assert connection.getresponse().read() == b"Internal Server Error"
        connection.close()
    return count


def hold(port, count, seconds):
    """Connections that were used once and stay open."""
    connections = [Connection(port) for _ in range(count)]
    for connection in connections:
        connection.send(request("/hello"))
        connection.answer()
    time.sleep(seconds)
    for connection in connections:
        connection.close()


def refused(port, count):
    for _ in range(count):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            raise AssertionError("accepted")
        except ConnectionRefusedError:
            pass


def timed_out(port, count, seconds):
    """connect() that nobody answers, given up by the application."""
    failed = 0
    for _ in range(count):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=seconds).close()
        except TimeoutError:
            failed += 1
    return failed
