# SPDX-License-Identifier: Apache-2.0
"""The servers' own books: what they say they served."""

import json
import re
import socket
from collections import Counter

# What a statement's CommandComplete names, where that is not its first word.
_TAGS = {"END": "COMMIT", "ABORT": "ROLLBACK", "START": "BEGIN", "VALUES": "SELECT"}
_FETCH = "execute fetch from "


class RedisBook:
    """A control connection to a Redis server, which books what it is asked itself."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.file = self.socket.makefile("rb")

    def command(self, *words):
        words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        parts = [b"*%d\r\n" % len(words)]
        parts += [b"$%d\r\n%s\r\n" % (len(word), word) for word in words]
        self.socket.sendall(b"".join(parts))
        return self._reply()

    def _reply(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2].decode()
        if kind == b"*":
            return [self._reply() for _ in range(int(rest))]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        return int(rest) if kind == b":" else rest.decode()

    def reset(self):
        assert self.command("CONFIG", "RESETSTAT") == "OK"

    def info(self, section):
        """The lines of INFO as a dictionary; the command counts itself only afterwards."""
        lines = self.command("INFO", section).split("\r\n")
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def commands(self, unknown=None):
        """Commands since the reset by (operation, status), this INFO included. Unknown commands
        and subcommands are booked among the errors only: `unknown` is what they are known to be."""
        errors = self.info("errorstats").values()
        counts = Counter({("INFO", "ok"): 1})
        for key, text in self.info("commandstats").items():
            name = key.removeprefix("cmdstat_").split("|")[0].upper()
            fields = dict(field.split("=") for field in text.split(","))
            failed = int(fields["failed_calls"])
            counts[name, "ok"] += int(fields["calls"]) - failed
            counts[name, "error"] += failed + int(fields["rejected_calls"])
        errors = sum(int(text.removeprefix("count=")) for text in errors)
        counts[unknown, "error"] += errors - sum(n for (_, s), n in counts.items() if s == "error")
        return +counts

    def close(self):
        self.file.close()
        self.socket.close()


def verb(statement):
    """What CommandComplete calls the statement."""
    word = re.match(r"\s*\(*\s*(\w+)", statement)
    word = word[1].upper() if word else ""
    if word == "WITH":
        main = re.findall(r"\)\s*(SELECT|INSERT|UPDATE|DELETE|MERGE)\b", statement, re.I)
        word = main[-1].upper() if main else word
    return _TAGS.get(word, word)


class PostgresBook:
    """The server's log of what it executed (log_statement=all, jsonlog), from a position on."""

    def __init__(self, path):
        self.path = path
        self.position = path.stat().st_size

    def entries(self, application=None):
        with open(self.path, "rb") as file:
            file.seek(self.position)
            lines = [json.loads(line) for line in file.read().splitlines()]
        return [
            line
            for line in lines
            if application is None or line.get("application_name") == application
        ]

    def executed(self, application=None):
        """Statements by verb as the server began them; a portal that is fetched on, once."""
        counts = Counter()
        for line in self.entries(application):
            message = line["message"]
            if line["error_severity"] != "LOG" or message.startswith(_FETCH):
                continue
            match = re.match(r"(?:statement|execute [^:]*): (.*)", message, re.S)
            if match:
                for statement in match[1].split(";"):
                    if statement.strip():
                        counts[verb(statement)] += 1
        return counts

    def errors(self, application=None):
        """Errors by SQLSTATE."""
        return Counter(
            line["state_code"]
            for line in self.entries(application)
            if line["error_severity"] == "ERROR"
        )


def access_log(path, position=0):
    """Requests of an nginx access log of the format of servers.Nginx, from a position on, as
    (method, path, status)."""
    with open(path, "rb") as file:
        file.seek(position)
        lines = file.read().decode().splitlines()
    return Counter(tuple(line.split("\t")[:3]) for line in lines)
