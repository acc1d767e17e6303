"""The measured ratios as the README shows them: a line a benchmark, from the rows of the JSON file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from benchmarks.frame import shown

BEGIN, END = "<!-- benchmarks: written by make bench -->", "<!-- end of benchmarks -->"
MEANING = {
    "checkpoints": "saving the state of a training of minutes, with the default interval",
    "cluster": "one worker of Ray against threads in one process, a run of minutes; a record from a worker to the engine",
    "formats": "bfloat16 in the gradient pass: its seconds, and what it changes against what another seed of the training does",
    "memory": "largest memory of scoring: against 1,000 rows, and at a length",
    "overhead": "the boundary between driver and worker: a job there and back, one that is found, the steps of a training",
    "pipeline": "a run up to the ranking against the published recipe; a fourth task added to three; nothing changed",
    "plan": "seconds that a run was planned to take against those that it took, the longer by the shorter",
    "scale": "a run of many tasks with a tiny encoder, by task; a store of many runs",
    "scoring": "the gradient pass against the published method; against a bare forward and backward pass (limit)",
    "scores": "what is missing to a perfect dev score after our training loop against a plain one, five seeds",
    "settled": "scoring until a ranking is settled, as a share of the pass; by how much tau of two tasks then differs",
    "steps": "a training step against one with torch's dropout, with states in float32, with weights cast one by one",
    "startup": "commands that compute nothing",
    "tau": "rank correlations of 10,000 instances against scipy's, by primaries x heads",
    "training": "the training loop against a plain one",
    "tui": "the terminal UI",
}


def update(readme: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Put the table in the place that the markers hold."""
    text = readme.read_text(encoding="utf-8")
    made = f"{BEGIN}\n{table(rows)}\n{END}"
    readme.write_text(re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: made, text, flags=re.DOTALL), encoding="utf-8")


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Markdown. A case that misses its target says what that is."""
    lines = ["| benchmark | median (lowest to highest turn) |", "|---|---|"]
    for name, group in groupby(sorted(rows, key=lambda row: str(row["name"])), lambda row: str(row["name"])):
        lines.append(f"| {MEANING[name]} | {'; '.join(map(_case, group))} |")
    places = sorted({(row["machine"], row["threads"], row["date"]) for row in rows})
    where = "; ".join(f"{machine}, {threads} threads, {date}" for machine, threads, date in places)
    versions = ", ".join(f"{package} {version}" for package, version in rows[-1]["versions"].items())
    return "\n".join([*lines, "", f"Measured on {where} ({versions}). `x` is how many times, from turns that both sides take."])


def _case(row: Mapping[str, Any]) -> str:
    unit = "x" if row["unit"] == "x" else f" {row['unit']}"
    numbers = f"{shown(row['ratio'])}{unit} ({shown(row['low'])} to {shown(row['high'])})"
    return f"{row['case']} **{numbers}**" if row["met"] else f"{row['case']} {numbers}, target {shown(row['target'])}{unit}"
