# SPDX-License-Identifier: Apache-2.0
"""The observer's own life: what it leaves behind, what it holds, and what may happen to it while
it observes. None of it may cost a count."""

import fcntl
import json
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections import Counter
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from lib.books import access_log
from lib.observer import Observer, binary, sanitized
from lib.process import HERE, free_port, wait_until

KINDS = ("prog", "map", "link")
HOUR = 3600
OWN = ("onlooker_", "process_")


# ---- what the kernel holds ----


def held(pid):
    """The BPF objects that a process has descriptors of, as (kind, id)."""
    found = set()
    try:
        for path in Path(f"/proc/{pid}/fdinfo").iterdir():
            for kind in KINDS:
                for number in re.findall(rf"^{kind}_id:\s+(\d+)$", path.read_text(), re.M):
                    found.add((kind, int(number)))
    except OSError:  # it ends, or closes what was listed
        pass
    return found


def existing():
    """All BPF objects of the kernel: what `bpftool KIND show` says, by (kind, id)."""
    program = shutil.which("bpftool", path="/usr/sbin:" + os.environ["PATH"])
    found = {}
    for kind in KINDS:
        done = subprocess.run([program, "-j", kind, "show"], capture_output=True, check=True)
        found |= {(kind, entry["id"]): entry for entry in json.loads(done.stdout)}
    return found


def owned(pid):
    """What a process has descriptors of, with the maps of its programs and the links to them."""
    found, everything = held(pid), existing()
    programs = {number for kind, number in found if kind == "prog"}
    for (kind, number), entry in everything.items():
        if kind == "prog" and number in programs:
            found |= {("map", other) for other in entry.get("map_ids", [])}
        if kind == "link" and entry.get("prog_id") in programs:
            found.add((kind, number))
    return found


def orphans(before, names):
    """Programs of our names that are new and in nobody's hands: others may observe, too."""
    now = existing()
    new = {key for key, entry in now.items()
           if key[0] == "prog" and key not in before and entry.get("name") in names}  # fmt: skip
    if not new:
        return new
    hands = [held(name) for name in os.listdir("/proc") if name.isdigit()]
    return new.difference(*hands)


def assert_nothing_left(before, ours, names=()):
    """The kernel frees it all in its own time, a moment after the last descriptor is closed."""
    wait_until(lambda: not ours & existing().keys(), 5, what="the end of what it made")
    wait_until(lambda: not orphans(before, names), 5, what="the end of what nobody holds")


@contextmanager
def loaded(bed, redis):
    """A load that goes on all the while, whatever becomes of the observer."""
    command = ["redis-benchmark", "-p", redis.port, "-q", "-l", "-c", "4", "-t", "get"]
    with bed.start("life-load", command) as load:
        wait_until(lambda: "rps" in load.log_text(), what="the load")
        yield
        assert load.process.poll() is None, load.log_text()
        assert "rror" not in load.log_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_leaves_nothing(bed, redis, start_observer, number):
    before = existing()
    with loaded(bed, redis):
        observer = start_observer()
        wait_until(lambda: observer.scrape().total("redis_commands_total") > 1000, what="counts")
        ours = owned(observer.process.pid)
        assert {kind for kind, _ in ours} == set(KINDS)
        everything = existing()
        assert ours <= everything.keys() and not ours & before.keys()
        names = {everything[key].get("name") for key in ours if key[0] == "prog"}
        observer.stop(number)
        assert_nothing_left(before, ours, names)


def first_of(pid, kind):
    """All that it holds once something of that kind is among it."""
    found = held(pid)
    return found if any(one == kind for one, _ in found) else None


@pytest.mark.parametrize("kind", KINDS)
def test_killed_while_starting(bed, redis, kind):
    """As soon as it has made its first object of a kind."""
    config = bed.folder / "life-killed.json"
    config.write_text(json.dumps(bed.watch() | {"listen": f"127.0.0.1:{free_port()}"}))
    before = existing()
    with loaded(bed, redis):
        process = subprocess.Popen(
            [binary(), "--config", config], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            ours = wait_until(lambda: first_of(process.pid, kind), pause=0, what=f"a {kind}")
        finally:
            process.kill()
            process.wait()
        assert_nothing_left(before, ours)


# ---- what it holds itself ----


def descriptors(observer):
    """Of every sort how many."""
    folder = f"/proc/{observer.process.pid}/fd"
    found = Counter()
    for name in os.listdir(folder):
        try:
            found[re.sub(r"\d+", "N", os.readlink(f"{folder}/{name}"))] += 1
        except OSError:  # closed since
            pass
    return found


def resident(observer):
    status = Path(f"/proc/{observer.process.pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+)", status, re.M)[1]) << 10


