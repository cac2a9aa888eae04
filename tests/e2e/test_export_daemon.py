# SPDX-License-Identifier: Apache-2.0
"""The exporter within the observer: when it is there, what it costs, how it is configured."""

import json
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from lib.observer import Observer, binary, sanitized
from lib.process import free_port, wait_until
from lib.receiver import Receiver

REASONS = {"queue_full", "too_large", "rejected", "refused", "unclear_answer", "unreachable",
           "shutdown"}  # fmt: skip
COST = 14 << 20  # of memory: mostly the TLS library
CLEAN = ("env", *(word for name in os.environ if name.startswith("OTEL_") for word in ("-u", name)))


@contextmanager
def observing(bed, name, traces, *variables):
    observer = Observer(
        bed.folder, free_port(), bed.watch() | {"traces": traces}, name=f"export-{name}",
        prefix=(*CLEAN, *variables),
    )  # fmt: skip
    try:
        yield observer
    finally:
        observer.stop()


def threads(observer):
    return len(list(Path(f"/proc/{observer.process.pid}/task").iterdir()))


def has_library(observer):
    return "libcurl" in Path(f"/proc/{observer.process.pid}/maps").read_text()


def test_off(bed):
    """No endpoint: no thread, no library; the families are there all the same."""
    with observing(bed, "off", {}) as observer:
        scrape = observer.scrape()
        dropped = [(labels["reason"], n) for labels, n in
                   scrape.select("onlooker_spans_dropped_total")]  # fmt: skip
        assert sorted(dropped) == sorted((reason, 0) for reason in REASONS)
        for name in ("onlooker_spans_exported_total", "onlooker_export_failures_total"):
            [(_, count)] = scrape.select(name)
            assert count == 0
        assert threads(observer) == 1 and not has_library(observer)


@pytest.mark.skipif(sanitized(), reason="the sanitizers' memory is not its own")
def test_on(bed):
    with Receiver() as receiver:
        variable = f"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT={receiver.url}"
        with observing(bed, "without", {}) as observer:
            before = observer.scrape().total("process_resident_memory_bytes")
        with observing(bed, "on", {}, variable) as observer:
            assert threads(observer) == 2 and has_library(observer)
            scrape = observer.scrape()
            assert before < scrape.total("process_resident_memory_bytes") < before + COST
            dropped = {
                labels["of"]: n
                for labels, n in scrape.select("onlooker_trace_details_dropped_total")
            }
            assert dropped == {"statement": 0, "prepared_statement": 0, "message": 0}
        with observing(bed, "disabled", {}, variable, "OTEL_SDK_DISABLED=true") as observer:
            assert threads(observer) == 1


def test_dead_collector(bed, redis):
    """Costs nothing that is counted."""
    endpoint = f"http://127.0.0.1:{free_port()}/v1/traces"
    with observing(bed, "dead", {"endpoint": endpoint, "delay": 0.05}) as observer:
        with observer.window() as window:
            bed.run(["redis-benchmark", "-p", redis.port, "-q", "-n", "5000", "-c", "4", "-t",
                     "set"])  # fmt: skip
        assert window.counts("redis_server_commands_total", "operation")["SET"] == 5000


def test_reread(bed):
    """The exporter stays as it was, whatever becomes of the texts that it was made from."""
    with Receiver() as receiver:
        with observing(bed, "reread", {"endpoint": receiver.url, "service": "one"}) as observer:
            for number in range(20):
                traces = {"endpoint": receiver.url, "service": f"number {number}", "ratio": 0.5}
                observer.write_config(bed.watch() | {"traces": traces})
                observer.process.send_signal(1)
                wait_until(
                    lambda n=number: observer.log_text().count("configuration reread") == n + 1
                )
            assert "traces" in observer.log_text() and "with a restart only" in observer.log_text()
            assert threads(observer) == 2


@pytest.mark.parametrize(
    "variable, named",
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT=localhost:4318", "OTEL_EXPORTER_OTLP_ENDPOINT: expected a"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT=soon", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: expected"),
        ("OTEL_TRACES_SAMPLER=some", "OTEL_TRACES_SAMPLER: expected"),
        ("OTEL_EXPORTER_OTLP_HEADERS=Authorization Bearer s3cret", "_HEADERS: expected"),
    ],
)
def test_wrong_variable(variable, named):
    done = run((*CLEAN, variable))
    assert done.returncode == 2 and done.stdout == ""
    assert named in done.stderr and "s3cret" not in done.stderr


@pytest.mark.parametrize("host", [":4318", "host:99999", "host:otlp", "[::1", "me:s3cret@:1"])
def test_no_such_url(tmp_path, host):
    config = tmp_path / "onlooker.json"
    config.write_text(json.dumps({"traces": {"endpoint": f"http://{host}/v1/traces"}}))
    done = run(CLEAN, "--config", config)
    assert done.returncode == 2 and "s3cret" not in done.stderr
    assert done.stderr.startswith("onlooker: traces.endpoint: cannot be posted to: ")


@pytest.mark.parametrize("key", ["certificate", "client_certificate", "client_key"])
def test_no_such_file(tmp_path, key):
    config = tmp_path / "onlooker.json"
    traces = {"endpoint": "https://127.0.0.1/", key: "/nosuch"}
    config.write_text(json.dumps({"traces": traces}))
    done = run(CLEAN, "--config", config)
    assert done.returncode == 2
    assert f"traces.{key}: /nosuch: No such file or directory" in done.stderr


def run(prefix, *arguments):
    return subprocess.run(
        [*prefix, binary(), "--listen", f"127.0.0.1:{free_port()}", *arguments],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10,
    )  # fmt: skip
