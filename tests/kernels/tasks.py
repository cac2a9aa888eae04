# SPDX-License-Identifier: Apache-2.0
"""In the guest: whose request each query of a service is, by its logical tasks."""

import os
import subprocess
import sys
import time
from pathlib import Path

import marked
from lib.process import accepts, free_port, wait_until
from lib.tasks import Tasks

HERE = Path(__file__).resolve().parent
WAYS = ("plain", "gather", "tothread", "executor")
REQUESTS, FLIGHT = 60, 16


def load(port, first):
    for i, way in enumerate(WAYS):
        marked.load(port, way, FLIGHT, REQUESTS, first + i * REQUESTS)


def attempt(folder):
    port, echo = free_port(), free_port()
    os.environ["TASKS"] = str(HERE / "tasks-tool")
    tool = Tasks(folder, "tasks", port, echo)
    service = subprocess.Popen([sys.executable, HERE / "tasks_plain.py", str(port), str(echo)])
    try:
        wait_until(lambda: accepts(port), 60)
        load(port, 1)
        wait_until(lambda: tool.followed()[0] >= 1, 30)
        load(port, 10_000)
        time.sleep(4)
        load(port, 20_000)
        time.sleep(1)
    finally:
        service.terminate()
        service.wait()
        judgement = tool.stop()
    return judgement


def check(report, folder):
    queries = REQUESTS * (len(WAYS) + 1)
    right = {"right": queries, "wrong": 0, "none": 0, "several": 0}
    judgement = attempt(folder)
    # In emulation a process is not followed in time now and then: nothing is wrong then, only none.
    if judgement.counts(20_000) != right and not judgement.counts(20_000).get("wrong"):
        print(f"log: tasks once more, after {dict(judgement.counts(20_000))}", flush=True)
        judgement = attempt(folder)
    report.check("events lost", 0, judgement.lost)
    report.check("parents of queries", right, judgement.counts(20_000))
