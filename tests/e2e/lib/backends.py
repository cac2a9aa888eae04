# SPDX-License-Identifier: Apache-2.0
"""Real receivers of traces, built once by tests/backends/get, and what they say they received."""

import json
import re
import signal
import subprocess
import urllib.request

import pytest

from .process import HERE, Process, accepts, free_port

GET = HERE.parent / "backends" / "get"
NO_GO = 3


def program(name):
    done = subprocess.run([GET, name], stdout=subprocess.PIPE, text=True, timeout=1800)
    if done.returncode == NO_GO:
        pytest.skip(f"there is no Go to build {name} with")
    assert done.returncode == 0
    return done.stdout.strip()


COLLECTOR = """
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{port}"}}}}}}}}
exporters: {{debug: {{verbosity: detailed}}, otlp: {{endpoint: "{to}", tls: {{insecure: true}}}}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [{exporters}]}}}}
"""
# "    Name           : GET" and "     -> http.route: Str(/api)"
_FIELD = re.compile(r"^    (\S[^:]*?) *: ?(.*)$")
_ATTRIBUTE = re.compile(r"^     -> ([^:]+): (\w+)\((.*)\)$", re.S)


class Collector:
    """An OpenTelemetry Collector that writes down what it receives (its debug exporter), and hands
    it on to the gRPC port `to` where one is given."""

    def __init__(self, bed, to=None):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/v1/traces"
        config = bed.folder / "collector.yaml"
        config.write_text(
            COLLECTOR.format(
                port=self.port,
                to=f"127.0.0.1:{to or 0}",
                exporters="debug, otlp" if to else "debug",
            )
        )
        command = [program("collector"), "--config", config]
        self.process = Process(bed, "collector", command, watched=False)
        self.process.wait_for(lambda: accepts(self.port))

    def spans(self):
        """Every span received so far: its fields, `attributes` and `resource`, as texts."""
        spans, resource, into = [], {}, {}
        for line in self.process.log_text().splitlines():
            field, attribute = _FIELD.match(line), _ATTRIBUTE.match(line)
            if line.startswith("Resource attributes:"):
                into = resource = {}
            elif line.startswith("Span #"):
                into = {}
                spans.append({"attributes": into, "resource": resource})
            elif attribute:
                into[attribute[1]] = f"{attribute[2]} {attribute[3]}"
            elif field and spans:
                spans[-1][field[1]] = field[2]
        return spans

    def stop(self):
        self.process.stop()


class Jaeger:
    def __init__(self, bed):
        self.port = free_port()
        self.query_port = free_port()
        self.grpc_port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/v1/traces"
        ports = {
            "collector.otlp.http": self.port,
            "query.http-server": self.query_port,
            "collector.otlp.grpc": self.grpc_port,
            "collector.http-server": free_port(),
            "collector.grpc-server": free_port(),
            "query.grpc-server": free_port(),
            "admin.http": free_port(),
        }
        flags = [f"--{name}.host-port=127.0.0.1:{port}" for name, port in ports.items()]
        command = [program("jaeger"), *flags]
        self.process = Process(bed, "jaeger", command, watched=False, end=signal.SIGKILL)
        self.process.wait_for(lambda: accepts(self.port) and accepts(self.query_port))

    def ask(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.query_port}/api/{path}") as answer:
            return json.load(answer)["data"]

    def stop(self):
        self.process.stop()
