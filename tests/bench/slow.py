# SPDX-License-Identifier: Apache-2.0
"""slow.py CONNECTIONS SLOW NGINX REDIS: holds connections open, half of them to either server.

Each asks once and is idle then, but for SLOW of them, which go on asking all the time, a few bytes
at a time: a question may take seconds. Says "ready" once all have been answered once; when
its input ends it finishes what was begun, prints the numbers of answers "WEB CACHE" and ends.
"""

import resource
import select
import socket
import sys
import time
from itertools import cycle

WEB = b"GET /600 HTTP/1.1\r\nHost: bench\r\nX-Slow: yes\r\n\r\n"
CACHE = b"*2\r\n$3\r\nGET\r\n$4\r\nslow\r\n"
PIECE = 9
PIECES_A_SECOND = 2000


class Client:
    def __init__(self, port, question):
        self.question = question
        self.end = socket.create_connection(("127.0.0.1", port))
        self.sent = self.answers = 0

    def step(self, size=PIECE):
        """The next bytes of the question; with the last ones, its answer."""
        self.end.sendall(self.question[self.sent : self.sent + size])
        self.sent += size
        if self.sent < len(self.question):
            return
        data = self.end.recv(65536)
        while self.question is WEB and len(data.partition(b"\r\n\r\n")[2]) < 600:
            more = self.end.recv(65536)
            assert more, "closed"
            data += more
        assert data, "closed"
        self.sent = 0
        self.answers += 1


def main():
    connections, slow_ones, nginx, redis = (int(argument) for argument in sys.argv[1:])
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    kinds = cycle(((nginx, WEB), (redis, CACHE)))
    clients = [Client(*next(kinds)) for _ in range(connections)]
    for client in clients:
        client.step(len(client.question))
    print("ready", flush=True)
    slow = clients[:slow_ones]
    begin, steps = time.monotonic(), 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        slow[steps % len(slow)].step()
        steps += 1
        time.sleep(max(0, begin + steps / PIECES_A_SECOND - time.monotonic()))
    for client in slow:
        while client.sent:
            client.step()
    print(*(sum(c.answers for c in clients if c.question is q) for q in (WEB, CACHE)), flush=True)


if __name__ == "__main__":
    main()
