# SPDX-License-Identifier: Apache-2.0
"""A receiver of OTLP/HTTP that answers as a test wants, and reads the messages by itself."""

import gzip
import socket
import ssl
import struct
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .process import free_port

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def _varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def fields(data):
    """A message's fields in order: number and value (Protocol Buffers, "Encoding")."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == VARINT:
            value, at = _varint(data, at)
        else:
            size = {FIXED64: 8, FIXED32: 4}.get(kind)
            if kind == BYTES:
                size, at = _varint(data, at)
            value = data[at : at + size]
            assert len(value) == size
            at += size
        yield tag >> 3, value


def _each(data, *path):
    """The values at a path of field numbers."""
    for number, value in fields(data):
        if number == path[0]:
            if len(path) == 1:
                yield value
            else:
                yield from _each(value, *path[1:])


def _bytes_field(number, data):
    size, head = len(data), bytearray([number << 3 | BYTES])
    while size >= 0x80:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes(head) + bytes([size]) + data


def partial_success(rejected, message):
    """An ExportTraceServiceResponse; `rejected` is below 128."""
    return _bytes_field(1, bytes([1 << 3 | VARINT, rejected]) + _bytes_field(2, message.encode()))


class Post:
    """One request as it came: `spans` are their serialised messages."""

    def __init__(self, handler, body):
        self.time = time.monotonic()
        self.path = handler.path
        self.headers = handler.headers
        self.client = handler.client_address
        self.size = len(body)
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.body = body
        self.spans = list(_each(body, 1, 2, 2))

    def times(self):
        """Begin and end of each span, wall-clock ns."""
        for span in self.spans:
            found = dict(fields(span))
            yield struct.unpack("<QQ", found[7] + found[8])


# ---- answers: each is called with the handler ahead of the request's body ----


def reply(status=200, body=b"", **headers):
    def answer(handler):
        handler.take()
        handler.reply(status, body, headers)

    return answer


def late(seconds):
    def answer(handler):
        handler.take()
        handler.server.ended.wait(seconds)
        handler.reply(200, b"", {})

    return answer


def reset_in_body(handler):
    handler.rfile.read(100)
    handler.reset()


def reset_in_answer(handler):
    handler.take()
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
    handler.reset()


def nonsense(handler):
    handler.take()
    handler.wfile.write(b"\x00\xff not even HTTP\r\n\r\n")
    handler.close_connection = True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_POST(self):
        server = self.server
        with server.lock:
            answer = server.script.popleft() if server.script else server.answer
        try:
            answer(self)
        except OSError:
            self.close_connection = True

    def take(self):
        post = Post(self, self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.posts.append(post)

    def reply(self, status, body, headers):
        self.send_response(status)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def reset(self):
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, *_):
        pass


class Receiver(ThreadingHTTPServer):
    """`script` holds the answers to come, then it is `answer` every time; also a context manager.
    `tls`: certificate and key of its own, and whose clients' certificates it asks for, or None."""

    daemon_threads = True
    request_queue_size = 16

    def __init__(self, *script, answer=None, port=None, tls=None):
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self.posts = []
        self.script = deque(script)
        self.answer = answer or reply()
        super().__init__(("127.0.0.1", port or free_port()), _Handler)
        self.port = self.server_port
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}/v1/traces"
        self.tls = None
        if tls:
            certificate, key, clients = tls
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(certificate, key)
            if clients:
                self.tls.load_verify_locations(clients)
                self.tls.verify_mode = ssl.CERT_REQUIRED

    def finish_request(self, request, client_address):
        if self.tls:
            request = self.tls.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, *_):
        pass  # the other end's doing

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.05,)).start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.shutdown()
        self.server_close()

    def got(self):
        with self.lock:
            return list(self.posts)

    def forget(self):
        with self.lock:
            self.posts.clear()

    def count(self):
        """Spans taken with a success are told by what was answered: this counts all that came."""
        return sum(len(post.spans) for post in self.got())
