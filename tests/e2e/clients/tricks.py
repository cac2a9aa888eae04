# SPDX-License-Identifier: Apache-2.0
"""
What programs may do with sockets besides plain calls. Every function returns the requests it sent,
by path: [counted at least, at most], and how many of them were never answered ("aborted").
"""

import ctypes
import os
import signal
import socket
import struct

from ends import CLIENT, SERVER, connect, counted, end, listener, move, pair, read, say

LIBC = ctypes.CDLL(None, use_errno=True)
SO_ZEROCOPY, MSG_ZEROCOPY, MSG_FASTOPEN, IPPROTO_MPTCP = 60, 0x4000000, 0x20000000, 262
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
N = 5


def request(path, size=0):
    head = f"POST /{path} HTTP/1.1\r\nHost: e\r\nContent-Length: {size}\r\n\r\n"
    return head.encode() + b"b" * size


def exactly(path, count, aborted=0):
    return {path: [count, count], "aborted": aborted}


def ask(client, server, path):
    say((client, server), (CLIENT, request(path)), (SERVER, OK))


def discarded_bodies():
    """MSG_TRUNC throws bytes away unread."""
    client, server = pair()
    for _ in range(N):
        client.sendall(request("discarded", 3000))
        read(server, len(request("discarded", 3000)) - 3000)
        read(server, 3000, socket.MSG_TRUNC)
        move(server, client, OK)
    end((client, server))
    return exactly("discarded", N)


def discarded_heads():
    """What nobody read cannot be told; the client's end saw it, the server's did not."""
    for _ in range(N):
        client, server = pair()
        client.sendall(request("heads"))
        read(server, len(request("heads")), socket.MSG_TRUNC)
        move(server, client, OK)
        end((client, server))
    return {"heads": [0, N], "aborted": 0}


def nothing_sent():
    """Calls that move nothing, between all others and in the middle of them."""
    client, server = pair()
    for _ in range(N):
        for piece in (request("nothing")[:9], request("nothing")[9:]):
            client.send(b"")
            client.sendmsg([b"", b""])
            client.sendmsg([])
            client.sendall(piece)
            server.recv(0)
            read(server, len(piece))
        os.write(server.fileno(), b"")
        move(server, client, OK)
        client.setblocking(False)
        try:
            client.recv(10)
        except BlockingIOError:
            pass
        client.settimeout(20)
    end((client, server))
    return exactly("nothing", N)


def urgent(inline):
    """Bytes out of band, between requests and within one."""
    client, server = pair()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, inline)
    for i in range(N):
        whole = request("urgent", 20)
        at = (0, 4, len(whole) - 10)[i % 3]
        client.sendall(whole[:at])
        client.send(b"!", socket.MSG_OOB)
        client.sendall(whole[at:])
        if inline:
            read(server, len(whole) + 1)
        else:
            left = len(whole)
            while left:
                left -= len(server.recv(left))
            server.setblocking(False)
            try:
                server.recv(1, socket.MSG_OOB)
            except OSError:
                pass
            server.settimeout(20)
        move(server, client, OK)
    end((client, server))
    return {"urgent": [0, N], "aborted": N}


def bad_pointers():
    """A vector whose second buffer cannot be read: the call sends of the first what fits a
    segment, or nothing; it is then sent by itself."""

    class Vector(ctypes.Structure):
        _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))

    client, server = pair()
    for _ in range(N):
        data = request("pointers", 100000)
        text = ctypes.create_string_buffer(data)
        vector = (Vector * 2)((ctypes.addressof(text), len(data)), (8, 100))
        sent = max(LIBC.writev(client.fileno(), vector, 2), 0)
        assert LIBC.write(client.fileno(), ctypes.c_void_p(8), 100) == -1
        read(server, sent)
        move(client, server, data[sent:])
        move(server, client, OK)
    end((client, server))
    return exactly("pointers", N)


def zero_copy():
    client, server = pair()
    client.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)
    for _ in range(N):
        data = request("zerocopy", 30000)
        assert client.send(data, MSG_ZEROCOPY) == len(data)
        read(server, len(data))
        move(server, client, OK)
        client.recvmsg(100, 100, socket.MSG_ERRQUEUE)
    end((client, server))
    return exactly("zerocopy", N)


def fast_open():
    """connect() and send() in one call; without a cookie the kernel does one after the other."""
    with listener() as listening:
        for _ in range(N):
            client = counted(socket.socket())
            client.setblocking(True)
            client.sendto(request("fastopen"), MSG_FASTOPEN, listening.getsockname())
            server = listening.accept()[0]
            read(server, len(request("fastopen")))
            move(server, client, OK)
            end((client, server))
    return exactly("fastopen", N)


def deferred_accept():
    """The server's connection exists when its first data does."""
    with listener((socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 5)) as listening:
        for _ in range(N):
            client = connect(listening.getsockname()[1])
            client.sendall(request("deferred"))
            server = listening.accept()[0]
            read(server, len(request("deferred")))
            move(server, client, OK)
            end((client, server))
    return exactly("deferred", N)


