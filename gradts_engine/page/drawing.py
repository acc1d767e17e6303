"""Drawings of the page as plain records, in units of CSS pixels; the template writes them as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gradts_engine import tables
from gradts_engine.printing import printable
from gradts_engine.report import Judgement, Prediction, PrimaryResults, Ranked
from gradts_engine.words import gain, score, shortened

CELL_WIDTH, CELL_HEIGHT = 34, 22
LETTER = 7.5
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
    turned = max(map(len, heads), default=0) > int(CELL_WIDTH / LETTER)
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


BARS_WIDTH, BAR_HEIGHT = 480, 40


def trials(found: PrimaryResults) -> Bars | None:
    """Scores of the trials of the first seed as distances to the primary alone; None where there is nothing to compare."""
    scored = [t for t in found.trials if t.score is not None and not t.repeat]
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
        width = max(ends[1] - ends[0], 3.0)
        bars.append(Bar(i * BAR_HEIGHT, ends[0], width, kind, _beside(names, BARS_WIDTH), text))
    return Bars(len(bars) * BAR_HEIGHT + 18, place(alone), score(low), score(high), tuple(bars))


@dataclass(frozen=True)
class Span:
    """A value and its interval, `low` and `high` at the value's own place where none is known; `kind` as of a `Bar`."""

    y: float
    low: float
    x: float
    high: float
    kind: str
    name: str
    text: str


@dataclass(frozen=True)
class Spans:
    """Values with their intervals on one scale from `low` to `high`, in the order in which they are given; `zero` is where 0
    stands, None where the scale does not have it."""

    title: str
    width: float
    height: float
    zero: float | None
    low: str
    high: str
    spans: tuple[Span, ...]


def _beside(name: str, width: int) -> str:
    """A name that leaves room for a value and its interval in its line."""
    return shortened(printable(name), int(width / LETTER) - 24)


Value = tuple[str, float | None, float | None, float | None, str]
"""Name, value, ends of its interval, and `kind` of a `Span`."""


def spans(title: str, values: Sequence[Value], width: int) -> Spans:
    """Values without a number are named, and have no mark."""
    numbers = [x for _, *of, _ in values for x in of if isinstance(x, float)]
    low, high = min(numbers, default=0.0), max(numbers, default=1.0)
    margin = (high - low) * 0.05 or 0.01
    low, high = low - margin, high + margin

    def place(value: float) -> float:
        return (value - low) / (high - low) * width

    drawn = []
    for i, (name, value, least, most, kind) in enumerate(values):
        at = place(value) if value is not None else -1.0
        ends = [at if end is None else place(end) for end in (least, most)]
        text = interval(value, least, most)
        drawn.append(Span(i * BAR_HEIGHT, ends[0], at, ends[1], kind, _beside(name, width), text))
    zero = place(0.0) if low <= 0.0 <= high else None
    return Spans(title, width, len(drawn) * BAR_HEIGHT + 18, zero, f"{low:.2f}", f"{high:.2f}", tuple(drawn))


def interval(value: float | None, low: float | None, high: float | None) -> str:
    """`0.412 [0.301, 0.523]`; without the brackets where no interval is known."""
    if value is None:
        return "-"
    return f"{value:.3f}" + ("" if low is None or high is None else f" [{low:.3f}, {high:.3f}]")


PREDICTED_WIDTH = 360


def predictors(ranking: Sequence[Ranked]) -> list[Spans]:
    """Every predictor's own ranking, the best candidate first."""
    names = dict.fromkeys(name for row in ranking for name in said(row))
    drawn = []
    for name in names:
        told = [(row.task, said(row).get(name)) for row in ranking]
        told.sort(key=lambda pair: -math.inf if pair[1] is None or pair[1].mean is None else pair[1].mean, reverse=True)
        values = [(task, p.mean, p.low, p.high, "alone") if p else (task, None, None, None, "alone") for task, p in told]
        drawn.append(spans(name, values, PREDICTED_WIDTH))
    return drawn


def said(row: Ranked) -> dict[str, Prediction]:
    """What every predictor says of a candidate; tau and the cosine of mean states are known without repeats, too."""
    known = {"tau": row.tau, "embedding": row.embedding}
    return dict(row.predictors) | {
        name: Prediction(value, None, None, 1) for name, value in known.items() if name not in row.predictors
    }


def verdicts(found: Mapping[str, Judgement]) -> Spans:
    """Gains against the primary alone, with their intervals."""
    kinds = {"helps": "better", "hurts": "worse"}
    values = [(name, v.gain, v.low, v.high, kinds.get(v.verdict, "alone")) for name, v in found.items()]
    return spans("gain against the primary alone", values, BARS_WIDTH)
