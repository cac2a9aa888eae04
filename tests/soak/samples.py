# SPDX-License-Identifier: Apache-2.0
"""What the observer holds at rest, and whether that grows."""

import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

WARM_UP = 0.4  # of the rounds
MOST_GROWTH = 1.0  # MiB of resident memory over all the rest, by the line that fits best
MOST_SLOTS = 64  # the same way
MAPS = ("by_address", "processes", "several")  # hashes; what can be counted


def _bpftool(*words):
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    return subprocess.run(["bpftool", "--json", *words], check=True, capture_output=True,
                          text=True, env=os.environ | {"PATH": path}).stdout  # fmt: skip


def maps_of(pid):
    """The hashes that the process holds: {name: id}."""
    found = {}
    for file in Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            lines = file.read_text().splitlines()
        except FileNotFoundError:
            continue
        fields = dict(line.split(":", 1) for line in lines if ":" in line)
        if "map_id" in fields:
            number = fields["map_id"].strip()
            found[json.loads(_bpftool("map", "show", "id", number)).get("name")] = number
    return {name: number for name, number in found.items() if name in MAPS}


@dataclass
class Sample:
    exchanges: int  # so far
    resident: float  # MiB
    descriptors: int
    threads: int
    left: int  # connections, all of which are closed
    tracked: int  # those of others on this machine included
    series: int
    entries: dict  # of each map

    def text(self):
        entries = " ".join(f"{name} {count}" for name, count in self.entries.items())
        return (
            f"{self.exchanges / 1e6:9.2f} million: {self.resident:6.2f} MiB, {self.descriptors}"
            f" descriptors, {self.threads} threads, {self.tracked} slots,"
            f" {self.series} series, {entries}"
        )


def left(scrape):
    """Connections that the observer takes for open."""
    opened = scrape.total("tcp_connections_opened_total")
    gauges = ("http_connections", "redis_connections", "db_connections")
    return int(
        opened
        - scrape.total("tcp_connections_closed_total")
        + sum(scrape.total(name) for name in gauges)
    )


def at_rest(observer, seconds=10):
    """A scrape once no connection is left, or after so long."""
    deadline = time.monotonic() + seconds
    while True:
        scrape = observer.scrape()
        if not left(scrape) or time.monotonic() > deadline:
            return scrape
        time.sleep(0.1)


def take(observer, maps, exchanges):
    scrape = at_rest(observer)
    folder = Path(f"/proc/{observer.process.pid}")
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    return Sample(
        exchanges,
        int(status["VmRSS"].split()[0]) / 1024,
        len(list((folder / "fd").iterdir())),
        int(status["Threads"]),
        left(scrape),
        int(scrape.total("onlooker_connections_tracked")),
        int(scrape.total("onlooker_series")),
        {name: len(json.loads(_bpftool("map", "dump", "id", number)))
         for name, number in sorted(maps.items())},
    )  # fmt: skip


def rise(values):
    """How much the line that fits the values best (least squares) rises from the first to the
    last."""
    middle = (len(values) - 1) / 2
    square = sum((i - middle) ** 2 for i in range(len(values)))
    return sum((i - middle) * v for i, v in enumerate(values)) / square * (len(values) - 1)


def complaints(samples):
    """What grew after the warm-up, in words."""
    rest = samples[round(len(samples) * WARM_UP):]  # fmt: skip
    if len(rest) < 3:
        yield f"{len(samples)} samples are too few"
        return
    grown = rise([sample.resident for sample in rest])
    if grown > MOST_GROWTH:
        yield f"resident memory grew by {grown:.2f} MiB"
    for name in ("descriptors", "threads"):
        values = {getattr(sample, name) for sample in rest}
        if len(values) > 1:
            yield f"{name} changed: {sorted(values)}"
    if rise([sample.tracked for sample in rest]) > MOST_SLOTS:
        yield f"slots are not given back: {[sample.tracked for sample in samples]}"
    if any(sample.left for sample in samples):
        yield f"connections left when all were closed: {[sample.left for sample in samples]}"
