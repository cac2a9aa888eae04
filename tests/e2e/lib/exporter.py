# SPDX-License-Identifier: Apache-2.0
"""The exporter on its own (tests/spans.c): spans on command, and its books."""

import json
import os
import subprocess
import time
from pathlib import Path

from .observer import binary

END_SECONDS = 15
QUICK = {"delay": 0.05}


class Exporter:
    """Also a context manager. `traces` are the configuration's keys; `env` is added."""

    def __init__(self, folder, traces=None, env=None, memory_limit=64 << 20):
        config = folder / "spans.json"
        config.write_text(json.dumps({"traces": traces or {}, "memory_limit": memory_limit}))
        self.error_path = folder / "spans.log"
        with open(self.error_path, "wb") as errors:
            self.process = subprocess.Popen(
                [Path(binary()).parent / "tests" / "spans", config],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
                | (env or {}),
            )
        self.left = None
        self.told = {"bad": False, "warned": False, "news": ""}

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            self.process.kill()
        self.close()

    def tell(self, command):
        """Gives a command and returns the books after it, with what it told last."""
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, self.error_text()
        books = json.loads(line)
        gone = books["exported"] + sum(books["dropped"].values()) + books["queued"]
        assert books["pushed"] == gone, books
        if books["told"]:
            self.told = {name: books[name] for name in ("bad", "warned", "news")}
        return books | self.told

    def books(self):
        return self.tell("books")

    def wait_for(self, condition, seconds=15):
        """The books once the condition holds of them."""
        deadline = time.monotonic() + seconds
        while True:
            books = self.books()
            if condition(books):
                return books
            assert time.monotonic() < deadline, (books, self.error_text())
            time.sleep(0.02)

    def error_text(self):
        return self.error_path.read_text(errors="replace")

    def threads(self):
        """Names of files below /proc of its threads, the first one's first."""
        return sorted(Path(f"/proc/{self.process.pid}/task").iterdir(), key=lambda p: int(p.name))

    def close(self):
        """Ends it as a signal ends the observer; returns the seconds that took. `left` is set."""
        if self.left is not None:
            return 0
        begin = time.monotonic()
        out, _ = self.process.communicate(timeout=END_SECONDS)
        self.left = json.loads(out)["left"] if out.strip() else -1
        assert self.process.returncode in (0, -9), (self.process.returncode, self.error_text())
        return time.monotonic() - begin
