# SPDX-License-Identifier: Apache-2.0
"""What share of its throughput a load keeps, and what the observer itself spends on it."""

from contextlib import nullcontext
from statistics import median

from lib.metrics import Delta
from report import Row, spread
from watchers import Empty, Nothing, Watching, processor_seconds

SECTION = "Throughput kept"
EXACT = "Exactness at full load"
COST = "Processor time of the observer"


class Watched:
    """What the observer said of one run of a load."""

    def __init__(self, load, run, before, after, seconds):
        delta = Delta(before, after)
        self.series = after.total("onlooker_series")
        self.seconds = seconds
        self.seen = delta.total(load.metric) / load.hops if load.metric else 0
        self.made = run.made
        self.lost = delta.total("onlooker_events_lost_total")
        self.gaps = delta.total("onlooker_stream_gaps_total")

    def per_million(self):
        """Seconds of processor time."""
        return self.seconds / self.seen * 1e6


def watched_run(site, load, seconds, more=None, beside=nullcontext):
    """A run under the observer: (Run, Watched)."""
    with Watching(site, more, load.traced) as watching, beside():
        before = watching.observer.settle()
        begun = processor_seconds(watching.process.pid)
        run = load.run(site, seconds)
        after = watching.observer.settle()
        ended = processor_seconds(watching.process.pid)
    return run, Watched(load, run, before, after, ended - begun)


class Pairs:
    """Interleaved runs without, under the empty program and under the observer."""

    def __init__(self, site, load, backend, pairs, seconds):
        self.load = load
        self.kept, self.empty, self.above = [], [], []
        self.watched, self.rates = [], []
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


def _report_cost(report, pairs):
    load = pairs.load
    per_million = [w.per_million() for w in pairs.watched if w.seen]
    if per_million:
        goal = "<= 1.5" if load.name in ("redis-set", "nginx", "pgbench-simple") else ""
        report.add(spread(COST, load.name, "s per million exchanges", per_million, goal))
    shares = [w.seen / w.made for w in pairs.watched if w.made]
    if per_million and shares:
        report.add(
            Row(EXACT, load.name, "seen of made", min(shares), min(shares),
                max(shares), ">= 1", "the least of the runs; set-up commands are seen too")
        )  # fmt: skip


def _report_lost(report, load, watched):
    lost, gaps = sum(w.lost for w in watched), sum(w.gaps for w in watched)
    if lost or gaps:
        note = f"{gaps:.0f} gaps in streams, in {len(watched)} runs"
        report.add(Row(EXACT, f"{load.name}: lost", "events", lost, goal="= 0", note=note))


def measure(report, site, loads, backend, pairs, seconds):
    watched = []
    for load in loads:
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
        watched += result.watched
        _report_lost(report, load, result.watched)
    if not watched:
        return
    note = f"in {len(watched)} runs at full load, default sizes"
    for name, values in (("lost", [w.lost for w in watched]), ("gaps", [w.gaps for w in watched])):
        report.add(Row(EXACT, f"all: {name}", "events", sum(values), goal="= 0", note=note))
