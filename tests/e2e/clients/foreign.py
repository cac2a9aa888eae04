# SPDX-License-Identifier: Apache-2.0
"""
Conversations of protocols that are none of the observer's, though some look much like one: both
ends, each on several connections. Every function returns what they may be counted as: nothing.
"""

import os
import random
import ssl
import struct
import subprocess
import tempfile
import threading

from ends import CLIENT, SERVER, hold, pair, read

TIMES = 5


def spoken(*turns):
    for _ in range(TIMES):
        hold(*turns)
    return {}


def lines(*texts):
    """Alternating, the server first."""
    turns = [(SERVER if i % 2 == 0 else CLIENT, t.encode()) for i, t in enumerate(texts)]
    return spoken(*turns)


def tls():
    """HTTP inside TLS."""
    request = b"GET /secret HTTP/1.1\r\nHost: e\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = os.path.join(folder, "key"), os.path.join(folder, "certificate")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-subj", "/CN=e", "-keyout", key, "-out", certificate],
            check=True, capture_output=True,
        )  # fmt: skip
        server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server_side.load_cert_chain(certificate, key)
    client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_side.check_hostname = False
    client_side.verify_mode = ssl.CERT_NONE

    def serve(raw):
        with server_side.wrap_socket(raw, server_side=True) as server:
            for _ in range(10):
                assert read(server, len(request)) == request
                server.sendall(answer)

    for _ in range(TIMES):
        client, server = pair()
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        with client_side.wrap_socket(client) as secure:
            for _ in range(10):
                secure.sendall(request)
                assert read(secure, len(answer)) == answer
        thread.join()
    return {}


def ssh():
    banner = b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"
    kexinit = struct.pack("!IBB", 300, 6, 20) + os.urandom(298)
    rest = [(who, os.urandom(200)) for _ in range(20) for who in (CLIENT, SERVER)]
    return spoken((SERVER, banner), (CLIENT, banner), (SERVER, kexinit), (CLIENT, kexinit), *rest)


def packet(number, body):
    return struct.pack("<I", len(body))[:3] + bytes([number]) + body


def mysql():
    greeting = packet(0, b"\x0a8.0.36\0" + struct.pack("<I", 9) + b"12345678\0" + b"\xff\xf7" * 20)
    login = packet(1, struct.pack("<II", 0x000FA68D, 1 << 24) + b"\xff" + bytes(23) + b"root\0\0")
    accepted = packet(2, b"\0\0\0\2\0\0\0")
    ask = packet(0, b"\3SELECT 1")
    row = (packet(1, b"\1") + packet(2, b"\3def\0\0\0\0011\0\x0c\x3f\0\1\0\0\0\x08\x81\0\0\0\0")
           + packet(3, b"\xfe\0\0\2\0") + packet(4, b"\0011")
           + packet(5, b"\xfe\0\0\2\0"))  # fmt: skip
    turns = [(CLIENT, ask), (SERVER, row)] * 20
    return spoken((SERVER, greeting), (CLIENT, login), (SERVER, accepted), *turns)


def memcached():
    """Its text protocol is words and CRLF, as Redis's inline commands are."""
    turns = [
        (CLIENT, b"set key 0 0 5\r\nhello\r\n"), (SERVER, b"STORED\r\n"),
        (CLIENT, b"get key\r\n"), (SERVER, b"VALUE key 0 5\r\nhello\r\nEND\r\n"),
        (CLIENT, b"get nothing\r\n"), (SERVER, b"END\r\n"),
        (CLIENT, b"incr count 1\r\n"), (SERVER, b"NOT_FOUND\r\n"),
        (CLIENT, b"mg key v\r\n"), (SERVER, b"VA 5\r\nhello\r\n"),
    ]  # fmt: skip
    spoken(*turns * 4)
    spoken(*turns[2:] * 4)
    return spoken(*turns[6:8] * 4)


def memcached_binary():
    def message(magic, opcode, body):
        return struct.pack("!BBHBBHIIQ", magic, opcode, 3, 0, 0, 0, len(body), 7, 0) + body

    turns = [(CLIENT, message(0x80, 0, b"key")), (SERVER, message(0x81, 0, b"\0\0\0\0hello"))]
    return spoken(*turns * 20)


