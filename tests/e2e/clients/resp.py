# SPDX-License-Identifier: Apache-2.0
"""Redis clients that put exact bytes on the wire."""

import socket
import threading
import time


def encode(*words):
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        word = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(parts)


class Connection:
    def __init__(self, port, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port))
        self.socket.settimeout(20)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def send(self, *commands):
        """All of them in one write."""
        self.socket.sendall(b"".join(encode(*command) for command in commands))

    def call(self, *words):
        self.send(words)
        return self.reply()

    def replies(self, count):
        return [self.reply() for _ in range(count)]

    def reply(self):
        """One reply; an error is "-" and its text, a push message ">" and its elements."""
        line = self.file.readline()
        kind, rest = line[:1].decode(), line[1:-2].decode()
        if kind in "$=":
            return None if rest == "-1" else self.file.read(int(rest) + 2)[:-2].decode()
        if kind in "*~>":
            items = [] if rest == "-1" else self.replies(int(rest))
            return [">", *items] if kind == ">" else items
        if kind == "%":
            return self.replies(2 * int(rest))
        if kind == "-":
            return "-" + rest
        return int(rest) if kind == ":" else rest


def transactions(port, count):
    """MULTI, three commands and EXEC in one write."""
    with Connection(port) as connection:
        for i in range(count):
            connection.send(("MULTI",), ("SET", "t", i), ("INCR", "t"), ("GET", "t"), ("EXEC",))
            assert connection.replies(4) == ["OK", "QUEUED", "QUEUED", "QUEUED"]
            assert connection.reply() == ["OK", i + 1, str(i + 1)]
    return count


def inline(port, count):
    """Inline commands: quoted, in both line ends, several in a write."""
    with Connection(port) as connection:
        for _ in range(count):
            connection.socket.sendall(b'PING\r\nset inline "a b"\nget inline\r\n\r\n')
            assert connection.replies(3) == ["PONG", "OK", "a b"]


def split(port, count):
    """Commands that arrive byte by byte, and replies that are read so."""
    with Connection(port) as connection:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(count):
            for byte in encode("SET", "split", i) + encode("GET", "split"):
                connection.socket.sendall(bytes([byte]))
            answer = b""
            expected = b"+OK\r\n$%d\r\n%d\r\n" % (len(str(i)), i)
            while len(answer) < len(expected):
                answer += connection.socket.recv(1)
            assert answer == expected


def tracking(port, count):
    """RESP3: each SET by another makes the server push an invalidation between replies."""
    pushes = 0
    with Connection(port) as reader, Connection(port) as writer:
        reader.call("HELLO", "3")
        reader.call("CLIENT", "TRACKING", "ON")
        for i in range(count):
            reader.call("GET", "tracked")
            writer.call("SET", "tracked", i)
            reader.send(("PING",), ("PING",))
            replies = reader.replies(3)
            pushes += sum(reply == [">", "invalidate", ["tracked"]] for reply in replies)
            assert replies.count("PONG") == 2
    return pushes


def blocking(port, count):
    """BLPOP that is answered when another pushes, and one that times out."""
    with Connection(port) as waiter, Connection(port) as pusher:
        for i in range(count):
            waiter.send(("BLPOP", "queue", "5"))
            time.sleep(0.02)
            pusher.call("RPUSH", "queue", i)
            assert waiter.reply() == ["queue", str(i)]
        assert waiter.call("BLPOP", "queue", "0.05") == []


def publish(port, count):
    """A subscriber gets messages of two channels and a pattern; it unsubscribes and goes on."""
    with Connection(port) as subscriber, Connection(port) as publisher:
        subscriber.send(("SUBSCRIBE", "a", "b"), ("PSUBSCRIBE", "c*"))
        subscriber.replies(3)
        for i in range(count):
            for channel in ("a", "b", "cc"):
                publisher.call("PUBLISH", channel, i)
        kinds = [reply[0] for reply in subscriber.replies(3 * count)]
        assert kinds.count("message") == 2 * count and kinds.count("pmessage") == count
        subscriber.send(("UNSUBSCRIBE",), ("PUNSUBSCRIBE",), ("PING",))
        subscriber.replies(4)
    return 3 * count


def large(port, count, size):
    """Large values, both ways, and pipelined with small ones."""
    value = "v" * size
    with Connection(port) as connection:
        for _ in range(count):
            connection.send(("SET", "large", value), ("PING",), ("GET", "large"), ("PING",))
            assert connection.replies(4) == ["OK", "PONG", value, "PONG"]


