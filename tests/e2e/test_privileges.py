# SPDX-License-Identifier: Apache-2.0
"""Every set of privileges that is enough, what stays of it, and every start that is refused."""

import os
import shutil
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from lib.observer import Observer, binary, sanitized
from lib.privileges import held, only, without_bpf
from lib.process import free_port

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give privileges away")

LEAST = ("bpf", "perfmon")
KEPT = {"sys_ptrace", "dac_read_search"}
PURPOSES = {
    "bpf": "CAP_BPF is missing: needed to load programs and make maps",
    "perfmon": "CAP_PERFMON is missing: needed to attach programs",
    "sys_ptrace": "CAP_SYS_PTRACE is missing: needed to read /proc of other users' processes",
    "dac_read_search": "CAP_DAC_READ_SEARCH is missing: needed to find a cgroup by its number",
    "sys_nice": "CAP_SYS_NICE is missing: needed to read records in time",
}


@pytest.fixture(scope="module")
def program(bed):
    """The observer where any user may run it."""
    copy = bed.folder / "onlooker-privileges"
    shutil.copyfile(binary(), copy)
    copy.chmod(0o755)
    return copy


@contextmanager
def observing(bed, program, prefix, name):
    observer = Observer(
        bed.folder, free_port(), bed.watch(), name=f"privileges-{name}", program=program,
        prefix=prefix,
    )  # fmt: skip
    try:
        yield observer
    finally:
        observer.stop()


