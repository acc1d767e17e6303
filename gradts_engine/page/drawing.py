"""Drawings of the page as plain records, in units of CSS pixels; the template writes them as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gradts_engine import tables
from gradts_engine.printing import printable
from gradts_engine.report import PrimaryResults
from gradts_engine.words import gain, score, shortened

CELL_WIDTH, CELL_HEIGHT = 34, 22
LETTER = 7
"""About how wide a letter is in the drawings' font."""

NAME = 22
"""Most letters of a name."""


@dataclass(frozen=True)
class Cell:
    """A number on its shade; `title` says in full what it is."""

    x: float
    y: float
    text: str
    fill: str
    ink: str
    title: str


@dataclass(frozen=True)
class Label:
    """A name: its right end at `x` for a row, its foot at `x`, turned, for a column."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Grid:
    """A matrix with names at its left and on its top, these turned where one of them is wide."""

    title: str
    width: float
    height: float
    cells: tuple[Cell, ...]
    rows: tuple[Label, ...]
    columns: tuple[Label, ...]
    turned: bool


def grid(
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    values: Mapping[tuple[str, str], float | None],
    bounds: tuple[float, float] | None = None,
) -> Grid:
    """The matrix `values[row, column]`; what it does not have stays empty."""
    low, high = bounds or tables.bounds(values.values())
    names, heads = [[shortened(printable(n), NAME) for n in group] for group in (rows, columns)]
    left = LETTER * max(map(len, names), default=0) + 8
    turned = max(map(len, heads), default=0) > CELL_WIDTH // LETTER
    top = (LETTER * max(map(len, heads), default=0) if turned else 14) + 8
    cells = []
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            if (row, column) in values:
                value = values[row, column]
                fill, ink = ("none", "currentColor") if value is None else tables.shade(value, low, high)
                said = f"{printable(row)}, {printable(column)}: {score(value)}"
                text = "-" if value is None else tables.digits(value)
                cells.append(Cell(left + j * CELL_WIDTH, top + i * CELL_HEIGHT, text, fill, ink, said))
    return Grid(
        title=title,
        width=left + len(columns) * CELL_WIDTH + 2,
        height=top + len(rows) * CELL_HEIGHT + 2,
        cells=tuple(cells),
        rows=tuple(Label(left - 6, top + (i + 0.5) * CELL_HEIGHT, name) for i, name in enumerate(names)),
        columns=tuple(Label(left + (j + 0.5) * CELL_WIDTH, top - 6, name) for j, name in enumerate(heads)),
        turned=turned,
    )


def heads(task: str, importance: np.ndarray) -> Grid:
    """Task importance [L, H]: layers as rows, the last on top, heads as columns, both counted from 0."""
    matrix = tables.heat_map(importance)
    return grid(f"Importance of heads for {task}", list(matrix.rows), list(matrix.columns), matrix.values, (0.0, 1.0))


@dataclass(frozen=True)
class Bar:
    """A trial: its name above, a bar from the primary alone to its score; `better`, `worse` or `alone`."""

    y: float
    x: float
    width: float
    kind: str
    name: str
    text: str


@dataclass(frozen=True)
class Bars:
    """Trials of a primary on one scale, which runs from `low` to `high`; `zero` is where the primary alone stands."""

    height: float
    zero: float | None
    low: str
    high: str
    bars: tuple[Bar, ...]


BARS_WIDTH, BAR_HEIGHT = 560, 40


def trials(found: PrimaryResults) -> Bars | None:
    """Scores of the trials as distances to the primary alone; None where there is nothing to compare."""
    scored = [t for t in found.trials if t.score is not None]
    alone = found.alone
    if alone is None or len(scored) < 2:
        return None
    values = [t.score for t in scored if t.score is not None]
    low, high = min(values), max(values)
    margin = (high - low) * 0.05 or 0.01
    low, high = low - margin, high + margin

    def place(value: float) -> float:
        return (value - low) / (high - low) * BARS_WIDTH

    bars = []
    for i, trial in enumerate(scored):
        value = trial.score or 0.0
        names = " + ".join(trial.auxiliaries) or "alone"
        kind = "alone" if not trial.auxiliaries else "better" if value > alone else "worse" if value < alone else "alone"
        ends = sorted((place(alone), place(value)))
        text = score(value) + (f"  {gain(value, alone)}" if trial.auxiliaries else "")
        bars.append(Bar(i * BAR_HEIGHT, ends[0], max(ends[1] - ends[0], 3.0), kind, shortened(printable(names), 60), text))
    return Bars(len(bars) * BAR_HEIGHT + 18, place(alone), score(low), score(high), tuple(bars))
