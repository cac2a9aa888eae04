# SPDX-License-Identifier: Apache-2.0
"""The loads: what is run, how its rate is read, and what share of it is to be kept."""

import json
import re
import sys
import time
from dataclasses import dataclass, field

from beds import HERE

REDIS, DATABASE, HTTP = "redis_commands_total", "db_queries_total", "http_requests_total"


@dataclass
class Run:
    """What one run of a load achieved."""

    rate: float
    made: int = 0  # exchanges, as the load counts them; 0: it does not


@dataclass
class Load:
    name: str
    command: list  # "{count}": so many that it takes the seconds asked for; "{seconds}": those
    read: object  # (output, elapsed) -> Run
    goal: float
    unit: str
    metric: str = ""  # the counter of its exchanges
    hops: int = 1  # exchanges of that counter for each one made
    watched: bool = True
    least: int = 2000  # for {count}
    traced: bool = False  # the observer puts traces together, too
    count: int = field(default=0, init=False)

    def _words(self, seconds, count):
        values = {"seconds": max(1, round(seconds)), "count": count}
        return [str(word).format(**values) for word in self.command]

    def text(self, seconds):
        """The command as it is shown."""
        return " ".join(self._words(seconds, self.count or "N"))

    def calibrate(self, site, seconds):
        """Settles {count} from two short runs, the first of which warms up."""
        if "{count}" not in self.command:
            self.run(site, 1)
            return
        self.count = self.least
        for length in (0.3, seconds):
            self.count = max(self.least, round(self.run(site, seconds).rate * length))

    def run(self, site, seconds):
        bed = site.bed if self.watched else site.outside
        words = self._words(seconds, self.count)
        begin = time.monotonic()
        out = bed.run(words, timeout=300)
        return self.read(out, time.monotonic() - begin)


def _read_redis(count):
    def read(out, _):
        fields = [word.strip('"') for word in out.splitlines()[-1].split(",")]
        return Run(float(fields[1]), count())

    return read


def _read_wrk(out, _):
    rate = float(re.search(r"Requests/sec:\s*([\d.]+)", out)[1])
    assert "Non-2xx" not in out, out
    return Run(rate, int(re.search(r"(\d+) requests in", out)[1]))


def _read_pgbench(out, _):
    rate = float(re.search(r"tps = ([\d.]+)", out)[1])
    return Run(rate, int(re.search(r"actually processed: (\d+)", out)[1]))


def _read_memcaslap(out, _):
    return Run(float(re.search(r"TPS: (\d+)", out)[1]))


def _read_number(out, _):
    return Run(float(out.split()[-1]))


def _read_iperf3(out, _):
    return Run(json.loads(out)["end"]["sum_received"]["bits_per_second"] / 8)


def redis_load(port, name, test, clients, depth, **options):
    load = Load(
        name,
        ["redis-benchmark", "-p", port, "-t", test, "-c", clients, "-P", depth, "-n", "{count}",
         "--precision", "3", "--csv"],
        None, 0.95, "commands/s", REDIS, **options,
    )  # fmt: skip
    load.read = _read_redis(lambda: load.count)
    return load


def _redis_loads(site):
    port = site.redis.port
    yield redis_load(port, "redis-set", "set", 20, 1)
    yield redis_load(port, "redis-get", "get", 20, 1)
    yield redis_load(port, "redis-set-p16", "set", 20, 16)
    yield redis_load(port, "redis-set-p128", "set", 20, 128)


def _wrk(name, port, connections, path, goal=0.95, **options):
    url = f"http://127.0.0.1:{port}{path}"
    command = ["wrk", "-t", 1, "-c", connections, "-d", "{seconds}", url]
    return Load(name, command, _read_wrk, goal, "requests/s", HTTP, **options)


def _nginx_loads(site):
    port = site.nginx.port
    yield _wrk("nginx", port, 64, "/600")
    yield _wrk("nginx-proxy", port, 64, "/proxied/600", hops=2)
    yield _wrk("nginx-sendfile-1m", port, 16, "/1M")


