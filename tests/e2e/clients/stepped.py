# SPDX-License-Identifier: Apache-2.0
"""
Many connections that are led step by step: a program of its own, by whose name the observer calls
it. Its argument is {"kind", "where", "count", "depth", "manner", "warm"}; then a line of JSON for
each step, which it answers by a line: the ledger so far, [[key, sent, answered], ...].

	["run"]     asks in the background, all connections in any state, until "hold"
	["mark"]    nothing but the ledger
	["hold"]    ends the background and waits for all answers
	["step", n] n batches on each connection, each answered to its end

A batch is `depth` units. Manners of asking:

	turns    a batch in one write, then all of its answers
	writes   a batch in many writes that are cut anywhere, answers read as they come in between
	window   `depth` units are always in flight: one more for each answer ("hold" drains it)
"""

import json
import random
import select
import sys
import threading
from collections import Counter, deque

from speakers import speaker


class Line:
    """A connection and what is in flight on it."""

    def __init__(self, speaker, ledger, depth):
        self.speaker, self.ledger, self.depth = speaker, ledger, depth
        self.waiting = deque()

    def draw(self, count):
        parts = []
        for _ in range(count):
            data, keys = self.speaker.draw()
            parts.append(data)
            self.waiting.append(keys)
            self.ledger.sent.update(keys)
        return b"".join(parts)

    def send(self, count):
        self.speaker.socket.sendall(self.draw(count))

    def answer(self):
        keys = self.waiting.popleft()
        self.speaker.answer(keys)
        self.ledger.answered.update(keys)

    def drain(self):
        while self.waiting:
            self.answer()

    def answer_some(self):
        """What has come already, at least in part."""
        while self.waiting and select.select([self.speaker.socket], [], [], 0)[0]:
            self.answer()

    def turn(self):
        self.send(self.depth)
        yield
        self.drain()

    def write(self):
        data = self.draw(self.depth)
        while data:
            cut = random.randint(1, max(1, len(data) // 3))
            self.speaker.socket.sendall(data[:cut])
            data = data[cut:]
            yield
            self.answer_some()
        self.drain()

    def slide(self):
        """`depth` units more, by one, two or three, so that the window stays full."""
        self.send(self.depth - len(self.waiting))
        left = self.depth
        while left:
            yield
            some = min(left, random.randint(1, 3), len(self.waiting))
            for _ in range(some):
                self.answer()
            self.send(some)
            left -= some


MANNERS = {"turns": Line.turn, "writes": Line.write, "window": Line.slide}


class Ledger:
    def __init__(self):
        self.sent, self.answered = Counter(), Counter()

    def lines(self):
        answered = dict(self.answered)
        return [[key, n, answered.get(key, 0)] for key, n in dict(self.sent).items()]


class Crowd:
    def __init__(self, kind, where, count, depth, manner, warm):
        self.manner, self.ledger = MANNERS[manner], Ledger()
        self.lines = [Line(speaker(kind, where, i), self.ledger, depth) for i in range(count)]
        for line in self.lines if warm is not None else []:
            line.speaker.prepare()
        self.running, self.thread = False, None
        self.step(warm or 0)

    def _batches(self, lines):
        """A batch on each, interleaved."""
        acts = [self.manner(line) for line in lines]
        while acts:
            acts = [act for act in acts if next(act, self) is None]

    def step(self, count):
        for _ in range(count):
            self._batches(self.lines)
        for line in self.lines:
            line.drain()

    def _work(self):
        try:
            while self.running:
                lines = random.sample(self.lines, max(1, len(self.lines) // 3))
                self._batches(lines)
        except BaseException as error:
            self.failure = error
            raise

    def run(self):
        self.failure, self.running = None, True
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()

    def hold(self):
        self.running = False
        self.thread.join()
        assert self.failure is None, self.failure
        self.step(0)

    def mark(self):
        pass


def main():
    crowd = Crowd(**json.loads(sys.argv[1]))
    print(json.dumps(crowd.ledger.lines()), flush=True)
    for line in sys.stdin:
        name, *args = json.loads(line)
        getattr(crowd, name)(*args)
        print(json.dumps(crowd.ledger.lines()), flush=True)


if __name__ == "__main__":
    main()
