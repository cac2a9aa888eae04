# SPDX-License-Identifier: Apache-2.0
"""
Connections that are older than the observer: 400 of each protocol, half of them idle. No count is
ever too high, whatever was in flight; two exchanges (or batches) later every count is exact.
"""

import time
from collections import Counter

import pytest
from lib.servers import Postgres, Redis
from lib.stepped import Crowds

FAMILIES = {
    "redis": ("redis_commands_total", "redis_server_commands_total", ("operation", "status")),
    "postgres": ("db_queries_total", "db_server_queries_total", ("operation", "status")),
    "nginx": ("http_client_requests_total", "http_requests_total",
              ("method", "endpoint", "status")),
}  # fmt: skip
SERVERS = {"redis": "redis-server", "postgres": "postgres", "nginx": "nginx"}


@pytest.fixture(scope="module")
def places(bed):
    """Where each protocol's server is reached: (port, path of the Unix socket)."""
    path = str(bed.folder / "late.sock")
    redis = Redis(bed, "redis-late", "--unixsocket", path)
    control = redis.book()
    control.command("SET", "late:text", "text")
    control.command("RPUSH", "late:list", "a", "-b", "*1")
    control.close()
    postgres = Postgres(bed, "pg-late", connections=430)
    postgres.sql("CREATE TABLE late (a int)")
    socket = postgres.socket / f".s.PGSQL.{postgres.port}"
    yield {"redis": (redis.port, path), "postgres": (postgres.port, str(socket))}
    postgres.stop()
    redis.stop()


# Crowds by name: kind of speaker, over TCP or a Unix socket, connections, units in a batch, manner.
# Busy ones first, 200 in all; then the idle ones, of which the last never said a word.
def busy_and_idle(one, other, third, fourth):
    return {
        "turns": (one, "tcp", 50, 1, "turns"),
        "turns-unix": (other, "unix", 20, 1, "turns"),
        "turns-other": (third, "tcp", 15, 1, "turns"),
        "turns-fourth": (fourth, "tcp", 15, 1, "turns"),
        "deep": (one, "tcp", 30, 16, "turns"),
        "deeper": (other, "tcp", 20, 128, "turns"),
        "deep-unix": (third, "unix", 15, 16, "turns"),
        "writes": (one, "tcp", 15, 60, "writes"),
        "window": (other, "tcp", 20, 8, "window"),
    }, {
        "idle": (one, "tcp", 90, 1, "turns"),
        "idle-unix": (other, "unix", 40, 1, "turns"),
        "idle-other": (third, "tcp", 30, 1, "turns"),
        "idle-fourth": (fourth, "tcp", 20, 1, "turns"),
        "mute": (one, "tcp", 20, 1, "turns"),
    }


KINDS = {
    "redis": ["redis"] * 4,
    "postgres": ["simple", "extended", "prepared", "transaction"],
    "nginx": ["http"] * 4,
}


def plan(protocol, where):
    """Arguments of clients/stepped.py by service, of the busy and of the idle."""
    return [
        {
            f"{protocol}-{name}.py": {
                "kind": kind,
                "where": where[0] if place == "tcp" else where[1],
                "count": count,
                "depth": depth,
                "manner": manner,
                "warm": None if name == "mute" else 2,
            }
            for name, (kind, place, count, depth, manner) in crowds.items()
        }
        for crowds in busy_and_idle(*KINDS[protocol])
    ]