def refused(program, *arguments, prefix=()):
    """The one line of a start that is refused."""
    done = subprocess.run(
        [*prefix, program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=20,
    )  # fmt: skip
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    line = done.stderr.splitlines()[-1]
    assert line.startswith("onlooker: ") and done.stdout == ""
    return line


def listen():
    return ["--listen", f"127.0.0.1:{free_port()}"]


@pytest.mark.parametrize(
    "names, user",
    [
        (LEAST, None),
        (LEAST, "nobody"),
        ((*LEAST, "sys_ptrace"), "nobody"),
        ((*LEAST, "sys_ptrace", "dac_read_search"), None),
        ((*LEAST, "net_admin", "sys_ptrace"), None),
        (("sys_admin",), None),
    ],
)
def test_enough(bed, redis, nginx, program, names, user):
    """A small load is counted exactly, and only what operation needs is still held."""
    with observing(bed, program, only(*names, user=user), "-".join(names)) as observer:
        with observer.window(exact=False) as window:  # others on this machine may lose, too
            bed.run(["redis-benchmark", "-p", redis.port, "-q", "-n", "1000", "-c", "4",
                     "-t", "get,set"])  # fmt: skip
            bed.run(["curl", "-sf", *[f"http://127.0.0.1:{nginx.port}/hello"] * 50])
        counts = window.counts("redis_server_commands_total", "operation")
        assert (counts["GET"], counts["SET"]) == (1000, 1000)
        counts = window.counts("http_requests_total", "service", "status")
        assert counts == {("nginx", "200"): 50}
        sets = held(observer.process.pid)
        for name in ("CapEff", "CapPrm"):
            assert sets[name] == KEPT & set(names), (name, sets)
        assert sets["CapInh"] == sets["CapAmb"] == set()
        assert sets["NoNewPrivs"] == 1
        assert sets["Seccomp"] == (0 if sanitized() else 2)
        text = observer.log_text()
        for name, purpose in PURPOSES.items():
            assert (purpose in text) == (name not in (*LEAST, *names)), name
        assert "could not be given up" not in text and "not confined" not in text


def test_root_gives_up(bed, program):
    """With everything held, the bounding set goes as well."""
    with observing(bed, program, (), "root") as observer:
        sets = held(observer.process.pid)
        for name in ("CapEff", "CapPrm", "CapBnd"):
            assert sets[name] == KEPT, (name, sets)
        assert sets["CapInh"] == sets["CapAmb"] == set()


@pytest.mark.parametrize("user", [None, "nobody"])
@pytest.mark.parametrize("missing", LEAST)
def test_missing(program, missing, user):
    names = [name for name in LEAST if name != missing]
    line = refused(program, *listen(), prefix=only(*names, user=user))
    assert PURPOSES[missing] in line
    assert all(PURPOSES[name] not in line for name in names)


def test_all_missing(program):
    line = refused(program, *listen(), prefix=only(user="nobody"))
    assert all(PURPOSES[name] in line for name in LEAST)


def check(program, prefix):
    done = subprocess.run([*prefix, program, "check"], capture_output=True, text=True, timeout=20)
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize("missing", PURPOSES)
def test_check_names_it(program, missing):
    names = [name for name in PURPOSES if name != missing]
    status, lines = check(program, only(*names))
    purpose = PURPOSES[missing].replace("is missing: ", "missing -> give it: ")
    word = "miss " if missing in LEAST else "warn "
    wanted = purpose.replace(" missing", ": missing", 1)
    found = [line for line in lines if line.startswith(word) and wanted in line]
    assert len(found) == 1, lines
    assert status == (1 if missing in LEAST else 0)
    for name in names:
        assert f"ok    CAP_{name.upper()}: held" in lines


# ---- other starts that are refused ----


def test_address_in_use(program):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        line = refused(program, "--listen", address)
    assert f"listen: {address}: Address already in use; another program listens there" in line


def test_address_of_nobody(program):
    line = refused(program, "--listen", "192.0.2.1:9750")
    assert "listen: 192.0.2.1:9750: " in line and "no interface of this host" in line


def test_low_port(program):
    low = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if low == 0:
        pytest.skip("every port is free to all here")
    line = refused(program, "--listen", f"127.0.0.1:{low - 1}", prefix=only(*LEAST))
    assert "CAP_NET_BIND_SERVICE is missing: needed to listen on a port below" in line


def test_no_kernel_types(program):
    hide = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /sys/kernel/btf && exec "$@"', "sh"]
    line = refused(program, *listen(), prefix=hide)
    assert "/sys/kernel/btf/vmlinux is not there" in line and "CONFIG_DEBUG_INFO_BTF" in line


def test_pids_of_its_own(program):
    """There every process would be taken for another, which has its number."""
    apart = ["unshare", "--pid", "--fork", "--mount-proc"]
    line = refused(program, *listen(), prefix=apart)
    assert "/proc shows a pid namespace of its own" in line and "hostPID: true" in line
    status, lines = check(program, apart)
    assert status == 1
    assert any(line.startswith("miss  process ids: a namespace of its own") for line in lines)


def test_filtered(program):
    line = refused(program, *listen(), prefix=without_bpf())
    assert "a seccomp filter is in force: it has to allow bpf()" in line
    status, lines = check(program, without_bpf())
    assert status == 1
    assert any(line.startswith("warn  seccomp: a filter is in force") for line in lines)


def memory_group(limit):
    """A cgroup whose members may have so many bytes, kernel memory included; None: not here."""
    for place, file in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
                        ("/sys/fs/cgroup", "memory.max")):  # fmt: skip
        path = Path(place, f"onlooker-privileges-{os.getpid()}")
        try:
            path.mkdir()
            (path / file).write_text(str(limit))
        except OSError:
            if path.exists():
                path.rmdir()
            continue
        return path
    return None


def test_ring_too_large(bed, program):
    group = memory_group(100 << 20)
    if group is None:
        pytest.skip("no cgroup that bounds memory can be made here")
    config = bed.folder / "large.json"
    config.write_text('{"limits": {"ring_bytes": 536870912}}')
    into = ["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', group]
    try:
        line = refused(program, "--config", config, *listen(), prefix=into)
    finally:
        group.rmdir()
    assert "Cannot allocate memory; lower limits.ring_bytes or limits.connections" in line


@pytest.mark.parametrize("backend", ["tracepoint", "fexit"])
def test_backend_not_there(program, backend):
    _, lines = check(program, ())
    [found] = [line for line in lines if f" backend {backend}: " in line]
    if "attaches" in found:
        pytest.skip("this kernel has it")
    line = refused(program, "--backend", backend, *listen())
    assert ("forbids it" in line) if "cannot attach" in found else ("find the" in line)