def reread(observer, text):
    """SIGHUP with this as the configuration; the line about it, once it is there."""
    observer.config_path.write_text(text)
    before = len(observer.log_lines())
    observer.process.send_signal(signal.SIGHUP)

    def answer():
        lines = observer.log_lines()[before:]
        return [line for line in lines if "reread" in line["message"]]

    return wait_until(answer, pause=0.01, what="the line about the configuration")[0]


def good(observer, config):
    return json.dumps({"listen": f"127.0.0.1:{observer.port}"} | config)


@pytest.fixture(scope="module")
def burst(bed, redis, nginx):
    """So many processes a second for so many seconds, each for one exchange; how many there were
    and how long it took."""
    program = bed.folder / "burst"
    subprocess.run(
        ["gcc", "-O1", "-D_GNU_SOURCE", "-Wall", "-static", "-o", program, HERE / "apps/burst.c"],
        check=True,
    )  # fmt: skip
    words = []
    for name, port in (("burst-web", nginx.port), ("burst-cache", redis.port)):
        os.symlink(program, bed.folder / name)
        words += [bed.folder / name, port]

    def run(rate, seconds):
        count, took = bed.run([program, rate, seconds, *words]).split()
        return int(count), float(took)

    return run


def test_descriptors(bed, redis, nginx, start_observer, burst):
    observer = start_observer()
    time.sleep(0.3)  # the connection that asked for its health is closed
    before = descriptors(observer)
    for i in range(100):  # some of them end only when they have said nothing for long
        observer.scrape()
        with socket.create_connection(("127.0.0.1", observer.port)) as abandoned:
            abandoned.sendall(b"GET /metr"[: i % 9])
    bed.call("resp.churn", redis.port, 300)
    bed.call("web.parallel", nginx.port, 4, 50, "/hello", False)
    burst(200, 1)
    for _ in range(20):
        assert reread(observer, good(observer, bed.watch()))["level"] == "INFO"
        assert reread(observer, "nonsense")["level"] == "ERROR"
    try:
        wait_until(lambda: descriptors(observer) == before, 15)
    except AssertionError:
        assert descriptors(observer) == before


# ---- two at once ----


def services(scrape):
    return {
        dict(labels)["service"]
        for (name, labels), value in scrape.samples.items()
        if value and not name.startswith(OWN) and "service" in dict(labels)
    }


def test_two_at_once(bed, redis, nginx, start_observer):
    """Both count the same load exactly. The other one is a program like any other, to be seen if
    it is watched; none sees itself, though its own name is watched."""
    programs = [bed.folder / f"life-{which}" for which in "ab"]
    for program in programs:
        os.symlink(shutil.which(binary()), program)
    names = [{"executable": program.name} for program in programs]
    curious = bed.watch()
    curious["watch"]["include"] += names
    first = start_observer(curious, program=programs[0])
    second = start_observer(program=programs[1])
    with first.window() as ours, second.window() as theirs:
        bed.run(["redis-benchmark", "-p", redis.port, "-q", "-n", "20000", "-c", "4", "-t", "get"])
        bed.call("web.keepalive", nginx.port, 500, "/hello")
        for _ in range(10):
            first.scrape()
            assert second.get("/health")[0] == 200
    for window in (ours, theirs):
        for side in ("redis_commands_total", "redis_server_commands_total"):
            assert window.counts(side, "status", operation="GET") == {"ok": 20000}
        assert window.counts("http_client_requests_total", "service") == {"client.py": 500}
        assert window.counts("http_requests_total", "status", service="nginx") == {"200": 500}
    seen = ours.counts("http_requests_total", "endpoint", service="life-b")
    assert seen["/health"] == 10
    assert services(ours.after) & {"life-a", "life-b"} == {"life-b"}
    assert services(theirs.after) == {"redis-benchmark", "redis-server", "client.py", "nginx"}
    with first.window() as window:  # nor does the other's end disturb it
        bed.call("resp.churn", redis.port, 100)
        second.stop()
        bed.call("resp.churn", redis.port, 100)
    assert window.counts("redis_server_commands_total", "operation") == {"PING": 200}


# ---- what happens to it ----