class Truth:
    """What the ledgers allow at most, and what was counted, since a moment."""

    def __init__(self, protocol, crowds):
        self.client, self.server, self.labels = FAMILIES[protocol]
        self.service, self.crowds = SERVERS[protocol], crowds
        self.begin = {service: answered for service, (_, answered) in crowds.ledgers.items()}
        self.base = None

    def most(self, sent=0):
        """By service; `sent`: 0 for the requests sent since, 1 for those answered."""
        return {
            service: ledger[sent] - self.begin[service]
            for service, ledger in self.crowds.ledgers.items()
        }

    def seen(self, scrape):
        """By service, the server's under None."""
        found = {
            service: scrape.by(self.client, *self.labels, service=service)
            for service in self.crowds.ledgers
        }
        found[None] = scrape.by(self.server, *self.labels, service=self.service)
        if self.base:
            found = {service: counts - self.base[service] for service, counts in found.items()}
        return found

    def wrong(self, scrape, what, exact=False, sent=1):
        """What is above the truth, or, if it should be exact, not as it is; but for clients that
        never let what is under way run dry (README): what they ask may stay unseen for longer."""
        most = self.most(sent)
        most[None] = sum(most.values(), Counter())
        for service, counts in self.seen(scrape).items():
            for key in sorted(counts.keys() | most[service].keys()):
                ours, theirs = counts[key], most[service][key]
                if ours > theirs or (exact and ours < theirs and "window" not in str(service)):
                    word = "too high" if ours > theirs else "short"
                    yield f"{what}: {word}: {service or self.service} {key}: {ours} of {theirs}"


def connections(scrape, protocol):
    """The gauges: by role for HTTP, of clients else. Of ours only: nginx keeps connections of its
    own open, to itself, both of whose ends are seen."""
    name = {"redis": "redis_connections", "postgres": "db_connections", "nginx": "http_connections"}
    role = {"role": "client"} if protocol == "nginx" else {}
    clients = scrape.by(name[protocol], "service", **role)
    ours = sum(n for service, n in clients.items() if service.startswith(f"{protocol}-"))
    found = Counter(client=ours)
    if protocol == "nginx":
        others = clients.total() - ours
        found["server"] = scrape.total(name[protocol], role="server") - others
    return found


def wrong_connections(observer, protocol, count, what):
    """Unless so many are open within the observer's rhythm."""
    roles = ("client", "server") if protocol == "nginx" else ("client",)
    deadline = time.monotonic() + 4
    while True:
        found = connections(observer.scrape(), protocol)
        if all(found[role] == count for role in roles):
            return
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    yield f"{what}: connections: {dict(found)} of {count}"


@pytest.mark.parametrize("protocol", ["redis", "postgres", "nginx"])
def test_connections_older_than_the_observer(bed, places, nginx, start_observer, protocol):
    if bed.group.path is None:
        pytest.skip("no cgroup can be made: a Unix socket has no port to be watched by")
    where = (places | {"nginx": (nginx.port, str(nginx.socket))})[protocol]
    busy, idle = plan(protocol, where)
    wrong = []
    with Crowds(bed, busy | idle) as crowds:
        crowds.ask("run", services=busy)
        crowds.ask("mark")
        truth = Truth(protocol, crowds)
        observer = start_observer()
        for _ in range(3):
            scrape = observer.scrape()
            crowds.ask("mark")
            wrong += truth.wrong(scrape, "caught", sent=0)
            time.sleep(0.1)
        wrong += wrong_connections(observer, protocol, 400, "caught")
        crowds.ask("hold", services=busy)
        wrong += truth.wrong(observer.settle(), "held")

        def step(count, services, what, exact):
            part = Truth(protocol, crowds)
            part.base = part.seen(observer.scrape())
            crowds.ask("step", count, services=services)
            wrong.extend(part.wrong(observer.settle(), what, exact))

        talking = [service for service in idle if "mute" not in service]
        step(2, busy, "busy ones, two batches", False)
        step(3, busy, "busy ones after two batches", True)
        step(2, talking, "idle ones, two exchanges", False)
        step(3, [*busy, *talking], "all after two exchanges", True)
        wrong += truth.wrong(observer.scrape(), "in all")
        wrong += wrong_connections(observer, protocol, 400, "open")
    wrong += wrong_connections(observer, protocol, 0, "closed")
    observer.stop()
    assert not wrong, "\n".join(wrong)
