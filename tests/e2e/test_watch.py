# SPDX-License-Identifier: Apache-2.0
"""The watch filter: what is included shows up, exactly, and nothing else does."""

import os
import shutil

import pytest
from lib.group import Group
from lib.observer import binary
from lib.process import Bed

OWN = ("onlooker_", "process_")


def services(scrape):
    """Every service that any series of an application names."""
    return {
        dict(labels)["service"]
        for (name, labels), _ in scrape.samples.items()
        if not name.startswith(OWN) and "service" in dict(labels)
    }


@pytest.fixture(scope="module")
def names(bed):
    """Programs under names that nobody else on this machine has, by their own."""
    folder = bed.folder / "programs"
    folder.mkdir()
    result = {}
    for name in ("redis-benchmark", "curl", binary()):
        own = os.path.basename(name)
        result[own] = f"{own}-{os.getpid()}"
        os.symlink(shutil.which(name), folder / result[own])
    return result


@pytest.fixture(scope="module")
def load(bed, redis, nginx, postgres, names):
    """One load of three services and three clients, whoever watches."""
    script = bed.folder / "select.sql"
    script.write_text("SELECT 1;\n")
    programs = bed.folder / "programs"
    benchmark, curl = programs / names["redis-benchmark"], programs / names["curl"]

    def run(where=bed):
        where.run([benchmark, "-p", redis.port, "-q", "-n", "1000", "-t", "get"])
        where.run([curl, "-sf", "-o", "/dev/null", f"http://127.0.0.1:{nginx.port}/hello"])
        where.run([postgres.programs / "pgbench", "-h", "127.0.0.1", "-p", postgres.port, "-n",
                   "-U", "e2e", "-f", script, "-t", "50", "postgres"])  # fmt: skip

    return run


def watch(include=(), exclude=()):
    return {"watch": {"include": list(include), "exclude": list(exclude)}}


def test_by_executable(start_observer, load, names):
    benchmark, curl = names["redis-benchmark"], names["curl"]
    observer = start_observer(watch([{"executable": benchmark}, {"executable": f"{curl[:-1]}?"}]))
    load()
    scrape = observer.settle()
    assert services(scrape) == {benchmark, curl}
    assert scrape.total("redis_commands_total", operation="GET") == 1000
    assert scrape.total("http_client_requests_total") == 1


def test_by_path_of_executable(bed, start_observer, load, names):
    observer = start_observer(watch([{"executable": f"{bed.folder}/programs/*"}]))
    load()
    assert services(observer.settle()) == {names["redis-benchmark"], names["curl"]}


def test_by_port(start_observer, load, redis, names):
    observer = start_observer(watch([{"port": redis.port}]))
    load()
    scrape = observer.settle()
    assert services(scrape) == {"redis-server", names["redis-benchmark"]}
    assert scrape.total("redis_commands_total", operation="GET") == 1000
    assert scrape.total("redis_server_commands_total", operation="GET") == 1000


def test_all_that_an_entry_says_must_hold(start_observer, load, redis):
    observer = start_observer(watch([{"port": redis.port, "executable": "redis-server"}]))
    load()
    assert services(observer.settle()) == {"redis-server"}


def test_by_cgroup(bed, start_observer, load, names):
    if bed.group.path is None:
        pytest.skip("no cgroup can be made here")
    group = Group("-watch")
    try:
        observer = start_observer(watch([{"cgroup": f"/{group.name}"}]))
        load()
        load(Bed(bed.folder, group))
        scrape = observer.settle()
        assert services(scrape) == {names["redis-benchmark"], names["curl"], "pgbench"}
        assert scrape.total("redis_commands_total", operation="GET") == 1000
        assert group.leftovers() == []
    finally:
        group.remove()


# GROUP PLACE HOST COMMAND...: as in a container, whose /sys/fs/cgroup begins at itself.
CONTAINER = """echo $$ >"$0/cgroup.procs" && exec unshare --cgroup --mount sh -c '
    mount --bind "$0" "$1" && umount "$0" && mount -t cgroup2 cgroup2 "$0" &&
    shift && exec "$@"' "$@"
"""


def test_by_cgroup_from_a_container(bed, start_observer, load, names):
    """Paths are the host's, whatever the observer's own cgroup namespace makes of them."""
    if bed.group.path is None or not os.path.exists(f"{bed.group.path}/cgroup.events"):
        pytest.skip("no cgroup of version 2 can be made here")
    group, own, host = Group("-watch"), Group("-own"), bed.folder / "host"
    host.mkdir()
    prefix = ["/bin/sh", "-c", CONTAINER, own.path, os.path.dirname(own.path), host]
    try:
        watched = [{"cgroup": f"/{group.name}*"}, {"cgroup": f"{host}/{bed.group.name}"}]
        observer = start_observer(watch(watched), prefix=prefix)
        load(Bed(bed.folder, group))
        expected = {names["redis-benchmark"], names["curl"], "pgbench"}
        assert expected < services(observer.settle())
        assert "redis-server" in services(observer.scrape())
        observer.stop()
        assert group.leftovers() == own.leftovers() == []
    finally:
        own.leftovers()
        own.remove()
        group.remove()


def test_exclusion_wins(bed, start_observer, load, redis, names):
    config = bed.watch()
    config["watch"]["exclude"] = [{"executable": names["curl"]}, {"port": redis.port}]
    observer = start_observer(config)
    load()
    assert services(observer.settle()) == {"nginx", "postgres", "pgbench"}


def test_everything(bed, start_observer, load, names):
    """Without a filter all of it shows up, but never the observer, which is scraped meanwhile."""
    own = names[os.path.basename(binary())]
    observer = start_observer(watch(), program=bed.folder / "programs" / own)
    for _ in range(5):
        observer.scrape()
    load()
    found = services(observer.settle())
    clients = {names["redis-benchmark"], names["curl"], "pgbench"}
    assert clients | {"redis-server", "nginx", "postgres"} <= found
    assert own not in found
