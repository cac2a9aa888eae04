# SPDX-License-Identifier: Apache-2.0
"""The servers that are loaded, all in one cgroup, started when first asked for."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from functools import cached_property
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "e2e"))

from lib import servers  # noqa: E402
from lib.group import Group  # noqa: E402
from lib.process import Bed, accepts  # noqa: E402

NGINX = """
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 16384; }}
http {{
	access_log off;
	client_body_temp_path {folder}/body;
	proxy_temp_path {folder}/proxy;
	fastcgi_temp_path {folder}/fastcgi;
	uwsgi_temp_path {folder}/uwsgi;
	scgi_temp_path {folder}/scgi;
	keepalive_requests 100000000;
	keepalive_timeout 1000s;
	sendfile on;
	tcp_nopush on;
	upstream backend {{
		server 127.0.0.1:{backend};
		keepalive 64;
		keepalive_requests 100000000;
	}}
	server {{
		listen 127.0.0.1:{port} backlog=4096;
		root {folder}/www;
		location /route/ {{ return 200 "routed"; }}
		location = /book {{ stub_status; }}
		location = /v1/traces {{ default_type application/x-protobuf; return 200; }}
		location /proxied/ {{
			proxy_pass http://backend/;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
		}}
	}}
	server {{
		listen 127.0.0.1:{backend} backlog=4096;
		root {folder}/www;
	}}
}}
"""


class Postgres(servers.Postgres):
    """Without the books that the tests need: they would cost more than the queries."""

    def _make(self, connections):
        super()._make(connections)
        with open(self.data / "postgresql.conf", "a", encoding="ascii") as file:
            file.write(
                "log_statement = 'none'\nshared_preload_libraries = ''\n"
                "logging_collector = off\nlog_destination = 'stderr'\nshared_buffers = 256MB\n"
            )

    def fill(self, rows, copy_bytes):
        """`accounts` for pgbench, `many` of so many rows, `big` of about so many bytes."""
        subprocess.run(
            [self.programs / "pgbench", "-h", "127.0.0.1", "-p", str(self.port), "-U", "e2e",
             "-q", "-i", "-s", "2", "postgres"],
            check=True, capture_output=True,
        )  # fmt: skip
        self.sql(
            "CREATE TABLE many AS SELECT n, repeat('x', 50) AS text"
            f" FROM generate_series(1, {rows}) AS n"
        )
        self.sql(
            "CREATE TABLE big AS SELECT repeat('y', 999) AS text"
            f" FROM generate_series(1, {copy_bytes // 1000})"
        )


class Nginx:
    """Also takes spans for a collector."""

    def __init__(self, bed, name="nginx"):
        self.port, self.backend = bed.port(), bed.port()
        self.url = f"http://127.0.0.1:{self.port}"
        folder = bed.folder / name
        www = folder / "www"
        www.mkdir(parents=True)
        (www / "600").write_text("x" * 600)
        (www / "1M").write_text("x" * (1 << 20))
        if os.geteuid() == 0:  # the worker is another user's
            for name in ("body", "proxy"):
                (folder / name).mkdir()
                shutil.chown(folder / name, "www-data")
        config = folder / "nginx.conf"
        config.write_text(NGINX.format(folder=folder, port=self.port, backend=self.backend))
        self.process = bed.start(
            name, ["nginx", "-e", "stderr", "-p", folder, "-c", config], end=signal.SIGQUIT
        )
        self.process.wait_for(lambda: accepts(self.port))

    def book(self):
        """[connections, requests] so far, those of this question included."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/book") as answer:
            numbers = answer.read().decode().splitlines()[2].split()
        return [int(numbers[0]), int(numbers[2])]

    def stop(self):
        self.process.process.terminate()
        self.process.stop()


class Service:
    """tests/sample/app.py, with its own PostgreSQL and Redis, and no limit on the rate."""

    def __init__(self, bed, postgres, redis):
        sample = HERE.parent / "sample"
        subprocess.run(
            ["psql", "-qX", "-v", "ON_ERROR_STOP=1", postgres.url(), "-f", sample / "schema.sql"],
            check=True, capture_output=True,
        )  # fmt: skip
        self.port = bed.port()
        self.process = bed.start(
            "service",
            [Path(sys.executable).parent / "uvicorn", "app:app", "--app-dir", sample,
             "--host", "127.0.0.1", "--port", self.port, "--no-access-log"],
            env={
                "DATABASE_URL": postgres.url(),
                "REDIS_URL": f"redis://127.0.0.1:{redis.port}/0",
                "RATE_LIMIT": str(10**12),
            },
        )  # fmt: skip
        self.process.wait_for(lambda: accepts(self.port))

    def stop(self):
        self.process.stop()


class Outside:
    """No cgroup of ours."""

    path = None

    def command(self, command):
        return [str(word) for word in command]


class Site:
    """A folder, a cgroup, and the servers in it; also a context manager that ends them all."""

    def __init__(self, copy_bytes):
        self.copy_bytes = copy_bytes
        self.running = []

    def __enter__(self):
        self.group = Group("-bench")
        self.folder = Path(tempfile.mkdtemp(prefix="onlooker-bench."))
        os.chmod(self.folder, 0o755)
        self.bed = Bed(self.folder, self.group)
        return self

    def __exit__(self, *_):
        for server in reversed(self.running):
            server.stop()
        for line in self.group.leftovers():
            print(f"ended what was left: {line}", file=sys.stderr)
        self.group.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _keep(self, server):
        self.running.append(server)
        return server

    @cached_property
    def redis(self):
        return self._keep(servers.Redis(self.bed, "redis", "--maxclients", "15000"))

    @cached_property
    def postgres(self):
        server = self._keep(Postgres(self.bed))
        server.fill(10000, self.copy_bytes)
        return server

    @cached_property
    def nginx(self):
        return self._keep(Nginx(self.bed))

    @cached_property
    def service(self):
        return self._keep(Service(self.bed, self.postgres, self.redis))

    @cached_property
    def memcached(self):
        port = self.bed.port()
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        server = self.bed.start("memcached", ["memcached", "-l", "127.0.0.1", "-p", port, *user])
        server.wait_for(lambda: accepts(port))
        server.port = port
        return self._keep(server)

    @cached_property
    def iperf3(self):
        port = self.bed.port()
        server = self.bed.start("iperf3", ["iperf3", "-s", "-B", "127.0.0.1", "-p", port])
        server.wait_for(lambda: accepts(port))
        server.port = port
        return self._keep(server)

    @cached_property
    def outside(self):
        """As `bed`, where nobody watches."""
        return Bed(self.folder, Outside())

    @cached_property
    def collector(self):
        return self._keep(Nginx(self.outside, "collector"))

    @cached_property
    def unwatched(self):
        return self._keep(servers.Redis(self.outside, "unwatched"))
