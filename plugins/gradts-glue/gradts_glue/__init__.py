"""The tasks of GLUE (Wang et al., 2019), by their GLUE names."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gradts_engine.contracts import TaskSpec
from gradts_engine.hooks.specs import hookimpl
from gradts_engine.learning.published import Published

REVISION = "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"
"""The commit of the Hub's nyu-mll/glue that is read."""

HOW = (
    "Let the Hub's nyu-mll/glue be downloaded, or put train.jsonl and dev.jsonl into the folder tasks/{} of a data folder and "
    "name that in GRADTS_DATA or in options = {{data = ...}}"
)


@dataclass(frozen=True, kw_only=True)
class Glue:
    """A task of GLUE: its text columns on the Hub, its classes in the Hub's order (none: a number), and what is said about it."""

    columns: Sequence[str]
    labels: Sequence[str] = ()
    metric: str = "accuracy"
    description: str
    licence: str
    citation: str


TABLES = tomllib.loads(Path(__file__).with_name("tasks.toml").read_text(encoding="utf-8"))
TASKS = {name: Glue(**table) for name, table in TABLES.items()}


def _spec(name: str, task: Glue, registered: str, dev: tuple[str, str]) -> TaskSpec:
    """`dev`: the split in a data folder and on the Hub. There is no test split: GLUE's test labels are not public."""
    pair = len(task.columns) == 2
    columns = dict(zip(task.columns, ("text_a", "text_b") if pair else ("text",), strict=True)) | {"label": "label"}

    def source(split: str, hub_split: str) -> Published:
        return Published(
            folder=name,
            split=split,
            hub=f"nyu-mll/glue/{name}",
            hub_split=hub_split,
            columns=columns,
            revision=REVISION,
            names={str(i): label for i, label in enumerate(task.labels)},
            how=HOW.format(name),
        )

    return TaskSpec(
        name=registered,
        type="classification" if task.labels else "regression",
        train=source("train", "train"),
        dev=source(*dev),
        text=("text_a", "text_b") if pair else "text",
        labels=tuple(task.labels) or None,
        metric=task.metric,
        description=task.description,
        licence=task.licence,
        citation=task.citation,
    )


@hookimpl
def gradts_tasks() -> Sequence[TaskSpec]:
    """All of GLUE, and MNLI judged by other genres than it is trained on."""
    tasks = [
        _spec(name, task, name, ("dev", "validation_matched" if name == "mnli" else "validation")) for name, task in TASKS.items()
    ]
    return [*tasks, _spec("mnli", TASKS["mnli"], "mnli-mismatched", ("dev_mismatched", "validation_mismatched"))]
