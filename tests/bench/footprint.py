# SPDX-License-Identifier: Apache-2.0
"""What the observer takes without any load: memory, disk, and time to start."""

import http.client
import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager

from beds import HERE
from lib.observer import binary
from lib.process import free_port
from report import Row, spread
from watchers import Watching

SECTION = "Footprint"
MEBIBYTE = 1 << 20
START_LIMIT = 10  # seconds


@contextmanager
def client(site, *arguments, ready=True):
    """hold.py in the bed, once it says that it is ready."""
    command = site.bed.group.command([sys.executable, HERE / "hold.py", *arguments])
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert not ready or process.stdout.readline() == "ready\n", "the client failed"
        yield process
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()


def memory(report, site, connections, goal=""):
    """Resident, with so many connections tracked and about 2000 series."""
    # Both ends of each connection are on this machine, and watched.
    arguments = (connections // 2, 95, site.nginx.port, site.redis.port)
    with Watching(site) as watching:
        idle = watching.observer.settle()
        with client(site, *arguments):
            full = watching.observer.settle()
    name = "process_resident_memory_bytes"
    note = (
        f"{full.total('onlooker_connections_tracked'):.0f} tracked,"
        f" {full.total('onlooker_series'):.0f} series;"
        f" just started {idle.total(name) / MEBIBYTE:.1f} MiB"
    )
    report.add(
        Row(SECTION, f"resident memory at {connections} connections", "MiB",
            full.total(name) / MEBIBYTE, goal=goal, note=note)
    )  # fmt: skip


def size(report, site):
    stripped = site.folder / "onlooker.stripped"
    subprocess.run(["strip", "-o", stripped, binary()], check=True)
    figure = stripped.stat().st_size / MEBIBYTE
    report.add(Row(SECTION, "stripped program", "MiB", figure, goal="<= 3"))
    stripped.unlink()


def _until(port, wanted, process, begin):
    """Seconds from `begin` until /metrics says what is wanted."""
    while time.monotonic() - begin < START_LIMIT:
        assert process.poll() is None, "the observer ended"
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
            connection.close()
            if wanted in text:
                return time.monotonic() - begin
        except OSError:
            pass
        time.sleep(0.002)
    raise AssertionError(f"no {wanted} within {START_LIMIT} s")


def _start(site):
    """Seconds until /metrics answers, and until it shows an exchange."""
    port = free_port()
    config = site.folder / "start.json"
    config.write_text(json.dumps(site.bed.watch() | {"listen": f"127.0.0.1:{port}"}))
    with open(os.devnull, "wb") as null:
        begin = time.monotonic()
        process = subprocess.Popen([binary(), "--config", config], stdout=null, stderr=null)
    try:
        answers = _until(port, "onlooker_build_info", process, begin)
        return answers, _until(port, "\nredis_commands_total{", process, begin)
    finally:
        process.terminate()
        process.wait(10)


def start(report, site, times):
    with client(site, "ping", site.redis.port, ready=False):
        pairs = [_start(site) for _ in range(times)]
    names = ("from start until /metrics answers", "from start until an exchange is shown")
    for name, values in zip(names, zip(*pairs, strict=True), strict=True):
        report.add(spread(SECTION, name, "s", values, "<= 1"))


def measure(report, site, times):
    size(report, site)
    start(report, site, times)
    memory(report, site, 10)
    memory(report, site, 1000, "<= 12")