def _pgbench(site, name, *flags, **options):
    postgres = site.postgres
    command = [
        postgres.programs / "pgbench", "-h", "127.0.0.1", "-p", postgres.port, "-U", "e2e", "-n",
        "-c", 8, "-j", 1, "-T", "{seconds}", *flags, "postgres",
    ]  # fmt: skip
    return Load(name, command, _read_pgbench, 0.97, "transactions/s", DATABASE, **options)


def _pgbench_loads(site):
    yield _pgbench(site, "pgbench-simple", "-S", "-M", "simple")
    yield _pgbench(site, "pgbench-extended", "-S", "-M", "extended")
    yield _pgbench(site, "pgbench-prepared", "-S", "-M", "prepared")


def _bulky_loads(site):
    postgres = site.postgres
    script = site.folder / "rows.sql"
    script.write_text("SELECT n, text FROM many;\n")
    yield _pgbench(site, "select-10000-rows", "-f", script)
    megabytes = site.copy_bytes / 1e6
    yield Load(
        "copy-out",
        ["psql", "-qX", postgres.url(), "-o", "/dev/null", "-c", "COPY big TO STDOUT"],
        lambda out, elapsed: Run(megabytes / elapsed, 1), 0.97, "MB/s", DATABASE,
    )  # fmt: skip


def _service_loads(site):
    for traced, goal in ((False, 0.97), (True, 0.95)):
        for flight in (1, 16, 64):
            name = f"fastapi-{'traced-' if traced else ''}{flight}"
            path = "/api/travels/7"
            yield _wrk(name, site.service.port, flight, path, goal, traced=traced)


def _other_loads(site):
    def own(name, what, unit, *more):
        command = [sys.executable, HERE / "other.py", what, *more]
        return Load(name, command, _read_number, 0.99, unit)

    yield own("tcp-bulk", "bulk", "bytes/s", "{seconds}")
    yield own("tcp-ping", "ping", "messages/s", "{seconds}")
    yield own("build", "build", "files/s")
    address = f"127.0.0.1:{site.memcached.port}"
    command = ["memcaslap", "-s", address, "-T", 1, "-c", 16, "-t", "{seconds}s"]
    yield Load("memcached", command, _read_memcaslap, 0.99, "operations/s")
    command = ["iperf3", "-c", "127.0.0.1", "-p", site.iperf3.port, "-t", "{seconds}", "-J"]
    yield Load("iperf3", command, _read_iperf3, 0.99, "bytes/s")


def _unwatched_loads(site):
    """A server and a client that no rule includes: what the rest of the node pays."""
    load = redis_load(site.unwatched.port, "unwatched-redis-set", "set", 20, 1)
    load.watched, load.goal, load.metric = False, 0.99, ""
    yield load


# Whose servers are started only where one of the names is wanted.
FAMILIES = (
    (_redis_loads, "redis-set redis-get redis-set-p16 redis-set-p128"),
    (_nginx_loads, "nginx nginx-proxy nginx-sendfile-1m"),
    (_pgbench_loads, "pgbench-simple pgbench-extended pgbench-prepared"),
    (_bulky_loads, "select-10000-rows copy-out"),
    (
        _service_loads,
        "fastapi-1 fastapi-16 fastapi-64 fastapi-traced-1 fastapi-traced-16 fastapi-traced-64",
    ),
    (_other_loads, "tcp-bulk tcp-ping build memcached iperf3"),
    (_unwatched_loads, "unwatched-redis-set"),
)
NAMES = [name for _, names in FAMILIES for name in names.split()]
QUICK = "redis-set redis-set-p16 nginx pgbench-simple fastapi-16".split()


def every(site, names):
    for make, family in FAMILIES:
        if not set(names).isdisjoint(family.split()):
            yield from (load for load in make(site) if load.name in names)
