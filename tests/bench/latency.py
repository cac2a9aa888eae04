# SPDX-License-Identifier: Apache-2.0
"""What is added to the time of an exchange where nothing is short of processors."""

import os
from pathlib import Path
from statistics import median

from report import spread
from watchers import Empty, Nothing, Watching

SECTION = "Latency at half load"


def _pace(site, rate, seconds):
    """Of so many Redis GETs a second (0: of all that can be): (rate, median, p99), microseconds."""
    pace = Path(os.environ["ONLOOKER"]).parent / "bench" / "pace"
    words = site.bed.run([str(word) for word in (pace, rate, seconds, site.redis.port)], timeout=60)
    count, middle, high = (int(word) for word in words.split())
    return count / seconds, middle / 1000, high / 1000


def measure(report, site, backend, pairs, seconds):
    seconds = max(1, round(seconds))
    _pace(site, 0, 1)
    rate = round(_pace(site, 0, seconds)[0] / 2)
    name = "a Redis GET, one client"
    command = f"pace {rate} {seconds} {site.redis.port}"
    print(f"{name}: {command}", flush=True)
    found = {"without": [], "observer": [], "empty": []}
    watchers = {
        "without": Nothing,
        "observer": lambda: Watching(site),
        "empty": lambda: Empty(backend),
    }
    for number in range(pairs):
        order = list(found) if number % 2 == 0 else reversed(list(found))
        for state in order:
            with watchers[state]():
                found[state].append(_pace(site, rate, seconds))
    for place, what in ((1, "median"), (2, "p99")):
        without = [run[place] for run in found["without"]]
        added = {
            state: [run[place] - base for run, base in zip(found[state], without, strict=True)]
            for state in ("observer", "empty")
        }
        empty = median(added["empty"])
        note = f"{median(without):.1f} us without; an empty program adds {empty:.2f}"
        goal = "<= 2" if what == "p99" else ""
        report.add(spread(SECTION, f"{what} added to {name}", "us", added["observer"], goal, note,
                          command))  # fmt: skip
