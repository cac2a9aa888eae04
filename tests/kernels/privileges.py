# SPDX-License-Identifier: Apache-2.0
"""In the guest: the smallest set of capabilities that this kernel lets the observer work with, and
what it says where one is missing. `check(report, start)` is called with a function that starts an
observer behind a prefix and returns it once it answers."""

import os
import subprocess
from collections import Counter

import bed
from lib.metrics import Delta
from lib.privileges import held, only

VERSION = tuple(map(int, os.uname().release.split(".")[:2]))
LEAST = ("bpf", "perfmon")
# Before 5.11 maps are charged to RLIMIT_MEMLOCK; before 5.19 a map that is open asks for CAP_BPF.
MEMLOCK, KEEPS_BPF = VERSION < (5, 11), VERSION < (5, 19)
UNLIMITED = ["prlimit", "--memlock=unlimited"]
LITTLE = ["prlimit", "--memlock=65536:65536"]
MISSING = "CAP_{} is missing: needed to"
REQUESTS = 300


def _refusal(prefix):
    """Exit status and the last line of a start behind the prefix."""
    done = subprocess.run(
        [*prefix, os.environ["ONLOOKER"], "--listen", "127.0.0.1:9751"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    return done.returncode, done.stderr.strip().split("\n")[-1]


def _works(report, start, names, user):
    what = f"privileges {' '.join(names)}, {user or 'root'}"
    prefix = [*UNLIMITED, *only(*names, user=user)]
    observer = start(prefix, f"privileges-{'-'.join(names)}-{user}")
    try:
        before = observer.settle()
        bed.run("redis-benchmark", "-p", str(bed.REDIS_PORT), "-q", "-n", str(REQUESTS), "-c", "2",
                "-t", "get,set")  # fmt: skip
        delta = Delta(before, observer.settle())
        counts = delta.by("redis_server_commands_total", "operation")
        got = Counter({name: counts[name] for name in ("GET", "SET")})
        report.check(what, {"GET": REQUESTS, "SET": REQUESTS}, got)
        kept = {"sys_ptrace", "dac_read_search"} & set(names)
        if KEEPS_BPF:
            kept |= {"bpf" if "bpf" in names else "sys_admin"}
        sets = held(observer.process.pid)
        report.check(f"{what}: kept", sorted(kept), sorted(sets["CapPrm"] | sets["CapEff"]))
        report.check(f"{what}: seccomp, no new privileges", (2, 1),
                     (sets["Seccomp"], sets["NoNewPrivs"]))  # fmt: skip
    finally:
        report.check(f"{what}: exit status", 0, observer.stop())


def check(report, start):
    for names, user in (
        (LEAST, None),
        (LEAST, "nobody"),
        ((*LEAST, "sys_ptrace", "dac_read_search"), None),
        (("sys_admin",), None),
    ):
        try:
            _works(report, start, names, user)
        except RuntimeError as error:
            report.check(f"privileges {names}, {user}", "a start", error, False)
    for missing in LEAST:
        names = [name for name in LEAST if name != missing]
        status, line = _refusal([*UNLIMITED, *only(*names)])
        wanted = MISSING.format(missing.upper())
        report.check(f"without CAP_{missing.upper()}", (2, f"... {wanted} ..."), (status, line),
                     status == 2 and wanted in line)  # fmt: skip
    if MEMLOCK:
        status, line = _refusal([*LITTLE, *only(*LEAST)])
        wanted = "RLIMIT_MEMLOCK is too low for the maps"
        report.check("without memory to lock", (2, f"... {wanted} ..."), (status, line),
                     status == 2 and wanted in line)  # fmt: skip
        observer = start([*LITTLE, *only(*LEAST, "sys_resource")], "privileges-resource")
        report.check("with CAP_SYS_RESOURCE", 0, observer.stop())
