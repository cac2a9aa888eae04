# SPDX-License-Identifier: Apache-2.0
"""Processes and ports of the tests."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
# Below the range that the kernel takes clients' ports from: no client can have it by chance.
_PORTS = iter(range(15000 + os.getpid() % 500 * 20, 32000))


def free_port():
    """A loopback port that nobody listens on, never given twice."""
    for port in _PORTS:
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue
    raise AssertionError("no free port")


def wait_until(condition, seconds=10, pause=0.05, what="it"):
    """Until the condition holds; returns what it returned."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, f"{what} did not come about in {seconds} s"
        time.sleep(pause)


def accepts(port, host="127.0.0.1"):
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


class Process:
    """A program in the group (unless not to be watched), with a log of its own; also a context
    manager."""

    def __init__(self, bed, name, command, env=None, cwd=None, end=signal.SIGTERM,
                 stdin=False, watched=True):  # fmt: skip
        self.end = end
        self.log_path = bed.folder / f"{name}.log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                bed.group.command(command) if watched else [str(word) for word in command],
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"} | (env or {}),
                cwd=cwd or bed.folder,
                start_new_session=True,
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def wait_for(self, condition, seconds=20):
        """Until the condition holds; a program that ended will not bring it about."""

        def check():
            assert self.process.poll() is None, f"ended: {self.log_text()}"
            return condition()

        try:
            return wait_until(check, seconds, what=self.log_path.stem)
        except BaseException:
            self.stop()
            raise

    def log_text(self):
        return self.log_path.read_text(errors="replace")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(self.end)
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


class Bed:
    """Where the tests run: a folder and a cgroup."""

    def __init__(self, folder, group):
        self.folder = folder
        self.group = group
        self.reserved = [] if group.path else [free_port() for _ in range(60)]
        self.free = iter(self.reserved)

    def port(self):
        """A free port for a server of the bed."""
        return next(self.free, None) or free_port()

    def watch(self):
        """The configuration that watches this bed, by ports where it has no cgroup."""
        if self.group.path is not None:
            entries = [{"cgroup": f"/{self.group.name}"}]
        else:
            entries = [{"port": port} for port in self.reserved]
        return {"watch": {"include": entries}}

    def run(self, command, env=None, input_text=None, timeout=120, check=True, cwd=None):
        """Runs a program in the group to its end and returns its standard output."""
        done = subprocess.run(
            self.group.command(command),
            input=input_text,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"} | (env or {}),
            cwd=cwd or self.folder,
        )
        if check:
            assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def start(self, name, command, **options):
        return Process(self, name, command, **options)

    def call(self, function, *args, timeout=120):
        """Runs clients/MODULE.FUNCTION in a process of its own (client.py); what it returns."""
        out = self.run(
            [sys.executable, HERE / "client.py", function, json.dumps(args)], timeout=timeout
        )
        return json.loads(out)

    def start_call(self, function, *args, name="client"):
        """As call(), in the background."""
        return self.start(
            name, [sys.executable, HERE / "client.py", function, json.dumps(args)]
        )
