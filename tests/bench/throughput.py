# SPDX-License-Identifier: Apache-2.0
"""What share of its throughput a load keeps, and what the observer itself spends on it."""

from statistics import median

from lib.metrics import Delta
from report import Row, spread
from watchers import Empty, Nothing, Watching

SECTION = "Throughput kept"
COST = "Processor time of the observer"


class Watched:
    """What the observer said of one run of a load."""

    def __init__(self, load, run, delta):
        self.seconds = delta.total("process_cpu_seconds_total")
        self.seen = delta.total(load.metric) if load.metric else 0
        self.made = run.made
        self.lost = delta.total("onlooker_events_lost_total")
        self.gaps = delta.total("onlooker_stream_gaps_total")


def watched_run(site, load, seconds, more=None):
    """A run under the observer: (Run, Watched)."""
    with Watching(site, more) as watching:
        before = watching.observer.scrape()
        run = load.run(site, seconds)
        delta = Delta(before, watching.observer.settle())
    return run, Watched(load, run, delta)


class Pairs:
    """Interleaved runs without, under the empty program and under the observer."""

    def __init__(self, site, load, backend, pairs, seconds):
        self.load = load
        self.kept, self.empty, self.above = [], [], []
        self.added_us, self.watched, self.rates = [], [], []
        for number in range(pairs):
            self._round(site, backend, seconds, number % 2 == 1)

    def _round(self, site, backend, seconds, backwards):
        """In turn forwards and backwards, so that a drift of the machine cancels out."""
        runs = {}
        order = ["without", "observer", "empty"]
        for state in reversed(order) if backwards else order:
            if state == "observer":
                runs[state], watched = watched_run(site, self.load, seconds)
                self.watched.append(watched)
            else:
                with Empty(backend) if state == "empty" else Nothing():
                    runs[state] = self.load.run(site, seconds)
        without, observer, empty = (runs[state] for state in order)
        self.rates.append(without.rate)
        self.kept.append(observer.rate / without.rate)
        self.empty.append(empty.rate / without.rate)
        self.above.append(observer.rate / empty.rate)
        self.added_us.append(observer.p99_us - without.p99_us)


def _report_cost(report, pairs):
    load = pairs.load
    per_million = [w.seconds / w.seen * 1e6 for w in pairs.watched if w.seen]
    if per_million:
        goal = "<= 1.5" if load.name in ("redis-set", "nginx", "pgbench-simple") else ""
        report.add(spread(COST, load.name, "s per million exchanges", per_million, goal))
    shares = [w.seen / w.made for w in pairs.watched if w.made]
    if per_million and shares:
        report.add(
            Row("Exactness at full load", load.name, "seen of made", min(shares), min(shares),
                max(shares), ">= 1", "the least of the runs; set-up commands are seen too")
        )  # fmt: skip


def measure(report, site, loads, backend, pairs, seconds):
    lost, gaps, runs = 0, 0, 0
    for load in loads:
        if load.skip:
            report.add(Row(SECTION, load.name, "", None, note=f"skipped: {load.skip}"))
            continue
        load.calibrate(site, seconds)
        print(f"{load.name}: {load.text(seconds)}", flush=True)
        result = Pairs(site, load, backend, pairs, seconds)
        report.add(
            spread(SECTION, load.name, "of the throughput", result.kept, f">= {load.goal}",
                   f"{median(result.rates):.5g} {load.unit} without; under an empty program"
                   f" {median(result.empty):.3f}, against that {median(result.above):.3f}",
                   load.text(seconds))
        )  # fmt: skip
        _report_cost(report, result)
        if load.name == "redis-get-c1":
            report.add(spread("Latency", "p99 added to a Redis GET, one client", "us",
                              result.added_us))  # fmt: skip
        lost += sum(watched.lost for watched in result.watched)
        gaps += sum(watched.gaps for watched in result.watched)
        runs += len(result.watched)
    if runs:
        note = f"in {runs} runs at full load, default sizes"
        report.add(Row("Exactness at full load", "events lost", "", lost, goal="= 0", note=note))
        report.add(Row("Exactness at full load", "stream gaps", "", gaps, goal="= 0", note=note))