def frame(kind, flags, stream, body):
    return struct.pack("!I", len(body))[1:] + struct.pack("!BBI", kind, flags, stream) + body


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def http2_turns():
    """HPACK's literals and static entries, bodies that look like HTTP/1."""
    turns = [(CLIENT, PREFACE + frame(4, 0, 0, b"")), (SERVER, frame(4, 0, 0, b"\0\3\0\0\0\x64")),
             (CLIENT, frame(4, 1, 0, b"")), (SERVER, frame(4, 1, 0, b""))]  # fmt: skip
    for stream in range(1, 41, 2):
        head = b"\x83\x86\x41\x09localhost" + b"\x04\x06/hello" + b"\x0f\x0d\x02ok"
        body = b"POST /body HTTP/1.1\r\nHost: e\r\n\r\n"
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        turns.append((CLIENT, frame(1, 4, stream, head) + frame(0, 1, stream, body)))
        turns.append((SERVER, frame(1, 4, stream, b"\x88") + frame(0, 1, stream, answer)))
    return turns


def http2():
    """With prior knowledge."""
    return spoken(*http2_turns())


def pop3():
    """Its answers, +OK and -ERR, are Redis's."""
    return lines("+OK POP3 ready\r\n", "USER me\r\n", "+OK\r\n", "PASS secret\r\n", "+OK\r\n",
                 "STAT\r\n", "+OK 1 120\r\n", "LIST\r\n", "+OK\r\n1 120\r\n.\r\n", "RETR 2\r\n",
                 "-ERR no such message\r\n", "QUIT\r\n", "+OK\r\n")  # fmt: skip


def smtp():
    return lines("220 e ESMTP\r\n", "EHLO e\r\n", "250-e\r\n250 PIPELINING\r\n",
                 "MAIL FROM:<a@e>\r\n", "250 OK\r\n", "RCPT TO:<b@e>\r\n", "250 OK\r\n", "DATA\r\n",
                 "354 Go on\r\n", "GET / HTTP/1.1\r\nHost: e\r\n\r\n.\r\n", "250 OK\r\n",
                 "QUIT\r\n", "221 Bye\r\n")  # fmt: skip


def ftp():
    return lines("220 FTP\r\n", "USER me\r\n", "331 Password\r\n", "PASS x\r\n", "230 In\r\n",
                 "TYPE I\r\n", "200 OK\r\n", "SIZE f\r\n", "213 7\r\n", "QUIT\r\n",
                 "221 Bye\r\n")  # fmt: skip


def rtsp():
    """HTTP's grammar, another protocol's name."""
    ask = b"OPTIONS rtsp://e/a RTSP/1.0\r\nCSeq: 1\r\n\r\n"
    answer = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: DESCRIBE, SETUP\r\n\r\n"
    return spoken(*[(CLIENT, ask), (SERVER, answer)] * 5)


def sip():
    ask = b"OPTIONS sip:a@e SIP/2.0\r\nVia: SIP/2.0/TCP e\r\nContent-Length: 0\r\n\r\n"
    answer = b"SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP e\r\nContent-Length: 0\r\n\r\n"
    return spoken(*[(CLIENT, ask), (SERVER, answer)] * 5)


def amqp():
    start = b"\1\0\0\0\0\0\x0c\0\x0a\0\x0a\0\x09\0\0\0\0\0\xce"
    return spoken((CLIENT, b"AMQP\0\0\x09\1"), *[(SERVER, start), (CLIENT, start)] * 10)


def mqtt():
    connect = b"\x10\x0d\0\4MQTT\4\2\0\x3c\0\1e"
    publish = b"\x30\x07\0\3a/bhi"
    return spoken((CLIENT, connect), (SERVER, b"\x20\2\0\0"), *[(CLIENT, publish)] * 10,
                  (CLIENT, b"\xc0\0"), (SERVER, b"\xd0\0"))  # fmt: skip


def kafka():
    ask = struct.pack("!ihhih", 19, 18, 0, 7, 9) + b"e2eclient"
    answer = struct.pack("!iihi", 10, 7, 0, 0)
    return spoken(*[(CLIENT, ask), (SERVER, answer)] * 10)


def mongo():
    ask = struct.pack("<iiii", 52, 1, 0, 2013) + bytes(5) + b"\x1f\0\0\0\1ping\0" + bytes(22)
    return spoken(*[(CLIENT, ask), (SERVER, ask)] * 10)


def random_bytes(seed, count):
    """Of all lengths, either end first, also in the middle of printable ones."""
    source = random.Random(seed)
    for _ in range(count):
        turns = []
        for _ in range(source.randint(1, 6)):
            size = int(2 ** source.uniform(0, 14))
            alphabet = source.choice([bytes(range(256)), bytes(range(32, 127)) + b"\r\n" * 8])
            turns.append((source.randint(0, 1), bytes(source.choices(alphabet, k=size))))
        hold(*turns)
    return {}
