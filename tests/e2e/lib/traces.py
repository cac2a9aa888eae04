# SPDX-License-Identifier: Apache-2.0
"""Spans as they were posted, put together again, and work that tells for whom it was done.

What request N asks for says N: of each list of names those whose bits are set in N + 1. A call that
is given to another request is missing in one place and too much in the other."""

import struct
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from .receiver import fields

COMMANDS = ("GET", "STRLEN", "EXISTS", "TTL", "TYPE", "PTTL", "HLEN", "SCARD")
STATEMENTS = {
    "SHOW": "SHOW server_version",
    "EXPLAIN": "EXPLAIN SELECT 'S3CRETSQL'",
    "SET": "SET application_name = 'S3CRETSET'",
    "DO": "DO $$ BEGIN PERFORM 'S3CRETDO'; END $$",
}
SERVER, CLIENT = 2, 3
ERROR = 2


def commands_of(number):
    return [name for bit, name in enumerate(COMMANDS) if (number % 255 + 1) >> bit & 1]


def statements_of(number):
    return {name: text for bit, (name, text) in enumerate(STATEMENTS.items())
            if (number // 3 % 15 + 1) >> bit & 1}  # fmt: skip


def asked_by(number):
    return Counter(commands_of(number)) + Counter(list(statements_of(number)))


def _value(data):
    for number, value in fields(data):
        if number == 1:
            return value.decode()
        if number == 4:
            return struct.unpack("<d", value)[0]
        return value
    return None


def _attributes(pairs):
    ret = {}
    for pair in pairs:
        found = dict(fields(pair))
        ret[found[1].decode()] = _value(found[2])
    return ret


@dataclass
class Span:
    trace: str
    id: str
    parent: str
    name: str
    kind: int
    begin: int
    end: int
    status: int
    flags: int
    state: str
    attributes: dict
    resource: dict
    children: list = field(default_factory=list)

    def __getitem__(self, key):
        return self.attributes.get(key)

    @property
    def service(self):
        return self.resource["service.name"]


def _span(data, resource):
    found, attributes = {}, []
    for number, value in fields(data):
        if number == 9:
            attributes.append(value)
        else:
            found[number] = value
    status = dict(fields(found.get(15, b"")))
    return Span(
        trace=found[1].hex(), id=found[2].hex(), parent=found.get(4, b"").hex(),
        name=found[5].decode(), kind=found[6], begin=struct.unpack("<Q", found[7])[0],
        end=struct.unpack("<Q", found[8])[0], status=status.get(3, 0),
        flags=struct.unpack("<I", found.get(16, bytes(4)))[0], state=found.get(3, b"").decode(),
        attributes=_attributes(attributes), resource=resource,
    )  # fmt: skip


class Traces:
    """What a Receiver has got so far."""

    def __init__(self, receiver):
        self.spans = []
        for post in receiver.got():
            for number, group in fields(post.body):
                if number == 1:
                    self._add_group(group)
        self.by_id = {span.id: span for span in self.spans}
        assert len(self.by_id) == len(self.spans), "an id was given twice"
        for span in self.spans:
            if span.parent in self.by_id:
                parent = self.by_id[span.parent]
                assert parent.trace == span.trace
                parent.children.append(span)

    def _add_group(self, group):
        resource, scopes = {}, []
        for number, value in fields(group):
            if number == 1:
                resource = _attributes(v for n, v in fields(value) if n == 1)
            elif number == 2:
                scopes.append(value)
        for scope in scopes:
            self.spans += [_span(v, resource) for n, v in fields(scope) if n == 2]

    def parent(self, span):
        return self.by_id.get(span.parent)

    def served(self, first, count, path=None):
        """By number, the spans of requests for PATH/N, N counted from `first`."""
        ret = defaultdict(list)
        for span in self.spans:
            place, _, number = (span["url.path"] or "").rpartition("/")
            if (span.kind == SERVER and number.isdecimal()
                    and first <= int(number) < first + count
                    and path in (None, place.strip("/"))):  # fmt: skip
                ret[int(number)].append(span)
        return ret

    def calls(self, span):
        """What was asked for a request: the names of its calls, how often each."""
        return Counter(
            child["db.operation.name"] for child in span.children
            if child["db.operation.name"] in COMMANDS or child["db.operation.name"] in STATEMENTS
        )  # fmt: skip

    def orphans(self, begin):
        """Calls as above without a request, begun since `begin` (wall-clock ns)."""
        return [span for span in self.spans
                if span.begin >= begin and not self.parent(span)
                and (span["db.operation.name"] in COMMANDS
                     or span["db.operation.name"] in STATEMENTS)]  # fmt: skip
