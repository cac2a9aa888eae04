# SPDX-License-Identifier: Apache-2.0
"""make soak: EXCHANGES (100 million) in rounds, under one observer. After each round the counts
are held against the servers' books, and what the observer holds at rest is noted; at the end it
must not have grown."""

import os
import signal
import sys
import time
from collections import Counter

import samples
from mix import WEB_CLIENTS, Mix, Site
from watchers import Watching

ROUNDS = 40
# Few slots: one that does not come back is missed soon.
LIMITS = {"limits": {"connections": 2048}}
LOSSES = ("onlooker_events_lost_total", "onlooker_stream_gaps_total")


def losses(delta):
    """What the observer says that it missed, by reason or protocol."""
    found = [sample for name in LOSSES for sample in delta.select(name)]
    return {"".join(labels.values()): round(number) for labels, number in found if number}


class Round:
    """What the servers booked and what the observer saw of one round."""

    def __init__(self, site, observer, mix, exchanges):
        redis, postgres = site.redis.book(), site.postgres
        postgres.reset_book()
        redis.reset()
        before_web = site.nginx.book()
        with observer.window(exact=False) as window:
            answered = mix.run(exchanges)
        self.window = window
        self.lost = losses(window.delta)
        self.short = 0  # of what is booked, seen at neither or one end
        self.web = site.nginx.book()[1] - before_web[1] - 1
        self.queries = postgres.book()
        self.commands = redis.commands()
        self.commands -= Counter({("INFO", "ok"): 2, ("CONFIG", "ok"): 1})  # asked for this
        redis.close()
        self.made = self.web + self.queries.total() + self.commands.total()
        self.complaints = [*self._judge_web(answered), *self._judge_others()]

    def _compare(self, what, expected, got):
        keys = expected.keys() | got.keys()
        more = {key: (got[key], expected[key]) for key in keys if got[key] > expected[key]}
        less = {key: (got[key], expected[key]) for key in keys if got[key] < expected[key]}
        self.short += sum(expected[key] - got[key] for key in less)
        if more:
            yield f"{what}: more than booked: {more}"
        if less and not self.lost:
            yield f"{what}: less than booked and nothing reported lost: {less}"

    def _judge_web(self, answered):
        counts = self.window.counts
        served = counts("http_requests_total", "service").total()
        yield from self._compare("nginx", Counter(all=self.web), Counter(all=served))
        # wrk leaves each of its connections with one request that it does not count.
        sent = counts("http_client_requests_total", "service")["wrk"]
        if not self.lost and not answered <= sent <= answered + WEB_CLIENTS:
            yield f"wrk was answered {answered} requests, seen {sent}"

    def _judge_others(self):
        counts = self.window.counts
        for family in ("redis_commands_total", "redis_server_commands_total"):
            got = counts(family, "operation", "status")
            yield from self._compare(family, self.commands, got)
        for family in ("db_queries_total", "db_server_queries_total"):
            got = counts(family, "operation", status="ok")
            yield from self._compare(family, self.queries, got)


def soak(site, goal):
    mix, taken, complaints, made, short, lost = Mix(site), [], [], 0, 0, Counter()
    _ = site.nginx, site.redis, site.postgres  # started
    with Watching(site, LIMITS) as watching:
        observer = watching.observer
        maps = samples.maps_of(observer.process.pid)
        while made < goal:
            done = Round(site, observer, mix, goal / ROUNDS)
            made, short = made + done.made, short + done.short
            lost.update(done.lost)
            complaints += done.complaints
            taken.append(samples.take(observer, maps, made))
            note = f"; lost: {done.lost}, short by {done.short}" if done.lost else ""
            print(taken[-1].text() + note, *done.complaints, sep="\n  ", flush=True)
    print(f"{made} exchanges at either end, short by {short}; reported lost: {dict(lost) or 0}")
    return complaints + list(samples.complaints(taken))


def main():
    os.environ["ONLOOKER"] = os.path.abspath(os.environ["ONLOOKER"])
    begin = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the servers end with this
    with Site(0) as site:
        complaints = soak(site, int(float(os.environ.get("EXCHANGES", "1e8"))))
    print(*complaints, sep="\n")
    print(f"soak: {'failed' if complaints else 'passed'} in {time.monotonic() - begin:.0f} s")
    sys.exit(bool(complaints))


if __name__ == "__main__":
    main()
