# SPDX-License-Identifier: Apache-2.0
"""Redis connections that were in the middle of something when the observer started."""

from collections import Counter

import pytest
from lib.held import AT_MOST, EXACTLY, NOTHING, Case, judged
from lib.servers import Redis
from lib.stepped import Puppet
from resp import encode

REDIS = {
    ("GET", "ok"): (encode("GET", "late:text"), b"$4\r\ntext\r\n"),
    ("LPUSH", "error"): (encode("LPUSH", "late:text", "x"),
        b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    ("PING", "ok"): (encode("PING"), b"+PONG\r\n"),
    ("EXISTS", "ok"): (encode("EXISTS", "late:text"), b":1\r\n"),
}  # fmt: skip
KEYS = list(REDIS)
LOOKALIKES = (encode("GET", "late:text") + b"+OK\r\n" + encode("PING")) * 5


def redis_exchange(case, *keys, name=""):
    """One batch, answered."""
    case.send(b"".join(REDIS[key][0] for key in keys), name)
    for key in keys:
        case.expect(REDIS[key][1], name)


def redis_recovers(case):
    """Two exchanges later all is counted."""
    redis_exchange(case, ("PING", "ok"))
    redis_exchange(case, ("LPUSH", "error"))
    yield AT_MOST, Counter([("PING", "ok"), ("LPUSH", "error")])
    redis_exchange(case, *KEYS)
    redis_exchange(case, ("LPUSH", "error"))
    yield EXACTLY, Counter(KEYS) + Counter([("LPUSH", "error")])


def another(case, *words, answer=b":1\r\n"):
    """A command on a new connection."""
    case.open(case.server.port, "other")
    case.send(encode(*words), "other")
    case.expect(answer, "other")
    return Counter([(words[0], "ok")])


def popped(case):
    return encode(case.name, "x")


def redis_unanswered(case):
    case.send(encode("BLPOP", case.name, "0"))
    yield
    pushed = another(case, "RPUSH", case.name, "x")
    case.expect(popped(case))
    yield AT_MOST, pushed
    yield from redis_recovers(case)


def redis_unanswered_and_more_behind(case):
    case.send(encode("PING") + encode("BLPOP", case.name, "0"))
    case.expect(b"+PONG\r\n")
    yield
    keys = [("LPUSH", "error"), ("GET", "ok"), ("LPUSH", "error")]
    case.send(b"".join(REDIS[key][0] for key in keys))
    pushed = another(case, "RPUSH", case.name, "x")
    case.expect(popped(case))
    for key in keys:
        case.expect(REDIS[key][1])
    yield AT_MOST, pushed + Counter(keys)
    yield from redis_recovers(case)


def redis_half_a_request(case):
    """What is to come looks like requests and answers."""
    whole = encode("SET", case.name, LOOKALIKES)
    case.send(whole[: -len(LOOKALIKES) - 2])
    yield
    case.send(LOOKALIKES + b"\r\n")
    case.expect(b"+OK\r\n")
    yield AT_MOST, NOTHING
    yield from redis_recovers(case)


def redis_half_a_request_in_pieces(case):
    """The same in a piece for each that looks like a whole message."""
    pieces = [encode("GET", "late:text"), encode("PING"), encode("GET", "late:text")]
    whole = encode("SET", case.name, b"".join(pieces))
    case.send(whole[: -len(b"".join(pieces)) - 2])
    yield
    for piece in [*pieces, b"\r\n"]:
        case.send(piece)
        case.pause()
    case.expect(b"+OK\r\n")
    yield AT_MOST, NOTHING
    yield from redis_recovers(case)


def redis_unread(case):
    """Answers that lie in the client's socket."""
    keys = [("GET", "ok"), ("LPUSH", "error"), ("PING", "ok")]
    case.send(b"".join(REDIS[key][0] for key in keys))
    case.pause()
    yield
    case.send(REDIS["EXISTS", "ok"][0])
    for key in [*keys, ("EXISTS", "ok")]:
        case.expect(REDIS[key][1])
    yield AT_MOST, Counter([("EXISTS", "ok")])
    yield from redis_recovers(case)


def redis_half_an_answer(case):
    redis_set = encode("SET", case.name, LOOKALIKES)
    case.send(redis_set + encode("GET", case.name))
    case.expect(b"+OK\r\n$%d\r\n" % len(LOOKALIKES))
    case.pause()
    yield
    case.send(REDIS["LPUSH", "error"][0])
    case.expect(LOOKALIKES + b"\r\n")
    case.expect(REDIS["LPUSH", "error"][1])
    yield AT_MOST, Counter([("LPUSH", "error")])
    yield from redis_recovers(case)


def redis_window(case):
    """Four are always in flight, and never none."""
    window = [("LPUSH", "error"), ("PING", "ok"), ("GET", "ok"), ("EXISTS", "ok")]
    sent = []
    for key in window:
        case.send(REDIS[key][0])
    yield
    for i in range(30):
        case.expect(REDIS[window.pop(0)][1])
        window.append(KEYS[i * 7 % 11 % 4])
        case.send(REDIS[window[-1]][0])
        sent.append(window[-1])
    for key in window:
        case.expect(REDIS[key][1])
    yield AT_MOST, Counter(sent)
    yield from redis_recovers(case)


def redis_transaction(case):
    case.send(encode("MULTI") + encode("INCR", case.name))
    case.expect(b"+OK\r\n+QUEUED\r\n")
    yield
    case.send(REDIS["GET", "ok"][0])
    case.expect(b"+QUEUED\r\n")
    case.send(encode("EXEC"))
    case.expect(b"*2\r\n:1\r\n$4\r\ntext\r\n")
    yield AT_MOST, Counter([("GET", "ok"), ("EXEC", "ok")])
    yield from redis_recovers(case)


def redis_subscribed(case):
    case.send(encode("SUBSCRIBE", case.name))
    case.expect(b"*3" + encode("subscribe", case.name)[2:] + b":1\r\n")
    yield
    published = another(case, "PUBLISH", case.name, "+OK")
    case.expect(encode("message", case.name, "+OK"))
    case.send(encode("UNSUBSCRIBE"))
    case.client.until(case.name, b":0\r\n")
    yield AT_MOST, published + Counter([("UNSUBSCRIBE", "ok")])
    yield from redis_recovers(case)


def redis_monitor(case):
    """What a monitor is told are no answers."""
    case.send(encode("MONITOR"))
    case.expect(b"+OK\r\n")
    yield
    seen = another(case, "EXISTS", case.name, answer=b":0\r\n")
    case.client.until(case.name, b'"EXISTS"')
    yield AT_MOST, seen
    case.client.ask("close", case.name)


def redis_unanswered_on_purpose(case):
    case.send(encode("CLIENT", "REPLY", "OFF") + encode("INCR", case.name))
    case.pause()
    yield
    case.send(encode("INCR", case.name) * 3)
    case.send(encode("CLIENT", "REPLY", "ON"))
    case.expect(b"+OK\r\n")
    yield AT_MOST, Counter({("INCR", "ok"): 3, ("CLIENT", "ok"): 1})
    yield from redis_recovers(case)


REDIS_CASES = [
    redis_unanswered, redis_unanswered_and_more_behind, redis_half_a_request,
    redis_half_a_request_in_pieces, redis_unread, redis_half_an_answer, redis_window,
    redis_transaction, redis_subscribed, redis_unanswered_on_purpose, redis_monitor,
]  # fmt: skip


@pytest.fixture(scope="module")
def own_redis(bed):
    server = Redis(bed, "redis-held")
    control = server.book()
    control.command("SET", "late:text", "text")
    control.close()
    yield server
    server.stop()


def test_redis(bed, own_redis, start_observer):
    with Puppet(bed, "held-redis.py") as client:
        cases = {}
        for make in REDIS_CASES:
            case = Case(client, make.__name__, own_redis)
            case.open(own_redis.port)
            redis_exchange(case, *KEYS)
            cases[make.__name__] = make(case)

        def count(scrape):
            labels = ("operation", "status")
            return (scrape.by("redis_commands_total", *labels, service="held-redis.py"),
                    scrape.by("redis_server_commands_total", *labels))  # fmt: skip

        judged(cases, start_observer, count)
