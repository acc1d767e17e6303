"""Many small pictures of one kind, side by side: for wide and tall screens, where all tasks are seen at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.style import Style
from rich.text import Text

from gradts_engine import tables, words
from gradts_tui.plot import bars

CELL = 2
"""Columns of a head."""
GAP = 2
"""Columns between two maps."""


def maps(found: Sequence[tuple[str, np.ndarray]], chosen: str, ramp: tables.Ramp, size: tuple[int, int]) -> Text:
    """Importance [L, H] of tasks, as many as fit into columns and lines; the last layer is on top, as in the large map. What is
    left out is counted."""
    if not found:
        return Text()
    layers, heads = found[0][1].shape
    wide = heads * CELL + GAP
    across, down = max(size[0] // wide, 1), size[1] // (layers + 2)
    shown = found[: across * down]
    if not shown:
        return Text()
    lines: list[Text] = []
    for start in range(0, len(shown), across):
        beside = shown[start : start + across]
        lines.append(Text().join(_padded(_title(task, chosen, wide - GAP), wide) for task, _ in beside))
        for layer in reversed(range(layers)):
            lines.append(Text().join(_padded(_row(matrix[layer], ramp), wide) for _, matrix in beside))
        lines.append(Text())
    if len(shown) < len(found):
        lines.append(Text(f"and {len(found) - len(shown)} more: n goes to the next", "dim"))
    return Text("\n").join(lines)


def _title(task: str, chosen: str, width: int) -> Text:
    return tables.label(words.shortened(task, width), "bold reverse" if task == chosen else "bold")


def _row(values: np.ndarray, ramp: tables.Ramp) -> Text:
    """Importance of the heads of a layer, in [0, 1]."""
    text = Text()
    for value in values:
        if np.isnan(value):
            text.append("- ", "dim")
            continue
        text.append(" " * CELL, Style(bgcolor=tables.shade(float(value), 0.0, 1.0, ramp)[0]))
    return text


def _padded(text: Text, width: int) -> Text:
    text.append(" " * max(width - text.cell_len, 0))
    return text


def histograms(found: Sequence[tuple[str, np.ndarray]], width: int, chosen: str) -> Text:
    """How tau of the instances of each candidate is spread, a line each, on one axis for all; with the median, and how many rows
    the highest bar stands for."""
    finite = {task: values[np.isfinite(values)] for task, values in found}
    every = np.concatenate([*finite.values(), np.zeros(0)])
    if not len(every):
        return Text()
    low, high = float(every.min()), float(max(every.max(), every.min() + 1e-6))
    names = max(len(words.shortened(task, LONGEST)) for task in finite) + 2
    bins = max(min(width - names - len(TAIL), MOST), 10)
    lines = [Text(f"{'':<{names}}{low:<.2f}{high:>{bins - len(f'{low:.2f}')}.2f}  median   rows  highest", "dim")]
    for task, values in finite.items():
        counts = np.histogram(values, bins=bins, range=(low, high))[0]
        top = int(counts.max(initial=0))
        (line_of_bars,) = bars(counts.tolist(), bins, 1)
        line = tables.label(words.shortened(task, LONGEST).ljust(names), "bold reverse" if task == chosen else "bold")
        median = words.score(float(np.median(values)) if len(values) else None)
        lines.append(line.append(line_of_bars, "blue").append(f"  {median:>6}  {len(values):>5}  {top:>7}"))
    return Text("\n").join(lines)


LONGEST = 24
"""Columns of a candidate's name."""
MOST = 60
"""Bars of a histogram."""
TAIL = "  median   rows  highest"
