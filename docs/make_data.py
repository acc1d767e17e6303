"""Writes the table of metrics in data.md from the metrics themselves: `python docs/make_data.py`."""

from __future__ import annotations

import re
from pathlib import Path

from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.learning.metrics import METRICS

PAGE = Path(__file__).with_name("data.md")
BEGIN, END = "<!-- metrics: written by docs/make_data.py -->\n", "<!-- end of metrics -->"


def data() -> str:
    """The page with its table as it should be."""
    types = {name: spec.metrics for name, spec in load_catalog().task_types.items()}
    rows = ["| metric | from, to | of | what it is |", "|---|---|---|---|"]
    for name, metric in METRICS.items():
        of = ", ".join(f"`{kind}`" for kind, names in types.items() if name in names)
        rows.append(f"| `{name}` | {metric.low:g}, {metric.high:g} | {of} | {metric.description} |")
    table = "\n".join(rows)
    return re.sub(
        f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: f"{BEGIN}{table}\n{END}", PAGE.read_text("utf-8"), flags=re.DOTALL
    )


if __name__ == "__main__":
    PAGE.write_text(data(), encoding="utf-8")
