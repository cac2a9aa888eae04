# SPDX-License-Identifier: Apache-2.0
"""Both ends of TCP connections in one process, and what is said over them."""

import socket
import threading

CLIENT, SERVER = 0, 1
made = 0
usual = None


def listener(*options):
    """On a free port of loopback; options are set before it listens."""
    listening = socket.socket()
    for option in options:
        listening.setsockopt(*option)
    listening.bind(("127.0.0.1", 0))
    listening.listen(64)
    return listening


def counted(connection):
    global made
    made += 1
    connection.settimeout(20)
    return connection


def connect(port):
    return counted(socket.create_connection(("127.0.0.1", port)))


def pair():
    """A new connection: the client's and the server's end. All are to one port: peers are few."""
    global usual
    usual = usual or listener()
    client = connect(usual.getsockname()[1])
    server = usual.accept()[0]
    server.settimeout(20)
    return client, server


def read(end, size, flags=0, piece=1 << 20):
    """Exactly so many bytes."""
    parts = []
    while size:
        part = end.recv(min(size, piece), flags)
        assert part, "ended early"
        size -= len(part)
        parts.append(part)
    return b"".join(parts)


def move(sender, receiver, data):
    """Sends it and reads it at the other end."""
    if len(data) <= 16384:
        sender.sendall(data)
        return read(receiver, len(data))
    thread = threading.Thread(target=sender.sendall, args=(data,))
    thread.start()
    result = read(receiver, len(data))
    thread.join()
    return result


def say(ends, *turns):
    """Turns are (CLIENT or SERVER, bytes): each is read before the next is sent."""
    for who, data in turns:
        move(ends[who], ends[not who], data)


def hold(*turns):
    """A conversation on a connection of its own, which the client ends."""
    ends = pair()
    say(ends, *turns)
    end(ends)


def end(ends):
    for one in ends:
        one.close()
