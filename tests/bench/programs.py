# SPDX-License-Identifier: Apache-2.0
"""The time that the BPF programs take, by the kernel's own statistics."""

import re
from statistics import median

from report import spread
from watchers import Empty, Statistics, Watching, program_times

SECTION = "BPF time per call"
LOADS = (
    "redis-set", "redis-set-p16", "nginx", "pgbench-simple", "fastapi-16", "fastapi-traced-16",
)  # fmt: skip


def _run(watcher, site, load, seconds):
    """(runs, nanoseconds) of each program during the load."""
    with watcher as watching:
        before = program_times(watching.process.pid)
        load.run(site, seconds)
        after = program_times(watching.process.pid)
    return {
        name: (after[name][0] - before[name][0], after[name][1] - before[name][1])
        for name in after
    }


def _per_call(times):
    """Nanoseconds for each call that moved bytes, of all programs that had to do with calls, those
    that follow tasks included."""
    moved = [value for name, value in times.items() if re.search("send|recv|splice", name)]
    beside = re.compile("_ready$|^context_|^queue_")
    others = [value for name, value in times.items() if beside.search(name)]
    runs = sum(value[0] for value in moved)
    return sum(value[1] for value in moved + others) / runs if runs else 0


def measure(report, site, loads, backend, rounds, seconds):
    found = {}
    for load in loads:
        load.calibrate(site, seconds)
        print(f"{load.name}: {load.text(seconds)}", flush=True)
        means, by_program = {"empty": [], "copy": [], "observer": []}, {}
        with Statistics():
            for _ in range(rounds):
                for kind in ("empty", "copy"):
                    times = _run(Empty(backend, kind), site, load, seconds)
                    means[kind].append(_per_call(times))
                times = _run(Watching(site, traced=load.traced), site, load, seconds)
                means["observer"].append(_per_call(times))
                for name, (runs, ns) in times.items():
                    if runs:
                        by_program.setdefault(name, []).append(ns / runs)
        _add(report, load, means, by_program)
        found[load.name] = means["observer"]
    if {"fastapi-16", "fastapi-traced-16"} <= found.keys():
        pairs = zip(found["fastapi-traced-16"], found["fastapi-16"], strict=True)
        added = [traced - plain for traced, plain in pairs]
        note = "whose call it is, and the contexts that are made meanwhile"
        report.add(spread(SECTION, "fastapi-16: the logical task", "ns", added, note=note))


def _add(report, load, means, by_program):
    empty, copy = median(means["empty"]), median(means["copy"])
    ratios = [value / copy for value in means["observer"]]
    for kind in means:
        report.add(spread(SECTION, f"{load.name}: {kind}", "ns", means[kind]))
    for name, values in sorted(by_program.items()):
        report.add(spread(SECTION, f"{load.name}: {name}", "ns", values))
    report.add(
        spread(SECTION, f"{load.name}: observer over empty and copy", "ratio", ratios, "<= 1.5",
               f"an empty program takes {empty:.0f} ns, one that copies 64 bytes {copy:.0f} ns")
    )  # fmt: skip
