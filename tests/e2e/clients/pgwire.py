# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL clients that put exact bytes on the wire (protocol 3)."""

import socket
import struct

# Not folded when planned: it fails when executed.
BAD = "SELECT 1/($1::int + 0 * pg_backend_pid())"
SSL_REQUEST, GSS_REQUEST, CANCEL = 80877103, 80877104, 80877102


def message(kind, *parts):
    body = b"".join(part if isinstance(part, bytes) else part.encode() + b"\0" for part in parts)
    return kind + struct.pack("!i", len(body) + 4) + body


def query(text):
    return message(b"Q", text)


def parse(name, text):
    return message(b"P", name, text, struct.pack("!h", 0))


def bind(portal, statement, *values):
    """Text parameters and results."""
    data = b"".join(struct.pack("!i", len(value)) + value for value in values)
    return message(
        b"B", portal, statement, struct.pack("!hh", 0, len(values)), data, struct.pack("!h", 0)
    )


def execute(portal="", rows=0):
    return message(b"E", portal, struct.pack("!i", rows))


def describe(portal=""):
    return message(b"D", b"P", portal)


def close(portal=""):
    return message(b"C", b"P", portal)


SYNC, FLUSH, END = message(b"S"), message(b"H"), message(b"X")


def extended(text, *values):
    return parse("", text) + bind("", "", *values) + describe() + execute()


