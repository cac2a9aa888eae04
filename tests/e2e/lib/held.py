# SPDX-License-Identifier: Apache-2.0
"""
Connections that the observer finds in the middle of something, one of each kind, held there while
it starts: test_held_*.py. A case yields first to have the observer started, then what may have been
counted at most, then what must have been, each time with the truth of what was done since it
yielded last: of both sides, or the client's and the server's. Nothing that was begun before the
start may count, nor be taken for something else.
"""

import time
from collections import Counter

AT_MOST, EXACTLY = "at most", "exactly"
NOTHING = Counter()
SIDES = ("client", "server")


class Case:
    """What a case is given: the client, the other end where that is ours, and the server."""

    def __init__(self, client, name, server=None, peer=None):
        self.client, self.name, self.server, self.peer = client, name, server, peer

    def send(self, data, name=""):
        self.client.send(self.name + name, data)

    def expect(self, data, name=""):
        self.client.expect(self.name + name, data)

    def open(self, where, name=""):
        self.client.open(self.name + name, where)

    @staticmethod
    def pause():
        """What was sent arrives and is dealt with."""
        time.sleep(0.1)


def settled(observer, count, reached):
    """The counts once they are as they should be, or have had the time for it: what follows a rest
    is held back for a moment. What comes later still is too much for the next look."""
    deadline = time.monotonic() + 3
    time.sleep(0.45)
    while True:
        found = count(observer.scrape())
        if reached(found) or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def judged(cases, start, count):
    """Runs cases side by side up to the start of the observer, then one after the other."""
    for case in cases.values():
        next(case)
    observer = start()
    before = count(observer.settle())
    wrong = [f"before anything: {dict(counts)}" for counts in before if counts]
    for name, case in cases.items():
        for word, *truths in case:
            least = truths * 2 if word == EXACTLY else [NOTHING] * 2
            wanted = [was + truth for was, truth in zip(before, least, strict=False)]
            after = settled(observer, count, lambda found, wanted=wanted: all(
                not (some - have) for some, have in zip(wanted, found, strict=False)))  # fmt: skip
            for side, ours, was, truth in zip(SIDES, after, before, truths * 2, strict=False):
                ours = ours - was
                if ours - truth or (word == EXACTLY and ours != truth):
                    wrong.append(f"{name}: {side}: {dict(ours)}, {word} {dict(truth)}")
            before = after
    observer.stop()
    assert not wrong, "\n".join(wrong)
