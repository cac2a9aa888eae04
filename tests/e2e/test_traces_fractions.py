# SPDX-License-Identifier: Apache-2.0
"""How many calls of programs whose logical tasks are not known have the right parent, none, or a
wrong one: the README's table, which `make test-e2e E2E_ARGS="-s -k fractions"` prints."""

import shutil
import subprocess
import time
from pathlib import Path

import pytest
from lib.fetched import fetched
from lib.process import HERE, accepts
from lib.traced import FIRST, traces_of
from lib.traces import asked_by

APPS = HERE / "apps"
REQUESTS = 300
FLIGHTS = (1, 16)


def newest_java():
    """The JDK with the highest version: virtual threads came with 21."""
    found = [Path(path) for path in [shutil.which("javac")] if path]
    found += Path("/usr/lib/jvm").glob("*/bin/javac")

    def version(path):
        text = subprocess.run([path, "-version"], capture_output=True, text=True).stdout
        return int(text.split()[1].split(".")[0])

    return max(((version(path), path.parent) for path in found), default=(0, None))


def java(kind, bed):
    version, folder = newest_java()
    if not version or (kind == "virtual" and version < 21):
        pytest.skip(f"no Java with threads of the kind {kind}")
    path = f"{fetched('libraries', 'java')}/*:{bed.folder}"
    subprocess.run(
        [folder / "javac", "-cp", path, "-d", bed.folder, APPS / "traces_java" / "Main.java"],
        check=True,
    )
    return [folder / "java", "-Xmx256m", "-cp", path, "Main"]


def node():
    if not shutil.which("node"):
        pytest.skip("no Node")
    program = fetched("libraries", "node") / "main.js"  # beside its modules
    shutil.copy(APPS / "traces_node" / "main.js", program)
    return ["node", program]


def command(program, bed, port, postgres, redis):
    address = f"127.0.0.1:{postgres.port}/postgres"
    if program == "node":
        return [*node(), port, redis.port, f"postgresql://e2e@{address}"]
    url = f"jdbc:postgresql://{address}?user=e2e&sslmode=disable"
    kind = program.partition("-")[2]
    return [*java(kind, bed), port, redis.port, url, kind]


def count(traces, path):
    """Of all calls that were asked for, from the first request on: how many are below their
    request, below none, below another one."""
    found = {"right": 0, "none": 0, "wrong": 0}
    served = traces.served(FIRST, REQUESTS, path)
    for number in range(FIRST, FIRST + REQUESTS):
        asked = asked_by(number)
        [span] = served[number]
        calls = traces.calls(span)
        found["right"] += (calls & asked).total()
        found["wrong"] += (calls - asked).total()
        found["none"] += (asked - calls).total()
    found["none"] -= found["wrong"]
    return found


@pytest.mark.parametrize("program", ["node", "java-pool", "java-virtual"])
def test_fractions(bed, postgres, redis, tracer, program):
    port = bed.port()
    words = command(program, bed, port, postgres, redis)
    tracer.receiver.forget()
    with bed.start(f"fractions-{program}", words) as process:
        process.wait_for(lambda: accepts(port), 30)
        for flight in FLIGHTS:
            bed.call("marked.load", port, f"x{flight}", flight, REQUESTS, FIRST)
            time.sleep(1)  # they are settled before others are under way at once
    traces = traces_of(tracer, tracer.receiver, tracer.scrape())
    for flight in FLIGHTS:
        found = count(traces, f"x{flight}")
        total = sum(found.values())
        shown = " ".join(f"{name} {100 * n / total:.1f} %" for name, n in found.items())
        print(f"\n{program}, {flight} in flight, {total} calls: {shown}")
        assert found["wrong"] == 0, found
