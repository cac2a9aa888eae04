# SPDX-License-Identifier: Apache-2.0
"""What tools/tasks.c tells of calls, judged by the marks in them."""

import os
import signal
import subprocess
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

from .process import wait_until


@dataclass
class Request:
    mark: int
    process: int
    begin: int
    end: int = 0
    roots: set = field(default_factory=set)


@dataclass
class Query:
    mark: int
    process: int
    time: int
    remote: int
    chain: tuple


class Tasks:
    """A running tool that watches the bed. `ports`: the server's, then those of what it asks."""

    def __init__(self, folder, name, *ports, group=None, confined=False):
        self.server, self.peers = ports[0], set(ports[1:])
        self.out, self.log = folder / f"{name}.txt", folder / f"{name}.log"
        env = {"CONFINED": "1"} if confined else {}
        if group and group.path:
            env["GROUP"] = f"/{group.name}"
        with open(self.out, "wb") as out, open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [os.environ["TASKS"], *map(str, ports)], stdout=out, stderr=log,
                env=os.environ | env,
            )  # fmt: skip
        wait_until(lambda: "r" in self.lines(), 60, what="the tool")

    def lines(self):
        return self.out.read_text().splitlines()

    def followed(self):
        """How many processes are followed now, and how many wait for it."""
        last = [line.split()[1:] for line in self.lines() if line.startswith("f")]
        return tuple(map(int, last[-1])) if last else (0, 0)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(10) == 0, self.log.read_text()
        return Judgement(self.lines(), self.server, self.peers)


class Judgement:
    """Each query's requests by descent: it must be the one whose mark the query carries."""

    def __init__(self, lines, server, peers):
        self.requests, self.queries, self.lost = [], [], None
        under_way = {}
        for line in lines:
            kind, *words = line.split()
            if kind == "e":
                self.lost, self.told, self.evicted = map(int, words)
            if kind != "c":
                continue
            connection, process, direction = words[0], int(words[1]), words[2]
            local, remote, time = map(int, words[3:6])
            task, root, mark = int(words[6], 16), int(words[7], 16), int(words[8])
            if local == server and direction == "RX" and mark >= 0:
                under_way[connection] = Request(mark, process, time)
                self.requests.append(under_way[connection])
            elif local == server and direction == "TX" and connection in under_way:
                under_way[connection].end = time
                under_way[connection].roots.add(root)
            elif remote in peers and direction == "TX" and mark >= 0:
                chain = (task, *(int(word, 16) for word in words[9:]))
                self.queries.append(Query(mark, process, time, remote, chain))
        self.requests = sorted(
            (request for request in self.requests if request.end), key=lambda one: one.begin
        )
        self.begins = [request.begin for request in self.requests]
        self.longest = max((one.end - one.begin for one in self.requests), default=0)

    def parents(self, query):
        """The marks of the requests that may be the query's parent: best one."""
        found = set()
        at = bisect_left(self.begins, query.time - self.longest)
        while at < len(self.requests) and self.begins[at] <= query.time:
            request = self.requests[at]
            if (request.process == query.process and request.end >= query.time
                    and not request.roots.isdisjoint(query.chain)):  # fmt: skip
                found.add(request.mark)
            at += 1
        return found

    def counts(self, after=0):
        """How many queries have the right parent, a wrong one, none, or several; those of the
        requests from mark `after` on."""
        counts = Counter(right=0, wrong=0, none=0, several=0)
        for query in self.queries:
            if query.mark < after:
                continue
            parents = self.parents(query)
            if len(parents) > 1:
                counts["several"] += 1
            elif not parents:
                counts["none"] += 1
            else:
                counts["right" if parents == {query.mark} else "wrong"] += 1
        return dict(counts)