def assert_exact(bed, redis, nginx, observer, count=300):
    """On connections that are new."""
    with observer.window() as window:
        bed.call("resp.churn", redis.port, count)
        bed.call("web.keepalive", nginx.port, count, "/hello")
    for name in ("redis_commands_total", "redis_server_commands_total"):
        assert window.counts(name, "operation", "status") == {("PING", "ok"): count}
    for name in ("http_client_requests_total", "http_requests_total"):
        assert window.counts(name, "method", "status") == {("GET", "200"): count}


def test_stopped_and_continued(bed, redis, nginx, start_observer):
    """Ten seconds without a turn, far more than a ring of the default size holds."""
    observer = start_observer(bed.watch())
    control = redis.book()
    with observer.window(exact=False) as window:
        control.reset()
        with loaded(bed, redis):
            time.sleep(0.5)
            observer.process.send_signal(signal.SIGSTOP)
            time.sleep(10)
            observer.process.send_signal(signal.SIGCONT)
            wait_until(lambda: observer.get("/health")[0] == 200, 5, what="health")
            # It counts on under the load, and not only once that is over.
            now = observer.scrape().total("redis_server_commands_total")
            wait_until(
                lambda: observer.scrape().total("redis_server_commands_total") > now, 5,
                what="new counts under load",
            )  # fmt: skip
        truth = control.commands()["GET", "ok"]
    control.close()
    for name in ("redis_commands_total", "redis_server_commands_total"):
        assert 0 < window.counts(name, "operation", "status")["GET", "ok"] <= truth
    assert window.delta.total("onlooker_events_lost_total", reason="ring_full") > 0
    assert_exact(bed, redis, nginx, observer)


@pytest.mark.skipif(sanitized(), reason="tests/sanitized.c wants closed what was closed")
def test_closed_streams(bed):
    """What is open in their place is nothing that log lines could get to."""
    observer = Observer(bed.folder, free_port(), bed.watch(), name="life-closed",
                        prefix=["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"])  # fmt: skip
    try:
        folder = Path(f"/proc/{observer.process.pid}/fd")
        assert [os.readlink(folder / str(number)) for number in range(3)] == ["/dev/null"] * 3
        assert not os.path.islink(folder / "3") or os.readlink(folder / "3") != "/dev/null"
    finally:
        observer.stop()


def read_log(pipe, count):
    """So many lines of a log that lie in a pipe, or come within seconds."""
    text, deadline = b"", time.monotonic() + 5
    while text.count(b"\n") < count and time.monotonic() < deadline:
        if select.select([pipe], [], [], 0.1)[0]:
            text += os.read(pipe, 1 << 16)
    return [json.loads(line) for line in text.splitlines()]


