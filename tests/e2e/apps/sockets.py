# SPDX-License-Identifier: Apache-2.0
"""sockets.py KIND COUNT: so many requests to a child of its own, over sockets of that kind."""

import atexit
import os
import signal
import socket
import sys

REQUEST = b"GET / HTTP/1.1\r\nHost: e2e\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def read(connection, size):
    while size > 0:
        data = connection.recv(size)
        assert data, "ended early"
        size -= len(data)


def serve(connection):
    while data := connection.recv(len(REQUEST)):
        read(connection, len(REQUEST) - len(data))
        connection.sendall(ANSWER)


def fork():
    """As os.fork(); the child ends with its parent."""
    pid = os.fork()
    if pid:
        atexit.register(os.kill, pid, signal.SIGKILL)
    return pid


def listening(family, address):
    listener = socket.socket(family)
    if family == socket.AF_INET:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 64)
    listener.bind(address)
    listener.listen(64)
    return listener


def pair(count):
    """Made by socketpair(): nobody listens, nobody connects."""
    ours, theirs = socket.socketpair()
    if not fork():
        ours.close()
        return serve(theirs)
    theirs.close()
    for _ in range(count):
        ours.sendall(REQUEST)
        read(ours, len(ANSWER))


def bound(count):
    """The client has an address, too: one of its own, or the kernel's for SO_PASSCRED."""
    listener = listening(socket.AF_UNIX, f"\0e2e-sockets-{os.getpid()}")
    address = listener.getsockname()
    if not fork():
        while True:
            serve(listener.accept()[0])
    for number in range(count):
        with socket.socket(socket.AF_UNIX) as client:
            if number & 1:
                client.bind(f"\0e2e-client-{os.getpid()}-{number}")
            else:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            client.connect(address)
            client.sendall(REQUEST)
            read(client, len(ANSWER))


def discarded(count):
    """The client does not look at the answer's body, and closes once it has arrived."""
    listener = listening(socket.AF_INET, ("127.0.0.1", 0))
    head, size = b"HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n", 50000
    if not fork():
        while True:
            with listener.accept()[0] as connection:
                connection.recv(len(REQUEST))
                connection.sendall(head + bytes(size))
    for _ in range(count):
        with socket.create_connection(listener.getsockname()) as client:
            client.sendall(REQUEST)
            read(client, len(head))
            left = size
            while left > 0:
                left -= client.recv_into(bytearray(left), left, socket.MSG_TRUNC)


def fastopen(count):
    """The first bytes go along with the SYN, from the second connection on."""
    listener = listening(socket.AF_INET, ("127.0.0.1", 8080))
    if not fork():
        while True:
            serve(listener.accept()[0])
    for _ in range(count // 2):
        with socket.socket() as client:
            client.sendto(REQUEST, socket.MSG_FASTOPEN, ("127.0.0.1", 8080))
            read(client, len(ANSWER))
            client.sendall(REQUEST)
            read(client, len(ANSWER))
    with open("/proc/net/netstat") as file:
        names, values = [line.split() for line in file if line.startswith("TcpExt")]
    print(values[names.index("TCPFastOpenActive")])


KINDS = {"pair": pair, "bound": bound, "discarded": discarded, "fastopen": fastopen}
KINDS[sys.argv[1]](int(sys.argv[2]))
