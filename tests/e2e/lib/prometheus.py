# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus."""

import json
import urllib.parse
import urllib.request

from .process import accepts

SCRAPE_SECONDS = 1
CONFIG = """
global:
  scrape_interval: {interval}s
  scrape_timeout: {interval}s
scrape_configs:
  - job_name: onlooker
    honor_labels: true
    static_configs:
      - targets: ["127.0.0.1:{target}"]
"""


class Prometheus:
    """A server that scrapes an observer's port."""

    def __init__(self, bed, target, *flags):
        self.port = bed.port()
        config = bed.folder / f"prometheus-{target}.yml"
        config.write_text(CONFIG.format(interval=SCRAPE_SECONDS, target=target))
        self.process = bed.start(
            f"prometheus-{target}",
            ["prometheus", f"--config.file={config}",
             f"--storage.tsdb.path={bed.folder}/tsdb-{target}",
             f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn", *flags],
            watched=False,
        )  # fmt: skip
        self.process.wait_for(lambda: accepts(self.port))

    def ask(self, what, **parameters):
        """What the API answers to /api/v1/WHAT."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url) as answer:
            found = json.load(answer)
        assert found["status"] == "success"
        return found["data"]

    def query(self, expression):
        """The vector that an expression gives now, as (labels, value)."""
        found = self.ask("query", query=expression)
        assert found["resultType"] == "vector"
        return [(item["metric"], float(item["value"][1])) for item in found["result"]]

    def value(self, expression):
        found = self.query(expression)
        assert len(found) == 1, f"{expression}: {found}"
        return found[0][1]
