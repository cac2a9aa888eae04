# SPDX-License-Identifier: Apache-2.0
"""Real servers on loopback, each with a log and folder of its own in the bed."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from .books import PostgresBook, RedisBook
from .process import HERE, accepts

APPS = HERE / "apps"


class Redis:
    def __init__(self, bed, name="redis", *flags):
        self.port = bed.port()
        self.process = bed.start(
            name,
            # fmt: off
            ["redis-server", "--bind", "127.0.0.1", "::1", "--port", self.port, "--save", "",
             "--appendonly", "no", "--dir", bed.folder, "--dbfilename", f"{name}.rdb",
             "--repl-diskless-sync-delay", "0", *flags],
            # fmt: on
        )
        self.process.wait_for(lambda: accepts(self.port))

    def book(self):
        return RedisBook(self.port)

    def stop(self):
        self.process.stop()


def postgres_programs():
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    assert found, "no PostgreSQL server below /usr/lib/postgresql"
    return max(found, key=lambda path: float(path.parent.name))


class Postgres:
    """A cluster that logs every statement; `socket` is the folder of its Unix socket."""

    def __init__(self, bed, name="postgres", connections=100):
        self.bed = bed
        self.port = bed.port()
        self.programs = postgres_programs()
        self.socket = bed.folder / (name if name != "postgres" else "pg")
        self.data = self.socket / "data"
        self.log = self.socket / "server.json"
        self.socket.mkdir()
        self.user = []
        if os.geteuid() == 0:
            self.user = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
            shutil.chown(self.socket, "postgres")
        self._make(connections)
        self.process = bed.start(
            name, [*self.user, self.programs / "postgres", "-D", self.data],
            cwd=self.socket, end=signal.SIGINT,
        )
        self.process.wait_for(self._answers)
        self.sql("CREATE EXTENSION pg_stat_statements")

    def _make(self, connections):
        subprocess.run(
            [*self.user, self.programs / "initdb", "--pgdata", self.data, "--username", "e2e",
             "--auth", "trust", "--no-sync", "--encoding", "UTF8", "--locale", "C"],
            check=True, capture_output=True, cwd=self.socket,
        )  # fmt: skip
        with open(self.data / "postgresql.conf", "a", encoding="ascii") as file:
            file.write(
                f"port = {self.port}\n"
                f"unix_socket_directories = '{self.socket}'\n"
                "listen_addresses = 'localhost'\n"
                f"fsync = off\nmax_connections = {connections}\nautovacuum = off\n"
                "shared_preload_libraries = 'pg_stat_statements'\n"
                "logging_collector = on\nlog_destination = 'jsonlog'\n"
                f"log_directory = '{self.socket}'\nlog_filename = 'server.log'\n"
                "log_file_mode = 0644\nlog_rotation_age = 0\nlog_rotation_size = 0\n"
                "log_statement = 'all'\nlog_min_messages = 'error'\n"
            )

    def _answers(self):
        if not accepts(self.port):
            return False
        command = [self.programs / "pg_isready", "-q", "-h", self.socket, "-p", str(self.port)]
        return subprocess.run(command).returncode == 0

    def url(self, host="127.0.0.1", **options):
        query = "&".join(f"{key}={value}" for key, value in options.items())
        return f"postgresql://e2e@{host}:{self.port}/postgres?{query}"

    def sql(self, text):
        """Runs statements by psql, outside of the group; rows as text."""
        return subprocess.run(
            ["psql", "-qXAt", "-v", "ON_ERROR_STOP=1", self.url(), "-c", text],
            check=True, capture_output=True, text=True,
        ).stdout.splitlines()  # fmt: skip

    def pgbench(self, *flags, host="127.0.0.1"):
        """The wrapper of Debian would be a Perl script's name: the program itself."""
        return self.bed.run(
            [self.programs / "pgbench", "-h", host, "-p", self.port, "-U", "e2e", "-n", *flags,
             "postgres"]
        )  # fmt: skip

    def book(self):
        return PostgresBook(self.log)

    def stop(self):
        self.process.stop()


NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
	log_format book "$request_method\\t$uri\\t$status\\t$request_time";
	access_log {folder}/access.log book;
	client_body_temp_path {folder}/body;
	proxy_temp_path {folder}/proxy;
	fastcgi_temp_path {folder}/fastcgi;
	uwsgi_temp_path {folder}/uwsgi;
	scgi_temp_path {folder}/scgi;
	keepalive_requests 1000000;
	client_max_body_size 100m;
	sendfile on;
	if_modified_since before;
	default_type application/octet-stream;
	upstream backend {{ server 127.0.0.1:{backend}; keepalive 32; }}
	server {{
		listen 127.0.0.1:{port};
		listen 127.0.0.1:{proxied} proxy_protocol;
		listen unix:{folder}/socket;
		root {folder}/www;
		location = /nothing {{ return 204; }}
		location = /small {{ client_max_body_size 1k; proxy_pass http://backend; }}
		location /proxied/ {{
			proxy_pass http://backend/;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
		}}
	}}
	server {{
		listen 127.0.0.1:{backend};
		root {folder}/www;
		access_log {folder}/backend.log book;
		location = /sink {{ return 200 "taken"; }}
	}}
}}
"""


class Nginx:
    """A server and, on a second port, another behind it, reached by /proxied/; the first one also
    at the Unix socket `socket`, and behind PROXY protocol at the port `proxied`."""

    def __init__(self, bed):
        self.port, self.backend, self.proxied = bed.port(), bed.port(), bed.port()
        self.folder = bed.folder / "nginx"
        self.socket = self.folder / "socket"
        www = self.folder / "www"
        www.mkdir(parents=True)
        (www / "index.html").write_text("hello\n")
        (www / "hello").write_text("hello\n")
        (www / "page").write_text("x" * 8000)
        with open(www / "large", "wb") as file:
            file.truncate(1 << 30)
        os.chmod(bed.folder, 0o755)
        if os.geteuid() == 0:  # the worker is another user's
            for name in ("body", "proxy"):
                (self.folder / name).mkdir()
                shutil.chown(self.folder / name, "www-data")
        self.access, self.backend_access = self.folder / "access.log", self.folder / "backend.log"
        config = self.folder / "nginx.conf"
        config.write_text(
            NGINX.format(folder=self.folder, port=self.port, backend=self.backend,
                         proxied=self.proxied)  # fmt: skip
        )
        self.process = bed.start(
            "nginx", ["nginx", "-e", "stderr", "-p", self.folder, "-c", config], end=signal.SIGQUIT
        )
        self.process.wait_for(lambda: accepts(self.port))

    def stop(self):
        self.process.stop()


class Uvicorn:
    """apps/FILE.py's `app`; the observer calls it "uvicorn FILE:app"."""

    def __init__(self, bed, name, *flags):
        self.port = bed.port()
        self.service = f"uvicorn {name}:app"
        self.process = bed.start(
            name,
            [Path(sys.executable).parent / "uvicorn", f"{name}:app", "--app-dir", APPS,
             "--host", "127.0.0.1", "--port", self.port, "--no-access-log", *flags],
        )  # fmt: skip
        self.process.wait_for(lambda: accepts(self.port))

    def stop(self):
        self.process.stop()


class Script:
    """apps/FILE, run by `interpreter` with its port as argument."""

    def __init__(self, bed, file, interpreter=sys.executable):
        self.port = bed.port()
        self.service = file
        self.process = bed.start(
            file.replace(".", "-"), [interpreter, APPS / file, self.port]
        )
        self.process.wait_for(lambda: accepts(self.port))

    def stop(self):
        self.process.stop()
