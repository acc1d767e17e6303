"""The one renderer of every matrix: digits in each cell, on a ramp of rising brightness."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.style import Style
from rich.table import Table
from rich.text import Text

from gradts_engine.tables.records import label

Ramp = tuple[tuple[str, str], ...]
"""Background and ink of each step, from low to high. Each background is brighter than the one before, so that a ramp reads
without colour vision."""

VIRIDIS: Ramp = (
    ("#2d0a4e", "#ffffff"),
    ("#3b2f80", "#ffffff"),
    ("#31608d", "#ffffff"),
    ("#218f8b", "#ffffff"),
    ("#4fbf6b", "#000000"),
    ("#b5de2b", "#000000"),
)
"""After viridis."""

SIXTEEN: Ramp = (
    ("#000000", "#ffffff"),
    ("#0000aa", "#ffffff"),
    ("#aa00aa", "#ffffff"),
    ("#00aa00", "#000000"),
    ("#00aaaa", "#000000"),
    ("#ffff55", "#000000"),
)
"""Black, blue, magenta, green, cyan and yellow, for terminals of 16 colours."""


def cell(value: float | None, low: float, high: float, ramp: Ramp = VIRIDIS) -> Text:
    """A number of at most 1, two digits of it in at most four columns, on its place of the ramp between `low` and `high`."""
    if value is None or math.isnan(value):
        return Text("-", "dim")
    background, ink = shade(value, low, high, ramp)
    return Text(digits(value), Style(color=ink, bgcolor=background))


def shade(value: float, low: float, high: float, ramp: Ramp = VIRIDIS) -> tuple[str, str]:
    """Background and ink of a number on its place of the ramp between `low` and `high`."""
    share = (value - low) / (high - low) if high > low else 0.0
    return ramp[max(0, min(int(share * len(ramp)), len(ramp) - 1))]


def digits(value: float) -> str:
    """Two digits of a number of at most 1, in at most four columns."""
    return f"{value:.2f}".replace("0.", ".", 1) if abs(value) < 0.995 else f"{value:.1f}"


@dataclass(frozen=True)
class Matrix:
    """A matrix with names; pairs that are missing stay empty. A terminal of 16 colours gets their ramp.

    `bounds` are the ends of the ramp, by default those of `values`.
    """

    rows: Sequence[str]
    columns: Sequence[str]
    values: Mapping[tuple[str, str], float | None]
    corner: str = ""
    bounds: tuple[float, float] | None = None

    @property
    def width(self) -> int:
        """Columns of a number: a sign takes one."""
        return 4 if any(v is not None and v <= -0.005 for v in self.values.values()) else 3

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self.table(ramp_of(console))

    def scale(self, ramp: Ramp = VIRIDIS) -> Text:
        """What the steps of the ramp stand for: the value at which each begins; nothing where all cells would read alike."""
        low, high = self.bounds or bounds(self.values.values())
        if digits(low) == digits(high):
            return Text()
        starts = [low + (high - low) * (i + 0.001) / len(ramp) for i in range(len(ramp))]
        return Text().join(Text(f"{digits(x):>4} ", cell(x, low, high, ramp).style) for x in starts)

    def table(self, ramp: Ramp) -> Table:
        """Names, and a cell for each pair."""
        low, high = self.bounds or bounds(self.values.values())
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
        table.add_column(Text(self.corner), no_wrap=True)
        for column in self.columns:  # long names fold, numbers do not; a width that is given is not measured cell by cell
            width = self.width if len(column) <= self.width else None
            table.add_column(
                label(column), justify="right", overflow="fold", min_width=self.width, width=width, no_wrap=width is not None
            )
        for row in self.rows:
            cells = [cell(self.values[row, c], low, high, ramp) if (row, c) in self.values else Text("") for c in self.columns]
            table.add_row(label(row), *cells)
        return table


def ramp_of(console: Console) -> Ramp:
    """The ramp for a terminal."""
    return SIXTEEN if console.color_system == "standard" else VIRIDIS


def bounds(values: Iterable[float | None]) -> tuple[float, float]:
    """The least and the greatest of the numbers among `values`."""
    finite = [v for v in values if v is not None and math.isfinite(v)]
    return min(finite, default=0.0), max(finite, default=1.0)


def heat_map(importance: Any) -> Matrix:
    """Task importance [L, H] with layers as rows, the last on top, and heads as columns, both counted from 0."""
    layers, heads = importance.shape
    values = {(str(i), str(h)): float(importance[i, h]) for i in range(layers) for h in range(heads)}
    return Matrix([str(i) for i in reversed(range(layers))], [str(h) for h in range(heads)], values, "layer \\ head")
