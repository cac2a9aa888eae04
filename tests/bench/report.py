# SPDX-License-Identifier: Apache-2.0
"""The figures and whether they reach their goals, for people and for programs."""

import json
import os
import platform
from dataclasses import asdict, dataclass
from statistics import median


@dataclass
class Row:
    section: str
    name: str
    unit: str
    figure: float | None  # the median
    least: float | None = None
    most: float | None = None
    goal: str = ""  # ">= 0.95"; "" where there is none
    note: str = ""
    command: str = ""

    @property
    def reached(self):
        if not self.goal or self.figure is None:
            return None
        relation, bound = self.goal.split()
        bound = float(bound)
        if relation == "=":
            return self.figure == bound
        return self.figure >= bound if relation == ">=" else self.figure <= bound


def spread(section, name, unit, values, goal="", note="", command=""):
    """A row of several measurements."""
    return Row(section, name, unit, median(values), min(values), max(values), goal, note, command)


def digits(value):
    if value is None:
        return "-"
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    if abs(value) < 10:
        return f"{value:.3f}"
    return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"


class Report:
    def __init__(self, settings):
        self.settings = settings
        self.rows = []

    def add(self, row):
        self.rows.append(row)
        print("  " + self._line(row).strip("| "), flush=True)

    def _line(self, row):
        reached = {True: "yes", False: "**no**", None: ""}[row.reached]
        between = "" if row.least is None else f"{digits(row.least)} to {digits(row.most)}"
        cells = [row.name, digits(row.figure), row.unit, between, row.goal, reached, row.note]
        return "| " + " | ".join(cells) + " |"

    def markdown(self):
        lines = ["# What the observer costs", "", self._machine(), ""]
        for section in dict.fromkeys(row.section for row in self.rows):
            rows = [row for row in self.rows if row.section == section]
            lines += [f"## {section}", ""]
            lines += ["| | figure | unit | least to most | goal | reached | |", "|---" * 7 + "|"]
            lines += [self._line(row) for row in rows]
            commands = dict.fromkeys((row.name, row.command) for row in rows if row.command)
            lines += ["", *(f"- {name}: `{command}`" for name, command in commands)]
            lines += [""] if commands else []
        return "\n".join(lines).rstrip() + "\n"

    def _machine(self):
        about = ", ".join(f"{name} {value}" for name, value in self.settings.items())
        return f"Linux {platform.release()}, {os.cpu_count()} processors; {about}."

    def write(self, folder):
        rows = [asdict(row) | {"reached": row.reached} for row in self.rows]
        text = {"machine": self._machine(), "settings": self.settings, "rows": rows}
        (folder / "report.json").write_text(json.dumps(text, indent=1) + "\n")
        (folder / "report.md").write_text(self.markdown())
        missed = [row.name for row in self.rows if row.reached is False]
        judged = sum(row.reached is not None for row in self.rows)
        print(f"{judged - len(missed)} of {judged} goals reached; {folder / 'report.md'}")
