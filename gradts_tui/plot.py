"""A curve with axes in characters: braille dots for the line, and a mark a point. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from statistics import fmean

from rich.text import Text

Point = tuple[float, float]
"""Place along the x axis, and value."""

DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bits of a braille character by row and column of its dots."""
MARK = "◆"
BLOCKS = " ▁▂▃▄▅▆▇█"


def plot(line: Sequence[Point], points: Sequence[Point], end: float, size: tuple[int, int], inks: tuple[str, str]) -> list[Text]:
    """`size` is columns and lines, axes included; x goes from 0 to `end`. The line has its scale at the left, the points, in the
    second of `inks`, theirs at the right."""
    line = thinned(line, end, size[0])
    left, right = labels(line), labels(points)
    margins = [max(map(len, names), default=-1) + 1 for names in (left, right)]
    width, height = size[0] - sum(margins), size[1] - 1
    if width < 4 or height < 2:
        return []
    grid = dots(line, end, width, height)
    cells = [[(chr(0x2800 + bits), inks[0]) if bits else (" ", "") for bits in row] for row in grid]
    for x, y in places(points, end, width, height):
        cells[y][x] = (MARK, inks[1])
    drawn = []
    for y, row in enumerate(cells):
        end_of_axis = {0: 0, height - 1: 1}.get(y)
        name = left[end_of_axis] if end_of_axis is not None and left else ""
        text = Text().append(f"{name:>{margins[0] - 1}} " if margins[0] else "", "dim")
        for ink, run in groupby(row, key=itemgetter(1)):
            text.append("".join(character for character, _ in run), ink)
        if end_of_axis is not None and right:
            text.append(f" {right[end_of_axis]}", inks[1])
        drawn.append(text)
    foot = f"{end:g}" if end >= 1 else ""
    drawn.append(Text(" " * margins[0] + "0" + foot.rjust(width - 1), "dim"))
    return drawn


def labels(values: Sequence[Point]) -> tuple[str, ...]:
    """The greatest and the least value, as the ends of an axis."""
    if not values:
        return ()
    high, low = (extreme(y for _, y in values) for extreme in (max, min))
    return (f"{high:.3g}", f"{low:.3g}" if low < high else "")


def share(value: float, low: float, high: float) -> float:
    """How far from the top, 0 to 1; in the middle where all are alike."""
    return (high - value) / (high - low) if high > low else 0.5


def places(values: Sequence[Point], end: float, width: int, height: int) -> list[tuple[int, int]]:
    """Column and line of each point."""
    low, high = min((y for _, y in values), default=0.0), max((y for _, y in values), default=1.0)
    return [
        (min(max(int(x / max(end, 1e-9) * width), 0), width - 1), min(int(share(y, low, high) * height), height - 1))
        for x, y in values
    ]


def thinned(values: Sequence[Point], end: float, columns: int) -> list[Point]:
    """At most one point a column: the mean of those in it."""
    parts: dict[int, list[Point]] = {}
    for x, y in values:
        parts.setdefault(int(x / max(end, 1e-9) * columns), []).append((x, y))
    return [(fmean(x for x, _ in part), fmean(y for _, y in part)) for part in parts.values()]


def dots(values: Sequence[Point], end: float, width: int, height: int) -> list[list[int]]:
    """Braille bits of a line through the points, `height` lines of `width` characters: 2 x 4 dots each."""
    grid = [[0] * width for _ in range(height)]
    before: tuple[int, int] | None = None
    for x, y in places(values, end, width * 2, height * 4):
        first, last = before or (x, y)  # the point before
        for column in range(first, x + 1):
            here = round(last + (y - last) * (column - first) / (x - first)) if x > first else y
            for row in range(min(here, last), max(here, last) + 1):
                grid[row // 4][column // 2] |= DOTS[row % 4][column % 2]
            first, last = column, here
        before = (x, y)
    return grid


def bars(counts: Sequence[float], width: int, height: int) -> list[str]:
    """A histogram in lines of `width` characters; the highest bar is as high as all of them. What is not zero is seen."""
    top, steps = max(counts, default=0), len(BLOCKS) - 1
    if top <= 0:
        return [" " * width] * height
    highs = [-int(-counts[x * len(counts) // width] * height * steps // top) for x in range(width)]
    return ["".join(BLOCKS[min(max(high - line * steps, 0), steps)] for high in highs) for line in reversed(range(height))]
