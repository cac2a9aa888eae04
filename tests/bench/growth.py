# SPDX-License-Identifier: Apache-2.0
"""How the cost of an exchange grows with connections, series and processes."""

import resource
import sys
from contextlib import nullcontext

from beds import HERE
from footprint import client
from loads import REDIS, Load, Run, redis_load
from report import spread
from throughput import watched_run

SECTION = "Growth"
ROUNDS = 3
LIMITS = {"memory_limit": 1 << 27, "limits": {"endpoint_limit": 10000, "series": 100000}}


def _measure(report, site, load, seconds, name, beside=nullcontext):
    """Rows of the observer's processor time for a load and of what the load kept, while `beside`
    goes on."""
    kept, costs = [], []
    with beside():
        load.calibrate(site, seconds)
    print(f"{name}: {load.text(seconds)}", flush=True)
    for _ in range(ROUNDS):
        with beside():
            without = load.run(site, seconds)
        run, watched = watched_run(site, load, seconds, LIMITS, beside)
        kept.append(run.rate / without.rate)
        costs.append(watched.per_million())
    note = f"{watched.series:.0f} series"
    report.add(spread(SECTION, name, "s per million exchanges", costs, note=note))
    report.add(spread(SECTION, name, "of the throughput", kept, command=load.text(seconds)))


def connections(report, site, seconds):
    """Enough is asked on each that opening it does not show."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    for number in (1, 10, 100, 1000, 10000):
        if number * 1.2 < most:
            load = redis_load(site.redis.port, f"{number} connections", "get", number, 1)
            load.least = 30 * number
            _measure(report, site, load, seconds, f"{number} connections")


def series(report, site, seconds):
    load = redis_load(site.redis.port, "growth", "get", 20, 1)
    for routes in (1, 10, 100, 700):

        def beside(routes=routes):
            return client(site, 1, routes, site.nginx.port, site.redis.port)

        _measure(report, site, load, seconds, f"series of {routes} routes", beside)


def processes(report, site, seconds):
    """So many clients, each a process of its own with a connection of its own."""
    for number in (1, 10, 100, 1000):
        command = [sys.executable, HERE / "crowd.py", number, "{seconds}", site.redis.port]
        load = Load("growth", command, lambda out, _: Run(float(out)), 0, "commands/s", REDIS)
        _measure(report, site, load, seconds, f"{number} processes")


def measure(report, site, seconds):
    connections(report, site, seconds)
    series(report, site, seconds)
    processes(report, site, seconds)
