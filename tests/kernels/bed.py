# SPDX-License-Identifier: Apache-2.0
"""The servers, all in one cgroup, which is what the observer watches."""

import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

from lib.group import Group

GROUP = Group("-bed")
FOLDER = Path("/run/bed")
PAYLOAD = Path("/run/payload")
CLUSTER = os.environ.get("CLUSTER", "/var/lib/postgresql/cluster")
REDIS_PORT, POSTGRES_PORT, HTTP_PORT, CALLS_PORT = 6379, 5432, 8080, 8081
REDIS_SOCKET, CALLS_SOCKET = FOLDER / "redis.sock", FOLDER / "calls.sock"
FILE_BYTES = 300_000

NGINX = f"""
worker_processes 1;
error_log {FOLDER}/nginx-error.log;
pid {FOLDER}/nginx.pid;
events {{ worker_connections 256; }}
http {{
    log_format short "$request_method\\t$uri\\t$status";
    access_log {FOLDER}/access.log short;
    sendfile on;
    keepalive_requests 1000000;
    server {{
        listen 127.0.0.1:{HTTP_PORT};
        root {FOLDER}/www;
        location /items/ {{ return 200 "an item\\n"; }}
    }}
}}
"""


def grouped(*command):
    """The command, moved into the cgroup before it begins."""
    return GROUP.command(command)


def as_postgres(*command):
    return ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups", *command]


def programs():
    """Where PostgreSQL keeps its programs."""
    return max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))


def run(*command, **options):
    """Runs a command in the cgroup to its end and returns what it wrote."""
    done = subprocess.run(
        grouped(*command), capture_output=True, text=True, timeout=120, cwd=FOLDER, **options
    )
    if done.returncode:
        raise RuntimeError(f"{command}: status {done.returncode}: {done.stderr[-500:]}")
    return done.stdout


def status(*command):
    """As run(); its exit status, whatever that is."""
    return subprocess.run(grouped(*command), timeout=120, cwd=FOLDER).returncode


def wait_for(what, condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not ready after {seconds} s")
        time.sleep(0.1)


@contextmanager
def holding(*counts):
    """While a client in the cgroup holds so many connections: see held.py."""
    client = subprocess.Popen(
        grouped("python3", PAYLOAD / "held.py", *counts),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=FOLDER,
    )  # fmt: skip
    with client:
        if client.stdout.readline() != "ready\n":
            raise RuntimeError("the client that holds connections failed")
        yield
        client.stdin.close()


def established(port):
    """How many TCP connections the kernel knows from and to that port."""
    counts = {"client": 0, "server": 0}
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        _, local, remote, state = line.split()[:4]
        if state == "01":
            counts["server"] += int(local.split(":")[1], 16) == port
            counts["client"] += int(remote.split(":")[1], 16) == port
    return counts


@contextmanager
def interrupted():
    """While what is sent over loopback comes in by an interrupt, as it does from a network."""
    mounted = FOLDER / "sys"  # with this network's devices
    mounted.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "sysfs", "sysfs", mounted], check=True)
    steering = mounted / "class/net/lo/queues/rx-0/rps_cpus"
    try:
        steering.write_text(f"{(1 << os.cpu_count()) - 1:x}", encoding="ascii")
        yield
        steering.write_text("0", encoding="ascii")
    finally:
        subprocess.run(["umount", mounted], check=True)


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _start(name, *command):
    with open(FOLDER / f"{name}.log", "wb") as log:
        subprocess.Popen(
            grouped(*command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=FOLDER,
            start_new_session=True,
        )


def _start_postgres():
    options = {
        "port": POSTGRES_PORT,
        "unix_socket_directories": FOLDER,
        "fsync": "off",
        "autovacuum": "off",
    }
    flags = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    _start("postgres", *as_postgres(programs() / "postgres", "-D", CLUSTER, *flags))


def sql(text):
    """Not in the cgroup: nobody watches this client."""
    subprocess.run(
        ["psql", "-h", FOLDER, "-U", "postgres", "-q", "-c", text], check=True, timeout=60
    )


def start():
    """Starts everything and returns when all of it answers; stop() ends it."""
    if GROUP.path is None:
        raise RuntimeError("no cgroup can be made here")
    FOLDER.mkdir()
    shutil.chown(FOLDER, "postgres")
    FOLDER.chmod(0o755)
    (FOLDER / "www").mkdir()
    (FOLDER / "www" / "file.bin").write_bytes(os.urandom(FILE_BYTES))
    (FOLDER / "nginx.conf").write_text(NGINX)
    _start_postgres()
    _start("redis", "redis-server", "--port", REDIS_PORT, "--bind", "127.0.0.1", "--save", "",
           "--unixsocket", REDIS_SOCKET, "--dir", FOLDER)  # fmt: skip
    _start("nginx", "nginx", "-c", FOLDER / "nginx.conf", "-g", "daemon off;")
    _start("calls-4", PAYLOAD / "calls-server", "serve", "4", CALLS_PORT)
    _start("calls-u", PAYLOAD / "calls-server", "serve", "u", CALLS_SOCKET)
    for port in (REDIS_PORT, POSTGRES_PORT, HTTP_PORT, CALLS_PORT):
        wait_for(f"port {port}", lambda port=port: accepts(port))
    wait_for("the calls' socket", CALLS_SOCKET.exists)
    ready = [programs() / "pg_isready", "-q", "-h", FOLDER, "-p", str(POSTGRES_PORT)]
    wait_for("PostgreSQL", lambda: subprocess.run(ready).returncode == 0)
    sql("CREATE TABLE kept (number integer)")


def stop():
    """Ends what start() began."""
    GROUP.leftovers(0)
    GROUP.remove()