def test_log_that_nobody_reads(bed, redis, nginx):
    """Its pipe is full, which holds up nothing; read again, it goes on and tells what it lacks."""
    path = bed.folder / "log"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    size = fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 1 << 14)
    observer = Observer(bed.folder, free_port(), bed.watch(), name="life-log",
                        prefix=["sh", "-c", 'exec "$@" 2>"$0"', path])  # fmt: skip
    try:
        for _ in range(size // 100):
            observer.process.send_signal(signal.SIGHUP)
            time.sleep(0.002)
        assert observer.get("/health")[0] == 200
        assert_exact(bed, redis, nginx, observer)
        lines = read_log(reader, size // 100)
        messages = Counter(line["message"] for line in lines)
        assert messages["lines of this log were lost: nobody read it"] == 1
        [lost] = [line["extra"]["lines"] for line in lines if "lost" in line["message"]]
        observer.process.send_signal(signal.SIGHUP)
        assert read_log(reader, 1)[0]["message"] == "configuration reread"
        assert lost > 0 and messages["configuration reread"] > 16
    finally:
        observer.stop()
        os.close(reader)


@pytest.fixture
def wall(bed):
    """An observer whose wall clock can be set, its alone."""
    library, file = bed.folder / "wall.so", bed.folder / "wall"
    subprocess.run(
        ["gcc", "-O1", "-D_GNU_SOURCE", "-Wall", "-shared", "-fPIC", "-o", library,
         HERE / "apps/wall.c", "-ldl"], check=True,
    )  # fmt: skip
    file.write_bytes(struct.pack("q", 0))
    observer = Observer(
        bed.folder, free_port(), bed.watch(), name="life-wall",
        prefix=["env", f"LD_PRELOAD={library}", f"WALL_FILE={file}"],
    )  # fmt: skip

    def set_back(seconds):
        with open(file, "r+b") as clock:
            clock.write(struct.pack("q", -seconds))

    observer.set_back = set_back
    yield observer
    observer.stop()


@pytest.mark.skipif(sanitized(), reason="the sanitizers want to be loaded first")
def test_clock_set_back(bed, nginx, wall):
    """By an hour, amidst exchanges, and forward again."""

    def written():
        line = reread(wall, good(wall, bed.watch()))
        return datetime.fromisoformat(line["timestamp"]).timestamp()

    begin, first = time.monotonic(), written()
    with wall.window() as window:
        client = bed.start_call("web.keepalive", nginx.port, 6000, "/hello", name="life-clock")
        with client:
            for seconds in (HOUR, 0):
                done = wall.scrape().total("http_requests_total")
                wait_until(lambda done=done: wall.scrape().total("http_requests_total") > done,
                           what="counts go on")  # fmt: skip
                assert client.process.poll() is None, "the load was over before the clock was set"
                wall.set_back(seconds)
                passed = time.monotonic() - begin - seconds
                assert abs(written() - first - passed) < 2
                assert wall.get("/health")[0] == 200
            assert client.process.wait(30) == 0, client.log_text()
    took = time.monotonic() - begin
    for family in ("http_request", "http_client_request"):
        assert window.counts(f"{family}s_total", "status") == {"200": 6000}
        name = f"{family}_duration_seconds"
        assert window.delta.total(f"{name}_count") == 6000
        assert 0 < window.delta.total(f"{name}_sum") < took
        assert window.delta.total(f"{name}_bucket", le="10.0") == 6000
    name = "process_start_time_seconds"
    assert abs(window.before.total(name) - window.after.total(name)) < 1
    assert abs(window.after.total(name) - time.time()) < HOUR / 2


def test_reread_under_load(bed, redis, nginx, start_observer):
    """Again and again, with rules that change for others only and with broken files in turn."""
    observer = start_observer()
    levels = Counter()
    with observer.window() as window:
        benchmark = bed.start("life-reread", [
            "redis-benchmark", "-p", redis.port, "-q", "-n", "100000", "-c", "4", "-t", "get"])
        requests = bed.start_call("web.keepalive", nginx.port, 5000, "/hello", name="life-web")
        with benchmark, requests:
            while None in (benchmark.process.poll(), requests.process.poll()):
                config = bed.watch()
                turn = levels.total()
                config["watch"]["include"].insert(0, {"executable": f"life-nosuch-{turn}"})
                config["watch"]["exclude"] = [{"port": 1 + turn % 1000}]
                text = good(observer, config)
                levels[reread(observer, text if turn % 2 else text[:-1])["level"]] += 1
            for load in (benchmark, requests):
                assert load.process.wait(30) == 0, load.log_text()
    assert levels["INFO"] >= 10 and levels["ERROR"] >= 10, levels
    for name in ("redis_commands_total", "redis_server_commands_total"):
        assert window.counts(name, "status", operation="GET") == {"ok": 100000}
    for name in ("http_client_requests_total", "http_requests_total"):
        assert window.counts(name, "status") == {"200": 5000}


# ---- processes that hardly live ----


def test_thousand_processes_a_second(redis, nginx, start_observer, burst):
    observer = start_observer()
    burst(100, 1)
    control = redis.book()
    position = nginx.access.stat().st_size
    before = resident(observer)
    control.reset()
    with observer.window() as window:
        count, took = burst(1000, 3)
    grown = resident(observer) - before
    pings = control.commands()["PING", "ok"]
    gets = access_log(nginx.access, position)
    control.close()
    print(f"{count} processes in {took} s; {grown >> 10} KiB more")
    assert took < 9, "that is no burst"
    assert (pings, gets) == (count // 2, {("GET", "/hello", "200"): count // 2})
    for name, service in (("redis_commands_total", "burst-cache"),
                          ("redis_server_commands_total", "redis-server")):  # fmt: skip
        assert window.counts(name, "service", "operation", "status") == {
            (service, "PING", "ok"): pings}  # fmt: skip
    for name, service in (("http_client_requests_total", "burst-web"),
                          ("http_requests_total", "nginx")):  # fmt: skip
        assert window.counts(name, "service", "method", "status") == {
            (service, "GET", "200"): gets.total()}  # fmt: skip
    assert services(window.delta) <= {"burst-web", "burst-cache", "nginx", "redis-server"}
    assert sanitized() or grown < 8 << 20
    assert observer.get("/health")[0] == 200
