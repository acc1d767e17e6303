"""Measures cases side by side: the two sides live in a process each and take turns, and a row tells the spread of the turns.

A benchmark is a module of this package with `cases()`. What is noise or load falls on both sides of a turn, and a first turn, in
which both read, import and compile what they need, is not counted.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from statistics import median
from typing import Any

from rich.table import Table

from benchmarks.device import described, device

TURNS = 5
PACKAGES = ("numpy", "scipy", "numba", "torch", "transformers")


@dataclass(frozen=True)
class Measured:
    """What one side reports of one turn: `value` in the unit of the benchmark, `result` to compare with the other side's, `seen`
    what else its row has to show (a list, with the entry of each turn)."""

    value: float
    result: object = None
    seen: object = None


@dataclass(frozen=True)
class Close:
    """A result that equals another one where no number differs by more than `tolerance`."""

    numbers: Sequence[float]
    tolerance: float

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Close) and all(
            abs(a - b) <= self.tolerance for a, b in zip(self.numbers, other.numbers, strict=True)
        )


Side = Callable[[], Measured]
"""Runs in a process of its own: a function at the top of a module, or a `functools.partial` of one."""


@dataclass(frozen=True)
class Case:
    """One line of the table, which says how many times less than the baseline we take, and that `target` is the least.

    With `at_most` it says how many times as much as the baseline we take, or, without a baseline, what we take, and `target` is
    the most.
    """

    name: str
    target: float
    ours: Side
    baseline: Side | None = None
    at_most: bool = False
    unit: str = "s"
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Whatever else a reader of the row has to know."""
    turns: int = TURNS
    warm_up: bool = True
    """Whether a first turn is not counted: not where every turn starts processes of its own, or takes minutes."""


Turn = tuple[Measured, Measured]
"""What both sides measured; a baseline that there is not takes 1."""


def measure(name: str, cases: Sequence[Case], most: int = TURNS) -> Iterator[dict[str, Any]]:
    """The row of each case, as soon as it is known, from `most` turns at most."""
    spawn = get_context("spawn")
    with ProcessPoolExecutor(1, spawn) as ours, ProcessPoolExecutor(1, spawn) as baseline:
        for case in cases:
            counted = min(case.turns, most)
            turns = [_turn(case, ours, baseline) for _ in range(counted + case.warm_up)][case.warm_up :]
            yield {"name": name, "case": case.name, **summary(case, turns), **case.facts, **surroundings()}


def _turn(case: Case, ours: ProcessPoolExecutor, baseline: ProcessPoolExecutor) -> Turn:
    own = ours.submit(case.ours).result()
    if case.baseline is None:
        return own, Measured(1.0)
    other = baseline.submit(case.baseline).result()
    if own.result != other.result:
        raise AssertionError(f"{case.name}: the two sides computed different things")
    return own, other


def summary(case: Case, turns: Sequence[Turn]) -> dict[str, Any]:
    """The median over the turns, with its spread, and how it compares with the target."""
    pairs = [(own.value, other.value) for own, other in turns]
    seen = {"ours": [own.seen for own, _ in turns], "baseline": [other.seen for _, other in turns]}
    ratios = [own / other if case.at_most else other / own for own, other in pairs]
    ratio = median(ratios)
    return {
        "ratio": ratio,
        "low": min(ratios),
        "high": max(ratios),
        "target": case.target,
        "unit": "x" if case.baseline else case.unit,
        "met": ratio <= case.target if case.at_most else ratio >= case.target,
        "ours": median(own for own, _ in pairs),
        "baseline": median(other for _, other in pairs) if case.baseline else None,
        "sides_unit": case.unit,
        "turns": len(pairs),
        **({"seen": seen} if any(seen["ours"]) else {}),
    }


def surroundings() -> dict[str, Any]:
    """Where and when: machine, device, threads, load and versions."""
    return {
        "machine": described(),
        "device": device(),
        "threads": os.environ.get("OMP_NUM_THREADS", "default"),
        "load": round(os.getloadavg()[0], 1),
        "date": date.today().isoformat(),
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def shown(number: float) -> str:
    """At least three digits."""
    return f"{number:.3g}" if abs(number) < 1000 else f"{number:.0f}"


def table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The rows for a reader; bold where the target is missed."""
    here = rows[-1]
    versions = ", ".join(f"{name} {number}" for name, number in here["versions"].items())
    drawn = Table(title=f"{here['machine']}, threads: {here['threads']}, {here['date']}\n{versions}")
    for column in ("benchmark", "case", "median", "low", "high", "target", "load"):
        drawn.add_column(column, justify="left" if column in ("benchmark", "case") else "right")
    for row in rows:
        numbers = (f"{shown(row[key])} {row['unit']}" for key in ("ratio", "low", "high", "target"))
        drawn.add_row(row["name"], row["case"], *numbers, str(row["load"]), style="" if row["met"] else "bold")
    return drawn