class Connection:
    def __init__(self, port, name="pgwire", version=(3, 0), requests=(), options=()):
        """`port` on loopback, or the path of a Unix socket."""
        if isinstance(port, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(port)
        else:
            self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.settimeout(20)
        self.file = self.socket.makefile("rb")
        for code in requests:
            self.send(struct.pack("!ii", 8, code))
            assert self.file.read(1) == b"N"
        fields = {"user": "e2e", "database": "postgres", "application_name": name} | dict(options)
        body = b"".join(f"{key}\0{value}\0".encode() for key, value in fields.items()) + b"\0"
        code = version[0] << 16 | version[1]
        self.send(struct.pack("!ii", len(body) + 8, code) + body)
        answers = self.until_ready()
        self.kinds = [kind for kind, _ in answers]
        self.key = next(body for kind, body in answers if kind == "K")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.send(END)
        assert self.file.read() == b""
        self.file.close()
        self.socket.close()

    def send(self, *messages):
        """All of them in one write."""
        self.socket.sendall(b"".join(messages))

    def read(self):
        kind = self.file.read(1)
        assert kind, "ended early"
        (size,) = struct.unpack("!i", self.file.read(4))
        return kind.decode(), self.file.read(size - 4)

    def until(self, *kinds):
        """The messages up to the first of a kind, which is the last of them."""
        messages = []
        while not messages or messages[-1][0] not in kinds:
            messages.append(self.read())
        return messages

    def until_ready(self):
        return self.until("Z")

    def ask(self, *messages):
        """Sends and reads up to ReadyForQuery; the kinds of the messages, as a text."""
        self.send(*messages)
        return "".join(kind for kind, _ in self.until_ready())


def greet(port, count, requests):
    """Encryption asked for and refused, then plain; a protocol that is negotiated."""
    for _ in range(count):
        with Connection(port, "greet", requests=requests) as connection:
            assert connection.ask(query("SELECT 1")) == "TDCZ"
        with Connection(port, "greet", (3, 2), options={"_pq_.e2e": "x"}) as connection:
            assert connection.ask(query("SELECT 1")) == "TDCZ"
            assert "v" in connection.kinds  # NegotiateProtocolVersion: the option is not known


def several(port, count):
    """Several statements in one simple query, an empty one, one that fails in the middle."""
    with Connection(port, "several") as connection:
        for _ in range(count):
            text = "SELECT 1; BEGIN; SELECT ';--' /* ; */; UPDATE pair SET b = 1; COMMIT"
            assert connection.ask(query(text)) == "TDCCTDCCCZ"
            assert connection.ask(query(";")) == "IZ"
            assert connection.ask(query("SELECT 1; SELECT 1/0; SELECT 2")) == "TDCEZ"


def failing_pipeline(port, count):
    """What follows an error up to the Sync is skipped; after it all goes on."""
    with Connection(port, "failing") as connection:
        for _ in range(count):
            good, bad = extended("SELECT 1"), extended(BAD, b"0")
            connection.send(good, bad, good, good, SYNC, good, SYNC, query("SELECT 2"))
            kinds = ["".join(kind for kind, _ in connection.until_ready()) for _ in range(3)]
            assert kinds == ["12TDC12TEZ", "12TDCZ", "TDCZ"]
            # In Parse, and in Bind.
            assert connection.ask(extended("SELEC 1"), good, SYNC) == "EZ"
            assert connection.ask(extended("SELECT $1::int", b"x"), good, SYNC) == "1EZ"


def fetched_in_parts(port, count):
    """A portal of 10 rows, fetched by three; then one that is left before its end."""
    rows = parse("", "SELECT generate_series(1, 10)") + bind("p", "")
    with Connection(port, "parts") as connection:
        for _ in range(count):
            connection.send(rows, *[execute("p", 3) + FLUSH] * 4)
            kinds = [connection.until("s", "C")[-1][0] for _ in range(4)]
            assert kinds == ["s", "s", "s", "C"]
            assert connection.ask(SYNC) == "Z"
            assert connection.ask(rows, execute("p", 2), close("p"), SYNC) == "12DDs3Z"
            assert connection.ask(rows, execute("p", 2), SYNC) == "12DDsZ"
            # One write, and another statement behind it.
            end = [execute("p", 20), extended("VALUES (1)"), SYNC]
            assert connection.ask(rows, execute("p", 2), *end) == "12DDs" + "D" * 8 + "C12TDCZ"


def named(port, count):
    """Prepared once, executed often, several in a write; a statement described and closed."""
    with Connection(port, "named") as connection:
        assert connection.ask(parse("s", "SELECT $1::int"), SYNC) == "1Z"
        one = bind("", "s", b"7") + execute()
        for _ in range(count):
            assert connection.ask(one, SYNC) == "2DCZ"
            assert connection.ask(one * 5, SYNC) == "2DC" * 5 + "Z"
        assert connection.ask(message(b"D", b"S", "s"), SYNC) == "tTZ"
        assert connection.ask(message(b"C", b"S", "s"), SYNC) == "3Z"


def verbs(port, count):
    """Names as the tag has them, of good statements and of failing ones."""
    good = [
        "WITH a AS (SELECT 1) INSERT INTO pair SELECT 1, 1", "TABLE pair", "VALUES (1)",
        "START TRANSACTION", "SAVEPOINT s", "RELEASE s", "END", "BEGIN", "ABORT",
        "DECLARE c CURSOR WITH HOLD FOR SELECT 1", "FETCH c", "CLOSE c", "SET lock_timeout = 0",
        "SHOW lock_timeout", "CREATE TEMP TABLE v (a int)", "TRUNCATE v", "DROP TABLE v",
        "EXPLAIN SELECT 1", "DO $$BEGIN END$$", "DELETE FROM pair", "NOTIFY n",
    ]  # fmt: skip
    bad = [
        "WITH a AS (SELECT 1) UPDATE pair SET b = 1/0 FROM a WHERE true", "VALUES (1/0)",
        "TABLE nosuch", "INSERT INTO nosuch VALUES (1)", "/* c */ -- d\n delete from nosuch",
        "(SELECT 1/0)", "NOSUCHVERB 1", "DROP TABLE nosuch",
    ]  # fmt: skip
    with Connection(port, "verbs") as connection:
        connection.ask(query("INSERT INTO pair VALUES (1, 1)"))
        for _ in range(count):
            for text in good:
                assert "E" not in connection.ask(query(text)), text
                if text == "TABLE pair":
                    connection.ask(query("INSERT INTO pair VALUES (1, 1)"))
            connection.ask(query("INSERT INTO pair VALUES (1, 1)"))
            for text in bad:
                assert "E" in connection.ask(query(text)), text


def bytewise(port, count):
    with Connection(port, "bytewise") as connection:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(count):
            for byte in query("SELECT 1") + extended("SELECT 2") + SYNC:
                connection.send(bytes([byte]))
            connection.until_ready()
            connection.until_ready()


def cancel(port, count):
    """A statement that another connection cancels."""
    for _ in range(count):
        with Connection(port, "cancel") as connection:
            connection.send(query("SELECT pg_sleep(20)"))
            with Connection(port, "watch") as other:
                while True:
                    other.send(query("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))
                    if "D" in [kind for kind, _ in other.until_ready()]:
                        break
            canceller = socket.create_connection(("127.0.0.1", port))
            canceller.sendall(struct.pack("!ii", 16, CANCEL) + connection.key)
            assert canceller.recv(1) == b""
            canceller.close()
            assert "E" in [kind for kind, _ in connection.until_ready()]


def leave(port, count):
    """Connections that end while a statement runs."""
    for _ in range(count):
        connection = Connection(port, "leave")
        connection.send(query("SELECT pg_sleep(0.5)"))
        connection.file.close()
        connection.socket.close()


def leave_rows(port, count):
    """Connections that end in the middle of an answer."""
    for i in range(count):
        connection = Connection(port, "leave")
        assert connection.ask(query("SELECT 1")) == "TDCZ"
        connection.send(query("SELECT repeat('x', 90) FROM generate_series(1, 10000000)"))
        connection.file.read(1000000 + i)
        connection.file.close()
        connection.socket.close()
