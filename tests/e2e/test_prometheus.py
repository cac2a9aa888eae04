# SPDX-License-Identifier: Apache-2.0
"""The exposition: what Prometheus makes of it."""

import json
import subprocess
from collections import Counter

import pytest
from lib.process import wait_until
from lib.prometheus import SCRAPE_SECONDS, Prometheus
from prometheus_client.openmetrics import parser


def load(bed, redis, postgres, fastapi):
    """A known mixture; returns how many requests and how many of them fail."""
    bed.call("web.keepalive", fastapi.port, 40, "/items/7")
    bed.call("web.libraries", fastapi.port, 10)
    bed.call("web.parallel", fastapi.port, 2, 20, "/sleep", True)
    bed.run(["redis-benchmark", "-p", redis.port, "-q", "-n", "2000", "-c", "2", "-t", "get,set"])
    script = bed.folder / "one.sql"
    script.write_text("SELECT 1;\n")
    postgres.pgbench("-f", script, "-t", "500")
    return 40 + 30 + 3 + 40, 3


@pytest.fixture(scope="module")
def prometheus(bed, observer, redis, postgres, fastapi):
    """A Prometheus that saw the load twice, each time at rest before and after, while two
    transactions are open."""
    server = Prometheus(bed, observer.port)
    seen = f"count_over_time(up[1h]) * {SCRAPE_SECONDS}"

    def scrapes(count):
        goal = sum(value for _, value in server.query(seen)) + count
        wait_until(lambda: sum(value for _, value in server.query(seen)) >= goal, 20)

    with bed.start_call("pg.hold", postgres.url(), 30, 1, 1, 2, name="pool"):
        for _ in range(2):
            server.load = load(bed, redis, postgres, fastapi)
            observer.settle()
            scrapes(2)
        yield server
    server.process.stop()


def test_target_is_up(prometheus):
    assert prometheus.query("up")[0][1] == 1
    assert prometheus.value("scrape_samples_scraped") > 100


def test_counts_are_the_loads(prometheus, fastapi):
    requests, failed = prometheus.load
    service = f'{{service="{fastapi.service}"}}'
    assert prometheus.value(f"sum(http_requests_total{service})") == 2 * requests
    assert prometheus.value('sum(http_requests_total{status=~"5.."})') == 2 * failed
    assert prometheus.value('sum(redis_commands_total{operation="GET"})') == 4000
    assert prometheus.value('sum(db_queries_total{service="pgbench",operation="SELECT"})') >= 1000


def test_request_rate(prometheus, fastapi):
    rates = prometheus.query("rate(http_requests_total[5m])")
    found = {(m["method"], m["endpoint"], m["status"]) for m, value in rates if value > 0}
    assert found == {
        ("GET", "/items/{id}", "200"),
        ("GET", "/items/{id}", "404"),
        ("POST", "/items", "201"),
        ("GET", "/boom", "500"),
        ("GET", "/sleep", "200"),
    }
    assert {labels["service"] for labels, _ in rates} == {fastapi.service}


def test_error_rate(prometheus):
    errors = prometheus.query('rate(http_requests_total{status=~"5.."}[5m])')
    assert [labels["endpoint"] for labels, _ in errors] == ["/boom"]
    requests, failed = prometheus.load
    ratio = prometheus.value(
        'sum(rate(http_requests_total{status=~"5.."}[5m])) / sum(rate(http_requests_total[5m]))'
    )
    assert abs(ratio - failed / requests) < 0.1 * failed / requests


