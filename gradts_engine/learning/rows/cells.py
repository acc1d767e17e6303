"""Cells that hold several values: words or classes in a string, a class in each of several columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradts_engine.contracts import Row, TaskSpec
from gradts_engine.learning.rows import Record

YES, NO = ("1", "1.0", "true", "yes"), ("0", "0.0", "false", "no")


def needed(spec: TaskSpec, labelled: bool) -> tuple[str, ...]:
    """The columns that the rows of a task have to have."""
    texts = (spec.text,) if isinstance(spec.text, str) else spec.text
    return (*texts, *(spec.indicators or (spec.label,))) if labelled else texts


def unfold(spec: TaskSpec, record: Record, word_level: bool) -> Record:
    """A row with its strings split by the task's separator, and its columns of 0 and 1 as a list of classes under `spec.label`.

    Raises ValueError where such a column holds something else.
    """
    if spec.indicators:
        return record._replace(values={**record.values, spec.label: _classes(record.values, spec.indicators)})
    if spec.separator is None:
        return record
    columns = needed(spec, labelled=True) if word_level else (spec.label,)
    split = {name: _split(value, spec.separator) for name in columns if isinstance(value := record.values.get(name), str)}
    return record._replace(values={**record.values, **split})


def _classes(values: Row, columns: Sequence[str]) -> list[str] | None:
    """The columns that hold 1; None where one is empty or -1, which stands for no label."""
    cells: dict[str, Any] = {name: values[name] for name in columns if name in values}
    if missing := [name for name in columns if name not in cells]:
        raise ValueError(f"no column '{missing[0]}'")
    spelt = {name: str(value).strip().lower() for name, value in cells.items()}
    if any(value in ("", "none", "-1", "-1.0") for value in spelt.values()):
        return None
    for name, value in spelt.items():
        if value not in (*YES, *NO):
            raise ValueError(f"column '{name}' is {cells[name]!r}, expected 0 or 1")
    return [name for name, value in spelt.items() if value in YES]


def _split(value: str, separator: str) -> list[str]:
    parts = value.split() if separator.isspace() else [part.strip() for part in value.split(separator)]
    return [part for part in parts if part]
