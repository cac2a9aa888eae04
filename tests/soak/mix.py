# SPDX-License-Identifier: Apache-2.0
"""What is done in a round: bulk, and churn of connections, processes and paths beside it."""

import re
import sys
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "bench"))

import beds  # noqa: E402
from lib import servers  # noqa: E402

COMMANDS = ("set", "get", "incr", "sadd", "hset")
# Of a round's exchanges; the rest is Redis in pipelines.
WEB, QUERIES, RECONNECTS, PROCESSES = 0.05, 0.02, 0.001, 0.0002
WEB_CLIENTS = 16
SCRIPT = """\\set n random(1, 1000000)
SELECT :n;
CREATE TEMPORARY TABLE IF NOT EXISTS soak (n int);
INSERT INTO soak VALUES (:n);
DELETE FROM soak;
"""
STATEMENTS = 4  # of SCRIPT
BOOK = """SELECT upper(substring(query from '[a-zA-Z]+')), sum(calls) FROM pg_stat_statements
WHERE query NOT LIKE '%pg_stat_statements%' GROUP BY 1"""


class Postgres(beds.Postgres):
    """With one book: the statistics of statements."""

    def _make(self, connections):
        super()._make(connections)
        with open(self.data / "postgresql.conf", "a", encoding="ascii") as file:
            file.write("shared_preload_libraries = 'pg_stat_statements'\n")

    def book(self):
        """Statements since reset_book() by verb."""
        rows = (line.split("|") for line in self.sql(BOOK))
        return Counter({verb: int(calls) for verb, calls in rows})

    def reset_book(self):
        self.sql("SELECT pg_stat_statements_reset()")


class Site(beds.Site):
    @beds.cached_property
    def postgres(self):
        return self._keep(Postgres(self.bed))

    @beds.cached_property
    def redis(self):
        return self._keep(servers.Redis(self.bed, "redis", "--maxclients", "1000"))


class Mix:
    def __init__(self, site):
        self.site = site
        self.rate = 10000  # of wrk, as far as is known
        self.script = site.folder / "soak.sql"
        self.script.write_text(SCRIPT)

    def _pgbench(self, name, *flags):
        postgres = self.site.postgres
        return self.site.bed.start(
            name,
            [postgres.programs / "pgbench", "-h", "127.0.0.1", "-p", postgres.port, "-U", "e2e",
             "-n", *flags, "-f", self.script, "postgres"],
        )  # fmt: skip

    def _start(self, exchanges):
        site, postgres = self.site, self.site.postgres
        seconds = max(1, round(exchanges * WEB / self.rate))
        bulk = exchanges * (1 - WEB - QUERIES) / len(COMMANDS)
        queries, reconnects = exchanges * QUERIES / STATEMENTS, exchanges * RECONNECTS / STATEMENTS
        yield site.bed.start(
            "bulk",
            ["redis-benchmark", "-p", site.redis.port, "-q", "-c", 20, "-P", 128, "-r", 100000,
             "-n", round(bulk), "-t", ",".join(COMMANDS)],
        )  # fmt: skip
        yield site.bed.start(
            "wrk",
            ["wrk", "-t", 1, "-c", WEB_CLIENTS, "-d", seconds, "-s", HERE / "paths.lua",
             f"http://127.0.0.1:{site.nginx.port}"],
        )  # fmt: skip
        yield self._pgbench("queries", "-c", 4, "-M", "simple", "-t", max(1, round(queries / 4)))
        yield self._pgbench("reconnects", "-C", "-c", 2, "-t", max(1, round(reconnects / 2)))
        yield site.bed.start(
            "processes",
            [HERE / "processes", max(8, round(exchanges * PROCESSES)), site.nginx.port,
             site.redis.port, postgres.url(), site.folder],
        )  # fmt: skip

    def run(self, exchanges):
        """A round of about so many exchanges. Returns what wrk says that it was answered."""
        running = list(self._start(exchanges))
        while any(load.process.poll() is None for load in running):
            time.sleep(0.05)
        for load in running:
            assert load.stop() == 0, f"{load.log_path.stem}: {load.log_text()}"
        out = running[1].log_text()
        # One slow round is not to make the next one long.
        self.rate = max(5000, float(re.search(r"Requests/sec:\s*([\d.]+)", out)[1]))
        assert "Non-2xx" not in out, out
        return int(re.search(r"(\d+) requests in", out)[1])
