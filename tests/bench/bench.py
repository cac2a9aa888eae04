# SPDX-License-Identifier: Apache-2.0
"""make bench: what the observer costs, each figure a ratio of interleaved runs on the same servers.

The observer is ONLOOKER's; next to it lies bench/, where the yardstick is and the report goes.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import beds
import footprint
import growth
import latency
import loads
import programs
import scale
import throughput
from report import Report
from watchers import backend_of

SECTIONS = ("footprint", "scale", "latency", "programs", "growth")


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        epilog=f"NAMEs: {', '.join((*SECTIONS, *loads.NAMES))}",
    )
    parser.add_argument("--quick", action="store_true", help="a few loads, in three minutes")
    parser.add_argument("--growth", action="store_true", help="growth too")
    parser.add_argument("--only", default="", metavar="NAME,...", help="only these")
    parser.add_argument("--pairs", type=int, help="interleaved runs of each load (5)")
    parser.add_argument("--seconds", type=float, help="of each run (3)")
    parser.add_argument("--copy-mb", type=int, default=100, help="size of COPY out (100)")
    found = parser.parse_args()
    found.pairs = found.pairs or (3 if found.quick else 5)
    found.seconds = found.seconds or (2 if found.quick else 3)
    return found


def chosen(options):
    """What is to be measured, by name."""
    names = [name for name in options.only.split(",") if name]
    unknown = set(names) - set(SECTIONS) - set(loads.NAMES)
    if unknown:
        sys.exit(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(loads.NAMES)}")
    if not names:
        names = list(loads.QUICK if options.quick else loads.NAMES)
        names += [name for name in SECTIONS if name != "growth"]
    return names + ["growth"] * (options.growth and "growth" not in names)


def measure(report, site, options):
    names = chosen(options)
    backend = backend_of(site)
    report.settings["backend"] = backend
    if "footprint" in names:
        footprint.measure(report, site, 3 if options.quick else 5)
    if "scale" in names:
        scale.measure(report, site)
    throughput.measure(
        report, site, loads.every(site, names), backend, options.pairs, options.seconds
    )
    if "latency" in names:
        latency.measure(report, site, backend, options.pairs, options.seconds)
    if "programs" in names:
        few = programs.LOADS[:2] if options.quick else programs.LOADS
        programs.measure(report, site, loads.every(site, few), backend, 1 if options.quick else 3,
                         options.seconds)  # fmt: skip
    if "growth" in names:
        growth.measure(report, site, options.seconds)


def main():
    options = arguments()
    os.environ["ONLOOKER"] = os.path.abspath(os.environ["ONLOOKER"])
    folder = Path(os.environ["ONLOOKER"]).parent / "bench"
    begin = time.monotonic()
    report = Report({"pairs": options.pairs, "seconds a run": options.seconds})
    try:
        with beds.Site(options.copy_mb * 1_000_000) as site:
            measure(report, site, options)
    finally:
        report.settings["minutes"] = round((time.monotonic() - begin) / 60, 1)
        report.write(folder)


if __name__ == "__main__":
    main()
