# SPDX-License-Identifier: Apache-2.0
"""What the loads are run under: nothing, an empty program, the observer."""

import json
import os
import subprocess
from pathlib import Path

import beds  # noqa: F401 (sets the path to lib)
from lib.observer import Observer, binary
from lib.process import free_port

# By backend of the observer: at its places, the empty programs of empty.bpf.c, and those that copy
# where it does.
PROGRAMS = {
    ("tracepoint", "empty"): ("empty_send", "empty_recv", "empty_ready"),
    ("tracepoint", "copy"): ("copy_send", "copy_recv", "empty_ready"),
    ("fexit", "empty"): ("empty_sendmsg", "empty_recvmsg"),
    ("fexit", "copy"): ("copy_sendmsg", "copy_recvmsg"),
}


class Nothing:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class Empty:
    """The programs of that kind, attached."""

    def __init__(self, backend, kind="empty"):
        folder = Path(binary()).parent / "bench"
        self.command = [folder / "empty", folder / "empty.bpf.o", *PROGRAMS[backend, kind]]

    def __enter__(self):
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout.readline() == "ready\n", self.command
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


class Watching:
    """The observer, on the bed's cgroup, with traces or without; `more` is added to its
    configuration."""

    def __init__(self, site, more=None, traced=False):
        self.site = site
        self.config = site.bed.watch() | (more or {})
        if traced:
            self.config["traces"] = {"endpoint": f"{site.collector.url}/v1/traces"}

    def __enter__(self):
        self.observer = Observer(self.site.folder, free_port(), self.config)
        self.process = self.observer.process
        return self

    def __exit__(self, *_):
        self.observer.stop()


def processor_seconds(pid):
    """Of all its threads; to the nanosecond where the kernel says it."""
    files = list(Path(f"/proc/{pid}/task").glob("*/schedstat"))
    if files:
        return sum(int(file.read_text().split()[0]) for file in files) / 1e9
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def backend_of(site):
    """How the observer attaches here."""
    with Watching(site) as watching:
        scrape = watching.observer.scrape()
        return next(labels["name"] for labels, _ in scrape.select("onlooker_backend"))


def program_times(pid):
    """Of the BPF programs that the process holds, by name: (runs, nanoseconds)."""
    found = {}
    folder = Path(f"/proc/{pid}/fdinfo")
    for name in os.listdir(folder):
        try:
            lines = (folder / name).read_text().splitlines()
        except OSError:
            continue
        fields = dict(line.split(":", 1) for line in lines if ":" in line)
        if "run_cnt" in fields:
            number = int(fields["prog_id"])
            found[number] = (int(fields["run_cnt"]), int(fields["run_time_ns"]))
    return {_program_name(number): value for number, value in found.items()}


_names = {}


def _program_name(number):
    if number not in _names:
        out = subprocess.run(
            ["bpftool", "prog", "show", "id", str(number), "--json"],
            check=True, capture_output=True, text=True,
            env=os.environ | {"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"},
        ).stdout  # fmt: skip
        _names[number] = json.loads(out)["name"]
    return _names[number]


class Statistics:
    """The kernel keeps time of BPF programs within."""

    PATH = Path("/proc/sys/kernel/bpf_stats_enabled")

    def __enter__(self):
        self.before = self.PATH.read_text()
        self.PATH.write_text("1")

    def __exit__(self, *_):
        self.PATH.write_text(self.before)