def reads(port):
    """Read commands that find and do not find; returns hits and misses by command."""
    with Connection(port) as connection:
        connection.call("MSET", "h1", 1, "h2", 2, "h3", 3)
        connection.call("HSET", "hash", "f1", 1, "f2", 2)
        for _ in range(7):
            connection.call("GET", "h1")
        for _ in range(5):
            connection.call("GET", "nothing")
        for _ in range(3):
            assert connection.call("MGET", "h1", "no", "h2", "h3", "no") == [
                "1", None, "2", "3", None,
            ]  # fmt: skip
        connection.call("HGET", "hash", "f1")
        connection.call("HGET", "hash", "no")
        connection.call("HMGET", "hash", "f1", "no", "f2")
        connection.call("GETEX", "h2")
        connection.call("GETDEL", "h3")
        connection.call("GETDEL", "h3")
    hits = {"GET": 7, "MGET": 9, "HGET": 1, "HMGET": 2, "GETEX": 1, "GETDEL": 1}
    misses = {"GET": 5, "MGET": 6, "HGET": 1, "HMGET": 1, "GETDEL": 1}
    return hits, misses


def errors(port, count):
    """Wrong types, wrong numbers of arguments, unknown commands; between them, good ones."""
    with Connection(port) as connection:
        connection.call("SET", "text", "a")
        for _ in range(count):
            connection.send(("LPUSH", "text", 1), ("GET",), ("NOSUCH", "a"), ("GET", "text"))
            replies = connection.replies(4)
            assert [reply[:4] for reply in replies] == ["-WRO", "-ERR", "-ERR", "a"]


def silent(port, count):
    """CLIENT REPLY SKIP and OFF: commands that are executed and never answered."""
    with Connection(port) as connection:
        for i in range(count):
            connection.send(("CLIENT", "REPLY", "SKIP"), ("SET", "silent", i), ("GET", "silent"))
            assert connection.reply() == str(i)
        connection.send(("CLIENT", "REPLY", "OFF"), *[("INCR", "silent")] * 10)
        connection.send(("CLIENT", "REPLY", "ON"), ("GET", "silent"))
        assert connection.replies(2) == ["OK", str(count + 9)]


def aborted_transactions(port, count):
    """EXECABORT, DISCARD, a WATCH that fails, an error of one element."""
    with Connection(port) as connection, Connection(port) as other:
        for i in range(count):
            connection.send(("MULTI",), ("SET", "x", i), ("SET", "x"), ("EXEC",))
            assert connection.replies(4)[3].startswith("-EXECABORT")
            connection.send(("MULTI",), ("SET", "x", i), ("DISCARD",))
            connection.replies(3)
            connection.call("WATCH", "x")
            other.call("SET", "x", i)
            connection.send(("MULTI",), ("GET", "x"), ("EXEC",))
            assert connection.replies(3)[2] == []
            connection.send(("MULTI",), ("LPUSH", "x", 1), ("GET", "x"), ("EXEC",))
            elements = connection.replies(4)[3]
            assert elements[0].startswith("-WRONGTYPE") and elements[1] == str(i)


def script(port, count):
    """What a script calls is never on the wire."""
    body = "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])"
    with Connection(port) as connection:
        for i in range(count):
            assert connection.call("EVAL", body, "1", "scripted", i) == str(i)


def library(port, count):
    """redis-py: pool, pipeline, transaction, threads."""
    import redis  # takes long, and the others do without

    with redis.Redis(port=port, decode_responses=True, max_connections=8) as client:

        def work():
            for i in range(count):
                client.set("library", i)
                client.get("library")
                with client.pipeline(transaction=True) as pipe:
                    pipe.incr("counter").expire("counter", 60).execute()
                with client.pipeline(transaction=False) as pipe:
                    pipe.get("library").hset("map", "a", i).execute()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        client.close()
    return 4 * count


def churn(port, count):
    """Short connections, each with one command."""
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.sendall(b"PING\r\n")
        assert connection.recv(100) == b"+PONG\r\n"
        connection.close()


def hold(port, count, seconds):
    """Idle connections, each used once."""
    connections = [Connection(port) for _ in range(count)]
    for connection in connections:
        connection.call("PING")
    time.sleep(seconds)
    for connection in connections:
        connection.__exit__()


def paced(port, count):
    """One command at a time; returns the mean seconds from write to reply."""
    total = 0
    command = encode("GET", "paced")
    with Connection(port) as connection:
        for _ in range(count):
            begin = time.perf_counter()
            connection.socket.sendall(command)
            connection.socket.recv(100)
            total += time.perf_counter() - begin
    return total / count
