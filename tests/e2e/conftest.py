# SPDX-License-Identifier: Apache-2.0
"""Tests of the observer on real servers: `make test-e2e`.

Every process of a test runs in one cgroup, which the module's observer watches. The truth is in
the servers' own books and the clients' own counts, never in the observer's.
"""

import os
import sys
from contextlib import ExitStack
from itertools import count

import pytest
from lib import servers, traced
from lib.exporter import QUICK, Exporter
from lib.group import Group
from lib.observer import Observer, sanitized
from lib.process import HERE, Bed, free_port
from lib.receiver import Receiver

sys.path.insert(0, str(HERE / "clients"))  # what they send, some tests know

# With the sanitizers it reads several times slower.
ROOMY = {"limits": {"ring_bytes": 1 << 28}} if sanitized() else {}


@pytest.fixture(scope="session", autouse=True)
def bed(tmp_path_factory):
    """The folder and cgroup of all processes; what outlives its test fails."""
    folder = tmp_path_factory.mktemp("bed")
    for path in (folder, folder.parent, folder.parent.parent):
        os.chmod(path, 0o755)
    group = Group()
    yield Bed(folder, group)
    leftovers = group.leftovers()
    group.remove()
    assert not leftovers, f"left running: {leftovers}"


@pytest.fixture(scope="module")
def start_observer(bed, request):
    """Starts observers, which end with the module; one that does not end well fails it."""
    numbers = count()
    with ExitStack() as running:

        def start(config=None, *flags, program=None, prefix=()):
            name = f"onlooker-{request.module.__name__}-{next(numbers)}"
            config = bed.watch() | ROOMY if config is None else config
            observer = Observer(bed.folder, free_port(), config, *flags, name=name,
                                program=program, prefix=prefix)  # fmt: skip
            running.callback(observer.stop)
            return observer

        yield start


@pytest.fixture(scope="module")
def observer(start_observer):
    """The module's observer, which watches the bed."""
    return start_observer()


@pytest.fixture
def receiver():
    """Of the traces of the test."""
    with Receiver() as ret:
        yield ret


@pytest.fixture(scope="module")
def tracer(bed, start_observer):
    """The module's observer with traces; its attribute `receiver` gets them all."""
    with Receiver() as receiver:
        observer = start_observer(traced.config(bed, receiver))
        observer.receiver = receiver
        yield observer
        observer.stop()


@pytest.fixture
def export(tmp_path):
    """Makes exporters that post to a URL or receiver."""

    def make(to, **traces):
        url = to if isinstance(to, str) else to.url
        return Exporter(tmp_path, QUICK | {"endpoint": url} | traces)

    return make


def _server(name, make):
    @pytest.fixture(scope="session", name=name)
    def fixture(bed):
        server = make(bed)
        yield server
        server.stop()

    return fixture


redis = _server("redis", servers.Redis)
postgres = _server("postgres", servers.Postgres)
nginx = _server("nginx", servers.Nginx)
fastapi = _server("fastapi", lambda bed: servers.Uvicorn(bed, "api"))
node = _server("node", lambda bed: servers.Script(bed, "node.js", "node"))
