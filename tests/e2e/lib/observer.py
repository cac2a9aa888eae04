# SPDX-License-Identifier: Apache-2.0
"""The observer under test as a process, and what it reports of a stretch of time."""

import http.client
import json
import os
import re
import signal
import subprocess
import time
from contextlib import contextmanager

from .metrics import Delta, Scrape
from .process import wait_until

SETTLE_SECONDS = 5
SETTLE_PAUSE = 0.3
BEAT = 0.1  # what happened so long ago has been looked at
TRACE_SECONDS = 1  # for which a trace waits for calls that are told of later
END_SECONDS = 30
# What the sanitizers and tests/sanitized.c say.
_UNSOUND = re.compile(r"^.*(?:ERROR: (?:\w+Sanitizer|descriptor)|runtime error: ).*$", re.M)


def binary():
    return os.environ["ONLOOKER"]


def sanitized():
    """Whether the observer was built with SANITIZE=1: its memory and time are not its own."""
    return os.environ.get("SANITIZE") == "1"


class Observer:
    """One running observer. `config` is written to a file; `listen` is added to it."""

    def __init__(self, folder, port, config, *flags, name="onlooker", program=None,
                 prefix=()):  # fmt: skip
        self.port = port
        self.config_path = folder / f"{name}.json"
        self.log_path = folder / f"{name}.log"
        self.killed = False
        self.settled = None
        self.write_config(config)
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [*prefix, program or binary(), "--config", self.config_path, *flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_ready()
        except BaseException:
            self._end(signal.SIGTERM)
            raise

    def write_config(self, config):
        self.config_path.write_text(json.dumps({"listen": f"127.0.0.1:{self.port}"} | config))

    def _wait_ready(self):
        deadline = time.monotonic() + 10
        while True:
            assert self.process.poll() is None, f"the observer ended:\n{self.log_text()}"
            try:
                if self.get("/health")[0] == 200:
                    return
            except OSError:
                pass
            assert time.monotonic() < deadline, f"the observer is not ready:\n{self.log_text()}"
            time.sleep(0.05)

    def get(self, path, accept=None):
        """Status, headers and text of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path, headers={"Accept": accept} if accept else {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()
        finally:
            connection.close()

    def scrape(self):
        status, _, text = self.get("/metrics")
        assert status == 200
        return Scrape(text)

    def log_text(self):
        return self.log_path.read_text(errors="replace")

    def tells_of_splice(self):
        """Whether its kernel tells of splice() that reads; where not, it says so as it starts."""
        return "does not tell of splice()" not in self.log_text()

    def log_lines(self):
        return [json.loads(line) for line in self.log_text().splitlines() if line]

    def settle(self, done=lambda scrape: False, seconds=SETTLE_SECONDS):
        """A scrape once nothing moves any more between two of them, or `done` holds."""
        deadline = time.monotonic() + seconds
        time.sleep(SETTLE_PAUSE)
        last = self.scrape()
        while not done(last):
            time.sleep(SETTLE_PAUSE)
            scrape = self.scrape()
            if scrape.settled(last) or time.monotonic() > deadline:
                self.settled = scrape
                return scrape
            last = scrape
        return last

    def at_rest(self):
        """A scrape where all has settled: at once if nothing was told of since it last had."""
        time.sleep(BEAT)
        scrape = self.scrape()
        if self.settled and scrape.settled(self.settled) and scrape.told() == self.settled.told():
            return scrape
        return self.settle()

    def settle_traces(self):
        """Until what is over was posted, but for calls whose request may still be told of."""
        self.settle()
        deadline = time.monotonic() + TRACE_SECONDS
        while self.scrape().total("onlooker_trace_exchanges_kept") and time.monotonic() < deadline:
            time.sleep(0.05)
        wait_until(lambda: not self.scrape().total("onlooker_spans_queued"), 60)

    @contextmanager
    def window(self, exact=True):
        """What happens within: `delta` of the value is filled in at its end."""
        window = Window(self.at_rest())
        yield window
        window.close(self.settle(), exact)

    def _end(self, number):
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def stop(self, number=signal.SIGTERM):
        """Ends it and returns the exit status, which must be 0 without any complaint unless it was
        killed here."""
        self.killed |= number == signal.SIGKILL
        status = self._end(number)
        text = self.log_text()
        killed = self.killed and status == -signal.SIGKILL
        assert status == 0 or killed, f"ended with status {status}:\n{text}"
        complaint = _UNSOUND.search(text)
        assert not complaint, f"{complaint[0]}:\n{text}"
        return status


class Window:
    def __init__(self, before):
        self.before = before
        self.delta = None

    def close(self, after, exact):
        self.after = after
        self.delta = Delta(self.before, after)
        if exact:
            self.assert_nothing_missed()

    def assert_nothing_missed(self):
        for name in ("onlooker_events_lost_total", "onlooker_stream_gaps_total"):
            grown = {tuple(labels.items()): n for labels, n in self.delta.select(name) if n}
            assert not grown, f"{name} grew: {grown}"

    def counts(self, name, *labels, **match):
        return self.delta.by(name, *labels, **match)
