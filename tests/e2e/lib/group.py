# SPDX-License-Identifier: Apache-2.0
"""A cgroup for the processes of the tests alone, by which the observer tells them from the rest."""

import os
import signal
import subprocess
import time


def _places():
    """Where cgroups can be mounted, version 2 first."""
    with open("/proc/mounts", encoding="utf-8") as file:
        mounts = [line.split() for line in file]
    yield from (mount[1] for mount in mounts if mount[2] == "cgroup2")
    yield from (mount[1] for mount in mounts if mount[2] == "cgroup")


def _may_fill(path):
    """A place may let us make a cgroup but not fill it."""
    command = ["/bin/sh", "-c", 'echo $$ >"$0/cgroup.procs"', path]
    return subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0


class Group:
    """`path` is None where this machine lets us make none: then the tests go by ports."""

    def __init__(self, suffix=""):
        self.path = None
        self.name = f"onlooker-e2e-{os.getpid()}{suffix}"
        for place in _places():
            path = os.path.join(place, self.name)
            try:
                os.mkdir(path)
            except OSError:
                continue
            if _may_fill(path):
                self.path = path
                return
            os.rmdir(path)

    def command(self, command):
        """The command, to be run within the group."""
        if self.path is None:
            return [str(word) for word in command]
        script = 'echo $$ >"$0/cgroup.procs" && exec "$@"'
        return ["/bin/sh", "-c", script, self.path, *(str(word) for word in command)]

    def members(self):
        if self.path is None:
            return []
        with open(os.path.join(self.path, "cgroup.procs"), encoding="ascii") as file:
            return [int(line) for line in file]

    def leftovers(self, seconds=3):
        """The command lines of what is still alive after a grace period; they are ended."""
        deadline = time.monotonic() + seconds
        while self.members() and time.monotonic() < deadline:
            time.sleep(0.05)
        names = []
        for pid in self.members():
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    names.append(f"{pid} {file.read().replace(bytes(1), b' ').decode()}")
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        return names

    def remove(self):
        deadline = time.monotonic() + 5
        while self.path is not None:
            try:
                os.rmdir(self.path)
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
