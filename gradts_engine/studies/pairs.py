"""The true gain of every single auxiliary for every primary: one training a pair and seed, kept in a table that grows.

The table is a CSV file of which each row stands for itself: it is written when its training has ended, so that a study goes on
where it was stopped, on any machine, and tables of several machines can be put together. A row names the key of its trial, so
that what was made with other settings, data or another encoder is refused, not mixed in.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from gradts_engine.csv_rows import csv_rows, read_text
from gradts_engine.errors import UsageError

ALONE = ""
"""The source of a training of the primary by itself."""
MOST_SEEDS = 10_000


@dataclass(frozen=True, order=True)
class Cell:
    """One training: of `target` with `source`, or by itself, in repeat `seed`."""

    target: str
    source: str
    seed: int


@dataclass(frozen=True)
class Row:
    """A cell's dev score, in percent of the metric's unit (NaN where the training failed), and the seconds it took."""

    target: str
    source: str
    seed: int
    score: float
    metric: str
    seconds: float
    key: str

    @property
    def cell(self) -> Cell:
        """What was trained."""
        return Cell(self.target, self.source, self.seed)


COLUMNS = tuple(field.name for field in fields(Row))
HEADER = ",".join(COLUMNS)


def cells(candidates: Mapping[str, Sequence[str]], seeds: int) -> Iterator[Cell]:
    """All trainings of a study, one seed after the other, so that a table that is cut short is a whole study of fewer seeds."""
    for seed in range(seeds):
        for target, sources in candidates.items():
            yield from (Cell(target, source, seed) for source in (ALONE, *sources))


def candidates_in(rows: Iterable[Row]) -> dict[str, list[str]]:
    """Of each primary of a table that has any, its candidates, in the table's order."""
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        if row.source != ALONE:
            found.setdefault(row.target, {}).update({row.source: None})
    return {target: list(sources) for target, sources in found.items()}


def read(path: Path) -> list[Row]:
    """The rows of a table; none where there is no file. A last line without an end is left out where it is no whole row.

    Raises `UsageError` for another kind of file, for a broken row, and for one that is there twice with different scores.
    """
    text = read_text(path) if path.exists() else ""
    whole, end, last = text.rpartition("\n")
    if last and (len(next(csv.reader([last]))) < len(COLUMNS) if end else HEADER.startswith(last)):
        text = whole + end  # a crash has cut it
    return _rows(path, text) if text else []


def mend(path: Path) -> None:
    """Take away what a crash left of a last line, before others are written below it."""
    text = read_text(path) if path.exists() else ""
    whole, end, last = text.rpartition("\n")
    if last and (end or HEADER.startswith(last)):
        path.write_text(whole + end, encoding="utf-8")


def read_some(path: Path) -> list[Row]:
    """The rows of a table that there has to be. Raises `UsageError` as `read` does, and where there are none, or none of a
    primary alone, which gains are measured against."""
    if not (rows := read(path)):
        raise UsageError(f"{path}: no such table, or an empty one; `gradts-engine study pairs` makes it")
    with_others, alone = {row.target for row in rows if row.source}, {row.target for row in rows if not row.source}
    if not with_others & alone:
        raise UsageError(f"{path}: no target has both rows with a source and rows alone, whose source is empty")
    if lacking := sorted(with_others - alone):
        raise UsageError(f"{path}: target {lacking[0]} has no row alone, whose source is empty, to measure gains against")
    return rows


def _rows(path: Path, text: str) -> list[Row]:
    if len(text.splitlines()) < 2 and text.startswith(HEADER):
        return []
    found: dict[Cell, Row] = {}
    for number, line in csv_rows(path, COLUMNS, text).items():
        row = _row(path, number, line)
        before = found.setdefault(row.cell, row)
        if before.score != row.score and not math.isnan(row.score):
            what = f"{row.target} {f'with {row.source}' if row.source else 'alone'}, seed {row.seed}"
            raise UsageError(
                f"{path}:{number}: {what}: score {row.score:.4f}, but {before.score:.4f} is in a row before; delete one"
            )
    return [*found.values()]


def _row(path: Path, number: int, line: Mapping[str, str]) -> Row:
    try:
        seed, score, seconds = int(line["seed"]), float(line["score"]), float(line["seconds"])
    except ValueError as error:
        raise UsageError(f"{path}:{number}: broken row ({error}); delete it, and its training is made again") from None
    if not 0 <= seed < MOST_SEEDS or math.isinf(score) or not line["target"]:
        what = "a target, a seed from 0 to 9999 and a finite score"
        raise UsageError(f"{path}:{number}: broken row (expected {what}); delete it, and its training is made again")
    return Row(line["target"], line["source"], seed, score, line["metric"], seconds, line["key"])


def append(path: Path, row: Row) -> None:
    """Add a row for good: it is on the disk when this returns."""
    new = not path.exists() or path.stat().st_size == 0
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(asdict(row) | {"score": f"{row.score:.4f}", "seconds": f"{row.seconds:.1f}"})
        file.flush()
        os.fsync(file.fileno())


def measure(
    path: Path, wanted: Mapping[Cell, str], train: Callable[[Iterable[Cell]], Iterator[Row]], done: Callable[[int, int], None]
) -> list[Row]:
    """A row for each cell that is `wanted`, with the key of its trial: from the table, or else from `train`, which gives rows as
    they come, of as many as it will. `done(n, of)` is told at first and after each.

    Raises `UsageError` where the table has a cell with another key: nothing is trained then.
    """
    mend(path)
    rows = {row.cell: row for row in read(path) if row.cell in wanted}
    if other := next((row for row in rows.values() if row.key != wanted[row.cell]), None):
        with_ = f"with {other.source}" if other.source else "alone"
        raise UsageError(
            f"{path}: {other.target} {with_}, seed {other.seed}, was trained with other settings, data or another encoder; "
            "give another file with --out, or the tasks.toml that this one was made with"
        )
    done(len(rows), len(wanted))
    for row in train([cell for cell in wanted if cell not in rows]):
        append(path, row)
        rows[row.cell] = row
        done(len(rows), len(wanted))
    return [rows[cell] for cell in wanted if cell in rows]


def gains(rows: Iterable[Row], candidates: Mapping[str, Sequence[str]], seeds: int) -> dict[str, np.ndarray]:
    """Of each primary [C, S]: by how many points of the metric a candidate makes it better than alone, seed by seed; NaN where
    a training failed or was not made."""
    scores = {row.cell: row.score for row in rows}

    def gain(target: str, source: str, seed: int) -> float:
        return scores.get(Cell(target, source, seed), math.nan) - scores.get(Cell(target, ALONE, seed), math.nan)

    return {
        target: np.array([[gain(target, source, seed) for seed in range(seeds)] for source in sources])
        for target, sources in candidates.items()
    }
