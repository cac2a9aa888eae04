# SPDX-License-Identifier: Apache-2.0
"""Programs of clients/ that are led by lines: each step written to them is answered by a line."""

import json
import os
import sys
import time
from collections import Counter

from .process import HERE


class Led:
    """Runs clients/FILE under a name of its own, by which the observer calls it."""

    def __init__(self, bed, file, service, argument=None):
        link = bed.folder / service
        if not link.exists():
            os.symlink(HERE / "clients" / file, link)
        words = [] if argument is None else [json.dumps(argument)]
        self.service = service
        self.heard = 0
        self.process = bed.start(
            service, [sys.executable, link, *words], stdin=True,
            env={"PYTHONPATH": str(HERE / "clients")},
        )  # fmt: skip

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.process.stdin.close()
        self.process.stop()

    def tell(self, *step):
        self.process.process.stdin.write(json.dumps(step).encode() + b"\n")
        self.process.process.stdin.flush()

    def hear(self, seconds=60):
        """The next answer."""
        deadline = time.monotonic() + seconds
        while True:
            with open(self.process.log_path, "rb") as log:
                log.seek(self.heard)
                line = log.readline()
            if line.endswith(b"\n"):
                self.heard += len(line)
                try:
                    return json.loads(line)
                except ValueError:
                    time.sleep(0.2)
                    raise AssertionError(self.process.log_text()) from None
            assert self.process.process.poll() is None, self.process.log_text()
            assert time.monotonic() < deadline, f"{self.service} does not answer"
            time.sleep(0.002)

    def ask(self, *step):
        self.tell(*step)
        return self.hear()


class Puppet(Led):
    """clients/puppet.py under a name of its own; steps are calls, bytes as bytes."""

    def __init__(self, bed, service):
        super().__init__(bed, "puppet.py", service)
        self.hear()

    def open(self, name, where):
        self.ask("open", name, where)

    def listen(self, port):
        self.ask("listen", port)

    def accept(self, name, port):
        self.ask("accept", name, port)

    def send(self, name, data):
        self.ask("send", name, data.decode("latin-1"))

    def read(self, name, size):
        return self.ask("read", name, size).encode("latin-1")

    def until(self, name, text):
        return self.ask("until", name, text.decode("latin-1")).encode("latin-1")

    def expect(self, name, data):
        """Exactly these bytes come."""
        found = self.read(name, len(data))
        assert found == data, f"{name}: {found}, expected {data}"


class Crowds:
    """Several clients/stepped.py side by side; `crowds` are their arguments by service."""

    def __init__(self, bed, crowds):
        self.all = {service: Led(bed, "stepped.py", service, c) for service, c in crowds.items()}
        self.crowds = crowds

    def __enter__(self):
        try:
            self.ledgers = self._hear(self.all)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for led in self.all.values():
            led.process.process.stdin.close()
        for led in self.all.values():
            led.process.stop()

    @staticmethod
    def _hear(leds):
        """By service the counts of what was sent and answered."""
        ledgers = {}
        for service, led in leds.items():
            lines = [(tuple(key), sent, answered) for key, sent, answered in led.hear()]
            ledgers[service] = (
                Counter({key: sent for key, sent, _ in lines}),
                Counter({key: answered for key, _, answered in lines}),
            )
        return ledgers

    def ask(self, *step, services=None):
        """The same step of all, or of some, at once; the ledgers of all."""
        some = {service: self.all[service] for service in services or self.all}
        for led in some.values():
            led.tell(*step)
        self.ledgers = self.ledgers | self._hear(some)
        return dict(self.ledgers)
