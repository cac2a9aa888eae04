# SPDX-License-Identifier: Apache-2.0
"""In the guest: the smallest set of capabilities that this kernel lets the observer work with, what
it says where one is missing, and how it gets on in a profile of AppArmor's. `check(report, start)`
is called with a function that starts an observer behind a prefix and returns it once it answers."""

import os
import subprocess
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

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
READING = (*LEAST, "sys_ptrace", "dac_read_search")
RELEASE = ".".join(map(str, VERSION))
# To the effect of what container runtimes confine a container by that is not privileged.
PROFILE = "confined"
RULES = f"""profile {PROFILE} flags=(attach_disconnected, mediate_deleted) {{
    file,
    network,
    capability,
    umount,
    ptrace (read, readby, trace, tracedby) peer={PROFILE},
    signal (receive) peer=unconfined,
    signal peer={PROFILE},
    deny mount,
    deny /proc/[a-z]* wl,
    deny /proc/{{bus,fs,irq,sys,tty}}/** wl,
    deny /proc/kcore r,
    deny /sys/[a-eg-z]*/** wl,
    deny /sys/firmware/** rwl,
    deny /sys/kernel/security/** rwl,
}}
"""
BARRED = f"AppArmor's profile {PROFILE} (enforce) lets not all"


def _refusal(prefix):
    """Exit status and the last line of a start behind the prefix."""
    done = subprocess.run(
        [*prefix, os.environ["ONLOOKER"], "--listen", "127.0.0.1:9751"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    return done.returncode, done.stderr.strip().split("\n")[-1]


def _load(report, observer, what):
    before = observer.settle()
    bed.run("redis-benchmark", "-p", str(bed.REDIS_PORT), "-q", "-n", str(REQUESTS), "-c", "2",
            "-t", "get,set")  # fmt: skip
    delta = Delta(before, observer.settle())
    for side, service in (("server_", "redis-server"), ("", "redis-benchmark")):
        counts = delta.by(f"redis_{side}commands_total", "operation", service=service)
        got = Counter({name: counts[name] for name in ("GET", "SET")})
        report.check(f"{what}: {service}", {"GET": REQUESTS, "SET": REQUESTS}, got)


def _barred(lines):
    return [line["message"] for line in lines if "processes be read" in line["message"]]


def _works(report, start, names, user):
    what = f"privileges {' '.join(names)}, {user or 'root'}"
    prefix = [*UNLIMITED, *only(*names, user=user)]
    observer = start(prefix, f"privileges-{'-'.join(names)}-{user}")
    try:
        _load(report, observer, what)
        report.check(f"{what}: nothing else forbids", [], _barred(observer.log_lines()))
        kept = {"sys_ptrace", "dac_read_search"} & set(names)
        if KEEPS_BPF:
            kept |= {"bpf" if "bpf" in names else "sys_admin"}
        sets = held(observer.process.pid)
        report.check(f"{what}: kept", sorted(kept), sorted(sets["CapPrm"] | sets["CapEff"]))
        report.check(f"{what}: seccomp, no new privileges", (2, 1),
                     (sets["Seccomp"], sets["NoNewPrivs"]))  # fmt: skip
    finally:
        report.check(f"{what}: exit status", 0, observer.stop())


def _profile():
    """Loads the profile; why there is none, or None."""
    try:
        enabled = Path("/sys/module/apparmor/parameters/enabled").read_text("ascii") == "Y\n"
    except OSError:
        enabled = False
    if not enabled:
        return "this kernel does not use it"
    try:
        done = subprocess.run(["apparmor_parser", "--skip-cache", "--replace"], input=RULES,
                              capture_output=True, text=True, timeout=60)  # fmt: skip
    except FileNotFoundError:
        return "apparmor_parser is not installed"
    return f"no profile can be loaded: {done.stderr.strip()}" if done.returncode else None


@contextmanager
def _elsewhere():
    """A client in another network, on the Unix socket; each word written to it is echoed."""
    client = subprocess.Popen(
        bed.grouped("unshare", "--net", "redis-cli", "-s", bed.REDIS_SOCKET),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip

    def echo(word):
        client.stdin.write(f"ECHO {word}\n")
        client.stdin.flush()
        return client.stdout.readline().strip()

    with client:
        yield echo
        client.stdin.close()


def _confined(report, start):
    """Other processes cannot be read, CAP_SYS_PTRACE or not. What that costs is said; counts and
    names are as ever, also of what was open before."""
    why = _profile()
    if why:
        print(f"SKIP {RELEASE} privileges: AppArmor: {why}", flush=True)
        return
    what = "AppArmor"
    prefix = [*UNLIMITED, *only(*READING), "aa-exec", "-p", PROFILE, "--"]
    with bed.holding(5, 3, 2, 4):
        observer = start(prefix, "privileges-apparmor")
        try:
            with _elsewhere() as echo:
                report.check(f"{what}: an echo", "first", echo("first"))
                begin = time.monotonic()
                _load(report, observer, what)
                time.sleep(max(0, begin + 5 - time.monotonic()))  # Unix sockets are looked for
                scrape = observer.settle()
                got = {name: scrape.total(f"{name}_connections") for name in ("redis", "db")}
                report.check(f"{what}: open", {"redis": 6, "db": 5}, got)
                both = {("held.py", "client"): 4, ("nginx", "server"): 4}
                report.check(f"{what}: open, http", both,
                             dict(scrape.by("http_connections", "service", "role")))  # fmt: skip
                report.check(f"{what}: an echo later", "second", echo("second"))
                delta = Delta(scrape, observer.settle())
                report.check(f"{what}: counted", {"redis-cli": 1},
                             dict(delta.by("redis_commands_total", "service")))  # fmt: skip
            said = _barred(observer.log_lines())
            report.check(f"{what}: said", f"1 with: {BARRED}", said,
                         len(said) == 1 and said[0].startswith(BARRED))  # fmt: skip
        finally:
            report.check(f"{what}: exit status", 0, observer.stop())
    for where, command in (("in a profile", prefix), ("unconfined", [*UNLIMITED, *only(*READING)])):
        told = subprocess.run([*command, os.environ["ONLOOKER"], "check"],
                              capture_output=True, text=True, timeout=120)  # fmt: skip
        lines = [line for line in told.stdout.split("\n") if BARRED in line]
        report.check(f"{what}: check, {where}", int(command is prefix), len(lines))
        report.check(f"{what}: check, {where}: exit status", 0, told.returncode)


def check(report, start):
    for names, user in (
        (LEAST, None),
        (LEAST, "nobody"),
        (READING, None),
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
    try:
        _confined(report, start)
    except (OSError, RuntimeError) as error:
        report.check("AppArmor", "an end", error, False)
