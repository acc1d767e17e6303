"""A number that depends on a seed, and what it is known to be: means, intervals, verdicts. Needs no torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Repeats:
    """One value a seed: `values[r]` is that of repeat r, NaN where a training failed or the value is not defined."""

    values: tuple[float, ...]

    @property
    def finite(self) -> np.ndarray:
        """The values that are there, float64 [n]."""
        import numpy as np  # late: whoever registers a plugin imports this module

        values = np.asarray(self.values, np.float64)
        return values[np.isfinite(values)]

    @property
    def mean(self) -> float:
        """Mean over the repeats that have a value; NaN where none has."""
        return float(self.finite.mean()) if len(self.finite) else math.nan

    def interval(self, level: float = 0.95, *, correlation: bool = False, exact: bool = False) -> tuple[float, float]:
        """Where the mean over all seeds lies with probability `level`, by Student's t; NaN for fewer than two values.

        `correlation`: the values lie between -1 and 1, and are compared on Fisher's scale (artanh), where few of them are nearer
        to normal, and whose limits stay between -1 and 1. `exact`: equal values are what no seed changes, and the interval is
        that point; without it their spread is not known, NaN: scores on few rows are equal by chance.
        """
        import numpy as np
        from scipy.special import stdtrit

        values = self.finite
        if len(values) < 2:
            return math.nan, math.nan
        if (values == values[0]).all():
            return (float(values[0]),) * 2 if exact else (math.nan, math.nan)
        there: Callable[[np.ndarray], np.ndarray] = np.arctanh if correlation else np.asarray
        back: Callable[[float], float] = math.tanh if correlation else float
        scaled = there(np.clip(values, -1 + 1e-9, 1 - 1e-9) if correlation else values)
        half = float(stdtrit(len(values) - 1, (1 + level) / 2) * scaled.std(ddof=1) / math.sqrt(len(values)))
        return back(float(scaled.mean()) - half), back(float(scaled.mean()) + half)

    def against(self, other: Repeats) -> Repeats:
        """The differences to another's values, seed by seed, as far as both go."""
        return Repeats(tuple(a - b for a, b in zip(self.values, other.values, strict=False)))


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What fresh seeds, on rows that no choice was made on, say of a selection against the primary alone.

    `gain` and its 95% interval `low` to `high` are in units of the metric; `seeds` pairs of trainings and `rows` labelled rows
    were compared. `rows_low` to `rows_high` is where the gain of these seeds would lie on other rows, `seeds_low` to `seeds_high`
    where that of other seeds would on these rows; NaN where it is not known. `more` is how many seeds it would take beyond these
    to tell, 0 where it is told, None where no number of seeds would (too few rows).
    """

    verdict: Literal["helps", "neutral", "hurts", "undecided"]
    gain: float
    low: float
    high: float
    seeds: int
    rows: int
    rows_low: float = math.nan
    rows_high: float = math.nan
    seeds_low: float = math.nan
    seeds_high: float = math.nan
    more: int | None = 0
