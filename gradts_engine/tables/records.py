"""Text of any origin, facts and records, as rich draws them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gradts_engine.printing import printable


def label(value: object, style: str = "") -> Text:
    """Anything from data, tasks, plugins or files, as rich may draw it: `printable`, and never read as markup. What is
    appended to it has a style of its own."""
    return Text().append(printable(str(value)), style or None)


def facts(values: Mapping[str, Any]) -> RenderableType:
    """Names beside their values; records and tuples take a line an entry, lists one line, empty values none."""
    table = Table.grid(padding=(0, 2))
    for name, value in values.items():
        if value not in ("", None, [], {}):
            table.add_row(label(name, "bold"), Group(*map(label, _entries(value))))
    return table


def _entries(value: Any) -> Iterable[str]:
    if isinstance(value, Mapping):
        return (f"{key}: {entry}" for key, entry in value.items())
    if isinstance(value, tuple):
        return map(str, value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return (", ".join(map(str, value)),)
    return (str(value),)


WHOLE = 24
"""Longest name, in a column of names alone, that is never broken."""


def records(rows: Sequence[Mapping[str, object]]) -> Table:
    """A plain table of records with the same keys; a value that is a `Text` keeps its colours."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in rows[0] if rows else ():
        cells = [str(row[name]) for row in rows]
        whole = all(len(cell) <= WHOLE and " " not in cell for cell in (name, *cells))  # prose folds first, and between words
        justify: Literal["right", "left"] = "right" if isinstance(rows[0][name], int | float) else "left"
        table.add_column(label(name), justify=justify, overflow="fold", no_wrap=whole)
    for row in rows:
        table.add_row(*(x if isinstance(x, Text) else label("" if x is None else x) for x in row.values()))
    return table
