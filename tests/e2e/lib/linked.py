# SPDX-License-Identifier: Apache-2.0
"""Traces that go through several services: whole, or where they end."""

from collections import Counter

from . import traced
from .traced import WARM, observing, settle
from .traces import CLIENT, SERVER

__all__ = ["CLIENT", "SERVER", "judged", "observing", "settle", "warm_up"]


def warm_up(loads, paths):
    """As lib.traced has it; by what loads paths."""
    traced.warm_up(lambda: loads(paths, 16, 32, WARM, 0))


def _marked(span):
    """The path's place and number, if it has those."""
    place, _, number = (span["url.path"] or "").rpartition("/")
    return place.strip("/"), int(number) if number.isdecimal() else -1


def judged(traces, first, count, *way):
    """How many of the numbers from `first` on have the whole way, of (kind, path) each below the
    one before, in their trace. Else why not; what is below another number's span is `wrong`."""
    found = Counter()
    spans = {}
    for span in traces.spans:
        path, number = _marked(span)
        if first <= number < first + count:
            spans.setdefault((number, span.kind, path), []).append(span)
            parent = traces.parent(span)
            if parent and _marked(parent)[1] not in (-1, number):
                found["wrong"] += 1
    for number in range(first, first + count):
        above, verdict = None, "whole"
        for kind, path in way:
            here = spans.get((number, kind, path), [])
            if len(here) != 1:
                verdict = f"{len(here)} of {path} {kind}"
                break
            if above and traces.parent(here[0]) is not above:
                verdict = f"split above {path} {kind}"
                break
            above = here[0]
        found[verdict] += 1
    return dict(found)
