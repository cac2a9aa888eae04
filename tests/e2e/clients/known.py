# SPDX-License-Identifier: Apache-2.0
"""A small load on fresh connections, whose counts are known: TIMES of each."""

import pgwire
from broken import PING, PONG
from ends import connect, read

TIMES = 10


def load(redis, nginx, postgres):
    with connect(redis) as connection:
        for _ in range(TIMES):
            connection.sendall(PING)
            assert read(connection, len(PONG)) == PONG
    with connect(nginx) as connection:
        for _ in range(TIMES):
            connection.sendall(b"GET /hello HTTP/1.1\r\nHost: e\r\n\r\n")
            answer = b""
            while not answer.endswith(b"\r\n\r\nhello\n"):
                answer += read(connection, 1)
    with pgwire.Connection(postgres, "known") as connection:
        for _ in range(TIMES):
            assert connection.ask(pgwire.query("SELECT 1")) == "TDCZ"
