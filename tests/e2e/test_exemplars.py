# SPDX-License-Identifier: Apache-2.0
"""From a histogram to a trace: what Prometheus shows is what the collector has got."""

import time

import pytest
from lib.process import wait_until
from lib.prometheus import Prometheus
from lib.receiver import Receiver
from lib.traces import CLIENT, SERVER, Traces
from prometheus_client.openmetrics import parser

ACCEPT = "application/openmetrics-text; version=1.0.0"
KINDS = {
    "http_request_duration_seconds": SERVER,
    "http_client_request_duration_seconds": CLIENT,
    "db_query_duration_seconds": CLIENT,
    "redis_command_duration_seconds": CLIENT,
}
REQUESTS = 200


@pytest.fixture(scope="module")
def kept(bed, start_observer, redis, postgres, fastapi):
    """A scrape, its text in the plain format, what Prometheus has, and all spans: half of the
    traces were kept."""
    with Receiver() as receiver:
        traces = {"endpoint": receiver.url, "sampler": "traceidratio", "ratio": 0.5, "slow": 60,
                  "delay": 0.1}  # fmt: skip
        observer = start_observer(bed.watch() | {"traces": traces})
        server = Prometheus(bed, observer.port, "--enable-feature=exemplar-storage")
        bed.call("web.keepalive", fastapi.port, REQUESTS, "/items/7")
        bed.run(["redis-benchmark", "-p", redis.port, "-q", "-n", "200", "-c", "2", "-t", "get"])
        script = bed.folder / "exemplars.sql"
        script.write_text("SELECT 1;\n")
        postgres.pgbench("-f", script, "-t", "200")
        observer.settle_traces()
        text, plain = observer.get("/metrics", ACCEPT)[2], observer.get("/metrics")[2]
        scraped = server.ask("query", query="time()")["result"][0]
        wait_until(lambda: server.query(f"timestamp(up) > {scraped} + 1"), 20)
        now = time.time()
        found = {name: server.ask("query_exemplars", query=f"{name}_bucket", start=now - 600,
                                  end=now) for name in KINDS}  # fmt: skip
        server.process.stop()
        observer.stop()
        return text, plain, found, Traces(receiver)


def exemplars(text):
    """Every bucket that has one, as (family, labels, bound below, exemplar)."""
    for family in parser.text_string_to_metric_families(text):
        below, before = 0, None
        for sample in family.samples:
            if sample.name != f"{family.name}_bucket":
                continue
            labels = {name: value for name, value in sample.labels.items() if name != "le"}
            below, before = below if labels == before else 0, labels
            if sample.exemplar:
                yield family.name, sample.labels, below, sample.exemplar
            below = float(sample.labels["le"])


def test_lead_to_spans(kept):
    """Each to the span of the observation: of its kind, its duration, its end."""
    text, _, _, traces = kept
    seen = set()
    for name, labels, below, exemplar in exemplars(text):
        span = traces.by_id[exemplar.labels["span_id"]]
        assert span.trace == exemplar.labels["trace_id"]
        assert span.kind == KINDS[name]
        assert (span.end - span.begin) / 1e9 == pytest.approx(exemplar.value, abs=2e-9)
        assert below < exemplar.value <= float(labels["le"])
        assert abs(span.end / 1e9 - float(exemplar.timestamp)) < 0.01
        assert span.service == labels["service"]
        seen.add(name)
    assert seen == KINDS.keys()


def test_only_kept_ones(kept):
    """Half of the requests have a span, and an exemplar is of one of those."""
    _, _, _, traces = kept
    served = [span for span in traces.spans if span.kind == SERVER]
    assert REQUESTS * 0.25 < len(served) < REQUESTS * 0.75


def test_plain_text_has_none(kept):
    _, plain, _, _ = kept
    assert "trace_id" not in plain and "http_request_duration_seconds_bucket{" in plain


def test_prometheus_has_them(kept):
    _, _, found, traces = kept
    for name, series in found.items():
        assert series, name
        for one in series:
            assert one["seriesLabels"]["__name__"] == f"{name}_bucket"
            assert one["exemplars"]
            for exemplar in one["exemplars"]:
                span = traces.by_id[exemplar["labels"]["span_id"]]
                assert span.trace == exemplar["labels"]["trace_id"] and span.kind == KINDS[name]
