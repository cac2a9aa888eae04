# SPDX-License-Identifier: Apache-2.0
"""
Connections that have spoken well and then go wrong, both ends of them ours: each case is a service
of its own, whose series are compared with its ledger, label by label.
"""

from collections import Counter

import pytest
from lib.process import wait_until
from lib.stepped import Led
from poison import CASES

LABELS = {"http": ("method", "endpoint", "status"), "redis": ("operation", "status"),
          "db": ("operation", "status")}  # fmt: skip
FAMILIES = {
    "client": {"http": "http_client_requests_total", "redis": "redis_commands_total",
               "db": "db_queries_total"},
    "server": {"http": "http_requests_total", "redis": "redis_server_commands_total",
               "db": "db_server_queries_total"},
}  # fmt: skip
CONNECTIONS = ("http_connections", "redis_connections", "db_connections",
               "db_connection_pool_size", "websocket_connections")  # fmt: skip
HEIR = "poison.py"  # the other program of handed_on()
NAMES = [case.__name__ for case in CASES]


@pytest.fixture(scope="module")
def ledgers(bed, observer):
    """By case what was done, and the scrape after all of them."""
    found = {}
    for name in NAMES:
        with Led(bed, "led.py", f"poison-{name}") as led:
            found[name] = led.ask("poison.run", name)
        assert observer.get("/health")[0] == 200, name
    return found, observer.settle()


def counted(scrape, side, service):
    counts = Counter()
    for protocol, family in FAMILIES[side].items():
        for key, n in scrape.by(family, *LABELS[protocol], service=service).items():
            counts[protocol, *key] += n
    return counts


@pytest.mark.parametrize("side", ["client", "server"])
@pytest.mark.parametrize("name", NAMES)
def test_poison(ledgers, name, side):
    found, scrape = ledgers
    truth, _ = found[name]
    must = Counter({tuple(key): n for *key, n in truth["must"]})
    counts = counted(scrape, side, f"poison-{name}")
    if name == "handed_on":
        counts += counted(scrape, side, HEIR)
    extra, missing = counts - must, must - counts
    strange = {key: n for key, n in extra.items() if list(key) not in truth["may"]}
    assert (dict(missing), strange) == ({}, {})
    assert sum(extra.values()) <= truth["most"], dict(extra)


@pytest.mark.parametrize("name", NAMES)
def test_durations(ledgers, name):
    """A histogram has what was answered, and nothing else."""
    _, scrape = ledgers
    for side, families in FAMILIES.items():
        counts = counted(scrape, side, f"poison-{name}")
        for protocol, family in families.items():
            stem = {"http": "request", "redis": "command", "db": "query"}[protocol]
            plural = {"http": "requests", "redis": "commands", "db": "queries"}[protocol]
            histogram = family.replace(f"{plural}_total", f"{stem}_duration_seconds_count")
            answered = sum(n for key, n in counts.items() if key[0] == protocol
                           and key[-1] != "aborted")  # fmt: skip
            assert scrape.total(histogram, service=f"poison-{name}") == answered, histogram


def test_open_requests_are_told(ledgers):
    """Those that are not among the aborted are said to be lost."""
    _, scrape = ledgers
    for side in FAMILIES:
        counts = counted(scrape, side, "poison-open_requests")
        short = 200_000 - sum(n for key, n in counts.items() if key[-1] == "aborted")
        lost = scrape.total("onlooker_events_lost_total", reason="open_requests")
        assert short == 0 or lost > 0, (side, short)


def test_all_is_over(ledgers, observer):
    found, scrape = ledgers
    for name, (_, made) in found.items():
        for family in ("tcp_connections_opened_total", "tcp_connections_closed_total"):
            counts = scrape.by(family, "role", service=f"poison-{name}")
            assert counts == {"client": made, "server": made}, (name, family)

    def left():
        scrape = observer.scrape()
        return [name for name in CONNECTIONS if scrape.by(name, "service")]

    wait_until(lambda: not left(), 4, what="that nothing is open")