def multipath_listener():
    """As Go's servers listen; the clients are plain."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        for _ in range(N):
            client = connect(listening.getsockname()[1])
            server = listening.accept()[0]
            ask(client, server, "multipath")
            end((client, server))
    return exactly("multipath", N)


def unconnected():
    """connect() to nowhere ends a connection; the same socket makes the next, also after
    shutdown()."""
    client = socket.socket()
    for i in range(N):
        with listener() as listening:
            client.connect(listening.getsockname())
            server = listening.accept()[0]
        counted(client)
        ask(client, server, "unconnected")
        if i % 2:
            client.shutdown(socket.SHUT_RDWR)
        nowhere = struct.pack("=H14x", socket.AF_UNSPEC)
        assert LIBC.connect(client.fileno(), nowhere, len(nowhere)) == 0
        server.close()
    client.close()
    return exactly("unconnected", N)


def half_closed():
    """Either end says that it will send no more, and goes on reading."""
    for _ in range(N):
        client, server = pair()
        client.sendall(request("half"))
        client.shutdown(socket.SHUT_WR)
        read(server, len(request("half")))
        assert server.recv(1) == b""
        move(server, client, OK)
        end((server, client))
        client, server = pair()
        say((client, server), (CLIENT, request("half", 6)[:-6]), (SERVER, OK))
        server.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
        move(client, server, b"b" * 6)
        end((client, server))
    return exactly("half", 2 * N)


def reset(end_):
    end_.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end_.close()


def resets():
    """By the client and by the server, in the middle of an answer; what was read before stays."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegin"
    for i in range(2 * N):
        client, server = pair()
        ask(client, server, "reset")
        say((client, server), (CLIENT, request("reset")), (SERVER, answer))
        first, second = (client, server) if i % 2 else (server, client)
        reset(first)
        try:
            assert second.recv(10) == b""
        except ConnectionResetError:
            pass
        second.close()
    return exactly("reset", 4 * N, 2 * N)


def in_child(function):
    """Runs it in a fork, which ends without more ado."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            function()
            status = 0
        finally:
            os._exit(status)
    return pid


def ended(pid):
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status == 0, status


def forked():
    """Both have both ends; each half of the exchange is another's."""
    client, server = pair()
    for _ in range(N):
        client.sendall(request("forked"))
        ended(in_child(lambda: read(server, len(request("forked")))))
        ended(in_child(lambda: server.sendall(OK)))
        read(client, len(OK))
    end((client, server))
    return exactly("forked", N)


def passed_on():
    """The accepted connection goes to another process, after its first exchange."""
    for _ in range(N):
        client, server = pair()
        ask(client, server, "passed")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

        def work(theirs=theirs, server=server, client=client):
            server.close()
            client.close()
            _, [number], _, _ = socket.recv_fds(theirs, 1, 1)
            with socket.socket(fileno=number) as taken:
                taken.settimeout(20)
                for _ in range(2):
                    read(taken, len(request("passed")))
                    taken.sendall(OK)

        pid = in_child(work)
        socket.send_fds(ours, [b"."], [server.fileno()])
        server.close()
        for _ in range(2):
            client.sendall(request("passed"))
            read(client, len(OK))
        ended(pid)
        end((client, ours, theirs))
    return exactly("passed", 3 * N)


def with_descriptors():
    """A Unix socket: requests and answers that bring an open file along."""
    where = "\0with-descriptors-" + str(os.getpid())
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as client:
        listening.bind(where)
        listening.listen()
        client.connect(where)
        with listening.accept()[0] as server:
            for _ in range(N):
                for sender, receiver, data in (
                    (client, server, request("descriptors")), (server, client, OK)
                ):  # fmt: skip
                    socket.send_fds(sender, [data], [0])
                    received, numbers, _, _ = socket.recv_fds(receiver, len(data), 1)
                    assert received == data
                    os.close(*numbers)
    return exactly("descriptors", N)


def abrupt():
    """A process is gone in the middle of an exchange: by exit, or killed."""
    for i in range(2 * N):
        with listener() as listening:
            port = listening.getsockname()[1]

            def work(port=port, kill=i % 2):
                client = connect(port)
                client.sendall(request("abrupt"))
                client.recv(10)
                if kill:
                    os.kill(os.getpid(), signal.SIGKILL)

            pid = in_child(work)
            counted(listening)
            server = listening.accept()[0]
            read(server, len(request("abrupt")))
            server.sendall(OK[:10])
            os.waitpid(pid, 0)
            server.close()
    return exactly("abrupt", 2 * N, 2 * N)


def by_others(port):
    """A server that makes the system calls of 32-bit programs; its client is plain."""
    for _ in range(N):
        client = connect(port)
        for _ in range(2):
            client.sendall(request("compat"))
            read(client, len(OK))
        client.close()
    return exactly("compat", 2 * N)