def test_latency_quantiles(prometheus):
    """The guide's expressions; by the median, which others on the processors hardly move."""
    for expression in (
        "histogram_quantile({}, rate(http_request_duration_seconds_bucket[5m]))",
        "histogram_quantile({}, http_request_duration_seconds_bucket)",
    ):
        found = quantiles(prometheus, expression, "endpoint", 0.5)
        assert 0.05 <= found["/sleep"] <= 0.1
        assert 0 < found["/items/{id}"] <= 0.05
        most = quantiles(prometheus, expression, "endpoint", 0.95)
        assert most.keys() == found.keys()
        assert all(most[endpoint] >= found[endpoint] for endpoint in found)
    expression = "histogram_quantile({}, rate(redis_command_duration_seconds_bucket[5m]))"
    found = quantiles(prometheus, expression, "operation", 0.5)
    most = quantiles(prometheus, expression, "operation", 0.99)
    for operation in ("GET", "SET"):
        assert 0 < found[operation] < 0.01
        assert most[operation] >= found[operation]


def quantiles(prometheus, expression, label, quantile):
    """By a label; those without any observation left out."""
    found = prometheus.query(expression.format(quantile))
    return {labels[label]: value for labels, value in found if value == value}


def test_pool_utilisation(prometheus):
    found = prometheus.query("db_connection_pool_size / 20")
    values = Counter({labels["service"]: value for labels, value in found if value})
    assert values == {"client.py": 3 / 20}


def test_range_query(prometheus):
    """http_requests_total over time never falls."""
    now = prometheus.value("vector(time())")
    found = prometheus.ask(
        "query_range", query="sum(http_requests_total)", start=now - 60, end=now, step=1
    )
    values = [float(v) for _, v in found["result"][0]["values"]]
    assert values == sorted(values) and values[-1] > values[0] >= 0


def test_promtool_is_content(observer, prometheus):
    status, headers, text = observer.get("/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_openmetrics(observer, prometheus):
    accept = "application/openmetrics-text; version=1.0.0"
    status, headers, text = observer.get("/metrics", accept)
    assert status == 200
    assert headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert text.endswith("\n# EOF\n")
    assert "# TYPE http_requests counter" in text.splitlines()
    # The reference parser is strict about everything that the format says.
    families = {family.name: family for family in parser.text_string_to_metric_families(text)}
    assert families["http_request_duration_seconds"].type == "histogram"
    assert families["http_requests"].type == "counter"
    assert not any(sample.exemplar for family in families.values() for sample in family.samples)


def test_every_family_has_help_and_type(observer, prometheus):
    scrape = observer.scrape()
    lines = scrape.text.splitlines()
    helps = {line.split(" ")[2] for line in lines if line.startswith("# HELP ")}
    for name, _ in scrape.samples:
        family = name
        for suffix in ("_bucket", "_sum", "_count"):
            if scrape.types.get(name.removesuffix(suffix)) == "histogram":
                family = name.removesuffix(suffix)
        assert family in scrape.types and family in helps, name


def test_own_metrics(observer, prometheus):
    scrape = observer.scrape()
    [(labels, value)] = scrape.select("onlooker_build_info")
    assert value == 1 and labels.keys() == {"version", "revision"}
    assert scrape.total("onlooker_backend") == 1
    assert scrape.total("onlooker_events_total") > 1000
    messages = scrape.by("onlooker_messages_total", "protocol")
    assert messages.keys() == {"http", "postgresql", "redis"}
    assert scrape.total("onlooker_parse_errors_total") == 0
    assert scrape.total("onlooker_events_lost_total") == 0
    assert list(scrape.select("onlooker_identities_refused_total")) == [({}, 0)]
    assert scrape.total("onlooker_series") > 100
    assert scrape.total("process_resident_memory_bytes") > 1 << 20
    assert scrape.total("process_cpu_seconds_total") > 0
    families = ("http", "db", "redis", "tcp")
    for (name, labels), _ in scrape.samples.items():
        if name.startswith(families):
            assert {"service", "namespace", "pod", "container"} <= dict(labels).keys(), name


def test_unknown_paths(observer):
    assert observer.get("/")[0] in (200, 404)
    assert observer.get("/nosuch")[0] == 404
    status, headers, text = observer.get("/health")
    assert status == 200 and json.loads(text)
