# SPDX-License-Identifier: Apache-2.0
"""Reads the Prometheus text format, and compares two scrapes."""

import re
from collections import Counter

_SAMPLE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? ([^ #]+)(?: # .*)?$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)",?')
_ESCAPE = re.compile(r"\\(.)")


def _unescape(text):
    return _ESCAPE.sub(lambda match: "\n" if match[1] == "n" else match[1], text)


class Scrape:
    """What one scrape said: samples by name and labels."""

    def __init__(self, text):
        self.text = text
        self.samples = {}
        self.types = {}
        for line in text.split("\n"):
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                self.types[name] = kind
            if not line or line.startswith("#"):
                continue
            match = _SAMPLE.match(line)
            assert match, f"not a sample: {line!r}"
            labels = {name: _unescape(value) for name, value in _LABEL.findall(match[2] or "")}
            key = (match[1], frozenset(labels.items()))
            assert key not in self.samples, f"twice: {line!r}"
            self.samples[key] = float(match[3])

    def select(self, name, **match):
        """The samples of a name whose labels are as given, as (labels, value)."""
        wanted = {label.rstrip("_"): value for label, value in match.items()}
        for (sample, labels), value in self.samples.items():
            if sample == name:
                found = dict(labels)
                if all(found.get(label) == value for label, value in wanted.items()):
                    yield found, value

    def total(self, name, **match):
        return sum(value for _, value in self.select(name, **match))

    def by(self, name, *labels, **match):
        """The values summed up by some labels; by a single one the keys are its values."""
        result = Counter()
        for found, value in self.select(name, **match):
            key = tuple(found.get(label) for label in labels)
            result[key if len(labels) > 1 else key[0]] += int(value)
        return Counter({key: value for key, value in result.items() if value})

    def settled(self, other):
        """Whether nothing that the tests compare has moved between two scrapes."""
        return self._compared() == other._compared()

    def told(self):
        """How many records the observer has read, by kind."""
        return self.by("onlooker_events_total", "kind")

    def _compared(self):
        own = ("onlooker_", "process_")
        return {key: value for key, value in self.samples.items() if not key[0].startswith(own)}


class Delta(Scrape):
    """What was added to counters and histograms between two scrapes; gauges as they are after."""

    def __init__(self, before, after):
        self.text = after.text
        self.types = after.types
        self.samples = {}
        for (name, labels), value in after.samples.items():
            gauge = self.types.get(name) == "gauge"
            old = 0 if gauge else before.samples.get((name, labels), 0)
            self.samples[name, labels] = value - old

    def mean(self, histogram, **match):
        """The mean of what a histogram observed, in seconds."""
        count = self.total(f"{histogram}_count", **match)
        assert count > 0, f"{histogram} {match}: nothing observed"
        return self.total(f"{histogram}_sum", **match) / count
