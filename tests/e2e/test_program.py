# SPDX-License-Identifier: Apache-2.0
"""The program itself: flags, configuration, signals, logs, the live table."""

import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import termios
import time
from fcntl import ioctl

import pytest
from lib.observer import binary
from lib.process import HERE, free_port, wait_until

FIELDS = ["timestamp", "level", "logger", "message", "pathname", "lineno", "request_id", "user_id",
          "device_ip", "exception", "extra"]  # fmt: skip


def run(*arguments, prefix=(), timeout=10):
    return subprocess.run(
        [*prefix, binary(), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def test_version():
    done = run("--version")
    assert done.returncode == 0 and done.stderr == ""
    assert re.fullmatch(r"onlooker \d+\.\d+\.\d+ .+\n", done.stdout), done.stdout


def test_help():
    done = run("--help")
    assert done.returncode == 0 and done.stderr == ""
    for word in ("--config", "--listen", "check", "limits.connections", "watch.include"):
        assert word in done.stdout


@pytest.mark.parametrize(
    "arguments, named",
    [
        (["--nosuch"], "--nosuch"),
        (["-x"], "-x"),
        (["--listen"], "--listen"),
        (["--listen", "nonsense"], "--listen"),
        (["--listen", "127.0.0.1:99999"], "--listen"),
        (["--version=1"], "--version"),
        (["--backend", "magic"], "--backend"),
        (["--log-level", "loud"], "--log-level"),
        (["nosuch"], "nosuch"),
        (["check", "more"], "more"),
        (["--config", "/nosuch/onlooker.json"], "/nosuch/onlooker.json"),
    ],
)
def test_wrong_flag(arguments, named):
    done = run(*arguments)
    assert done.returncode == 2
    assert named in done.stderr and done.stdout == ""


@pytest.mark.parametrize(
    "text, named, expected",
    [
        ('{"nosuch": 1}', "nosuch", "unknown key"),
        ('{"limits": {"nosuch": 1}}', "limits.nosuch", "unknown key"),
        ('{"listen": 9750}', "listen", 'expected "ADDRESS:PORT"'),
        ('{"limits": {"connections": "many"}}', "limits.connections", "an integer from 16"),
        ('{"limits": {"connections": 1}}', "limits.connections", "an integer from 16"),
        ('{"limits": {"ring_bytes": 65537}}', "limits.ring_bytes", "a power of two"),
        ('{"limits": 3}', "limits", "an object"),
        ('{"buckets": {"http": [1, 1]}}', "buckets.http", "strictly increasing"),
        ('{"watch": {"include": [{"executable": 1}]}}', "watch.include", "globs"),
        ('{"watch": {"include": [{"ports": 1}]}}', "watch.include", "port"),
        ('{"log_level": "loud"}', "log_level", '"debug"'),
        ("[]", "the file", "an object"),
        ('{\n"listen": \n}', "line 3", ""),
    ],
)
def test_wrong_configuration(tmp_path, text, named, expected):
    file = tmp_path / "onlooker.json"
    file.write_text(text)
    done = run("--config", file)
    assert done.returncode == 2 and done.stdout == ""
    assert f"{file}: {named}" in done.stderr and expected in done.stderr


def test_port_in_use():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        done = run("--listen", address)
    assert done.returncode == 2
    assert address in done.stderr and "in use" in done.stderr.lower()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_without_privileges(bed):
    copy = bed.folder / "onlooker"
    copy.write_bytes(open(binary(), "rb").read())
    copy.chmod(0o755)
    drop = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
    listen = ["--listen", f"127.0.0.1:{free_port()}"]
    done = subprocess.run([*drop, copy, *listen], capture_output=True, text=True, timeout=10)
    assert done.returncode == 2, done.stderr
    assert re.search(r"root|CAP_|privilege", done.stderr)
    done = subprocess.run([*drop, copy, "check"], capture_output=True, text=True, timeout=10)
    assert done.returncode == 1
    assert re.search(r"^miss +CAP_BPF: ", done.stdout, re.M), done.stdout


def test_check():
    done = run("check")
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout
    assert len(lines) > 8 and lines[-1] == "It can run here."
    for line in lines[:-1]:
        assert re.match(r"(ok|warn|miss)  +\S.*", line), line
    assert any(line.startswith("ok    kernel: ") for line in lines)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_quickly(start_observer, number):
    observer = start_observer()
    begin = time.monotonic()
    assert observer.stop(number) == 0
    assert time.monotonic() - begin < 1
    observer.log_lines()


def test_log_lines(start_observer):
    """One JSON object a line, with the guide's fields in the guide's order."""
    observer = start_observer(None, "--log-level", "debug")
    observer.stop()
    lines = observer.log_lines()
    assert lines
    for line in lines:
        assert list(line) == FIELDS
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", line["timestamp"])
        assert line["level"] in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
        assert line["logger"].startswith("onlooker") and line["message"]
        assert not os.path.isabs(line["pathname"]) and line["lineno"] > 0


def test_flags_win_over_the_file(bed, start_observer):
    """--log-level error: the file's level, and every line below it, does not count."""
    observer = start_observer(bed.watch() | {"log_level": "debug"}, "--log-level", "error")
    observer.stop()
    assert observer.log_lines() == []


def messages(observer, level):
    return [line for line in observer.log_lines() if line["level"] == level]


def test_reread(bed, redis, nginx, start_observer):
    """SIGHUP takes a new file into force; a broken one is reported and the old one stays."""
    observer = start_observer({"watch": {"include": [{"executable": "nosuch"}]}})
    name = f"reread-{os.getpid()}"  # nobody else on this machine has it
    os.symlink(shutil.which("redis-benchmark"), bed.folder / name)

    def load():
        bed.run([bed.folder / name, "-p", redis.port, "-q", "-n", "100", "-t", "get"])
        bed.run(["curl", "-sf", "-o", "/dev/null", f"http://127.0.0.1:{nginx.port}/hello"])
        scrape = observer.settle()
        return (
            scrape.total("redis_commands_total", operation="GET"),
            scrape.total("http_requests_total"),
        )

    assert load() == (0, 0)
    observer.config_path.write_text('{"listen": "127.0.0.1:1", "nosuch": 1}')
    observer.process.send_signal(signal.SIGHUP)
    wait_until(
        lambda: any(
            f"{observer.config_path}: nosuch" in json.dumps(line)
            for line in messages(observer, "WARNING") + messages(observer, "ERROR")
        ),
        what="the line about the broken file",
    )
    assert load() == (0, 0)
    observer.write_config({"watch": {"include": [{"executable": name}]}})
    before = len(observer.log_lines())
    observer.process.send_signal(signal.SIGHUP)
    wait_until(lambda: len(observer.log_lines()) > before, what="the line about the new file")
    assert load() == (100, 0)
    assert observer.get("/health")[0] == 200


def test_reread_too_late(bed, start_observer):
    """What needs a restart is said at each reread, for as long as it is not what is in use."""
    observer = start_observer(bed.watch())

    def warned(**changes):
        before = len(observer.log_lines())
        observer.write_config(bed.watch() | changes)
        observer.process.send_signal(signal.SIGHUP)
        wait_until(
            lambda: any(line["message"] == "configuration reread"
                        for line in observer.log_lines()[before:]),
            what="the new configuration",
        )  # fmt: skip
        return ["restart" in line["message"] for line in observer.log_lines()[before:]]

    changes = [
        {"listen": "127.0.0.1:1"}, {"backend": "fexit"}, {"memory_limit": 1 << 30},
        {"limits": {"connections": 99}}, {"limits": {"ring_bytes": 1 << 20}},
        {"limits": {"open_requests": 99}}, {"buckets": {"http": [1]}},
    ]  # fmt: skip
    for change in changes:
        assert warned(**change) == [True, False]
        assert warned(**change) == [True, False]
        assert warned() == [False]
    assert observer.get("/health")[0] == 200


class Terminal:
    """A program on a terminal of its own; `screen` is all that it wrote."""

    def __init__(self, command, rows=40, columns=140):
        self.screen = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.execvp(command[0], [str(word) for word in command])

    def read(self, seconds=0.1):
        ready, _, _ = select.select([self.fd], [], [], seconds)
        if ready:
            try:
                self.screen += os.read(self.fd, 65536).decode(errors="replace")
            except OSError:
                pass
        return self.screen

    def end(self, number=signal.SIGINT):
        os.kill(self.pid, number)
        deadline = time.monotonic() + 10
        while True:
            self.read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)


def test_live_table(bed, redis):
    config = bed.folder / "table.json"
    config.write_text(json.dumps(bed.watch() | {"listen": f"127.0.0.1:{free_port()}"}))
    terminal = Terminal([binary(), "--config", config])
    try:
        wait_until(lambda: "\x1b[?1049h" in terminal.read(), what="the alternate screen")
        with bed.start(
            "table-load", ["redis-benchmark", "-p", redis.port, "-q", "-l", "-c", "2", "-t", "get"]
        ):
            wait_until(lambda: "redis-benchmark" in terminal.read(), 5, what="the service's row")
            row = re.search(r"redis-benchmark[^\n]*\bredis\b[^\n]*client", terminal.screen)
            assert row, terminal.screen[-2000:]
    finally:
        status = terminal.end()
    assert status == 0
    # The terminal is given back, and nothing but JSON follows on it.
    tail = terminal.screen.rpartition("\x1b[?1049l")[2]
    assert "\x1b[?25h" in terminal.screen
    for line in re.sub(r"\x1b\[[?\d;]*[a-z]", "", tail).splitlines():
        assert not line.strip() or list(json.loads(line)) == FIELDS


def test_sample(bed):
    """`make run`: figures of all three protocols within 30 s, and nothing left at its end."""
    port = free_port()
    log = open(bed.folder / "sample.log", "wb")
    environment = os.environ | {"ARGS": f"--listen 127.0.0.1:{port}", "TMPDIR": str(bed.folder)}
    process = subprocess.Popen(
        [HERE.parent / "sample" / "run", binary()],
        env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip
    families = ("http_requests_total", "db_queries_total", "redis_commands_total")

    def shown():
        assert process.poll() is None, (bed.folder / "sample.log").read_text()
        done = subprocess.run(
            ["curl", "-s", f"http://127.0.0.1:{port}/metrics"], capture_output=True, text=True
        )
        return all(f'{name}{{service="uvicorn app:app"' in done.stdout for name in families)

    try:
        wait_until(shown, 30, 0.5, "the sample's figures")
    finally:
        process.send_signal(signal.SIGINT)
        try:
            status = process.wait(30)
        finally:
            log.close()
    assert status == 0
    left = subprocess.run(["pgrep", "-af", f"{bed.folder}/onlooker-sample"], capture_output=True)
    assert left.stdout == b""
    assert not list(bed.folder.glob("onlooker-sample.*"))
    assert not os.path.exists(f"/sys/fs/cgroup/unified/onlooker-sample-{process.pid}")
