"""Does an auxiliary help? Gains over fresh seeds and rows, their uncertainty, and what it would take to know more.

A gain is the mean of a table of differences [S seeds, R rows] between two models. Seeds and rows are crossed random effects,
so var(mean) = s2_row / R + s2_seed / S + s2_rest / (R S) (Searle, Casella and McCulloch, Variance Components, 1992, chapter
4). Its estimate from the mean squares of the two-way table has the degrees of freedom of Satterthwaite, Biometrics 1946. Seeds
are few, so their mean square is pooled over all candidates that are judged together. All of these are compared with the same
trainings of the primary alone, so that what is pooled is less than it seems: see `freedom`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gradts_engine.repeats import Verdict

MOST = 1000
"""Seeds beyond which `more` says that no number would do."""

Kind = Literal["helps", "neutral", "hurts", "undecided"]


@dataclass(frozen=True)
class Spread:
    """Variance of a mean by its parts: what rows, seeds and both together add to a table [S, R]; degrees of freedom of each."""

    seeds: int
    rows: int
    row: float
    """Mean squares of rows, of seeds, and of what neither explains."""
    seed: float
    rest: float
    seed_freedom: float

    def half_width(self, level: float, seeds: int | None = None) -> float:
        """Half the interval of the mean, of so many seeds instead of those that there are."""
        from scipy.special import stdtrit

        count = seeds or self.seeds
        rows, noise = self._parts(count)
        freedom_of_seeds = self.seed_freedom + (count - self.seeds if seeds else 0)
        total = rows + noise
        if total == 0:
            return 0.0
        parts = [(noise, freedom_of_seeds), (rows, self.rows - 1)]
        freedom = total**2 / sum(part**2 / free for part, free in parts if part)
        return float(stdtrit(freedom, (1 + level) / 2)) * math.sqrt(total)

    def _parts(self, seeds: int) -> tuple[float, float]:
        """Variance of the mean of so many seeds from rows, which no seed makes smaller (s2_row / R), and from the rest."""
        noise = max(self.seed, self.rest if self.rows > 1 else 0.0) / self.rows / seeds
        return max(self.row - self.rest, 0.0) / self.seeds / self.rows, noise

    @property
    def variance(self) -> float:
        """Variance of the mean."""
        return sum(self._parts(self.seeds))

    def half_width_of(self, source: Literal["rows", "seeds"], level: float) -> float:
        """Half the interval of the mean for another choice of rows or of seeds alone, the other being as they are; NaN where
        there is one row."""
        from scipy.special import stdtrit

        square, freedom = (self.row, self.rows - 1) if source == "rows" else (self.seed, self.seed_freedom)
        if freedom < 1:
            return math.nan
        return float(stdtrit(freedom, (1 + level) / 2)) * math.sqrt(square / self.seeds / self.rows)


def freedom(of_seed: np.ndarray) -> float:
    """Degrees of freedom of the mean of K variances over the same S seeds, from the differences [K, S]: K (S - 1) where they are
    independent, and down to S - 1 the more they have in common.

    That is Satterthwaite's number for the trace of their covariance, known as Box's epsilon in the analysis of repeated measures
    (Annals of Mathematical Statistics 1954), with the estimate of Huynh and Feldt, Journal of Educational Statistics 1976. Two
    seeds allow none: then the correlation is taken for 1/2, that of differences whose two sides vary alike.
    """
    candidates, seeds = of_seed.shape
    free = seeds - 1
    if candidates < 2 or free < 2:
        return float(candidates * free / (1 + (candidates - 1) / 4))
    covariance = np.cov(of_seed)
    total = float(np.trace(covariance)) ** 2
    squares = free**2 / ((free - 1) * (free + 2)) * (float((covariance**2).sum()) - total / free)  # of the trace of Sigma^2
    if squares <= 0:
        return float(candidates * free)
    return float(np.clip(free * (total - 2 * squares / free) / squares, free, candidates * free))


def spreads(tables: Sequence[np.ndarray]) -> list[Spread]:
    """The spread of each of several tables of differences [S, R], of the same seeds and rows; that of seeds is pooled.

    A table of one row [S, 1] holds gains of whole trainings, of which nothing is known of single rows.
    """
    found = []
    free_of_seed = freedom(np.array([table.mean(1) for table in tables]))
    for table in tables:
        seeds, rows = table.shape
        mean, of_seed, of_row = table.mean(), table.mean(1), table.mean(0)
        rest = table - of_seed[:, None] - of_row + mean
        free = (seeds - 1) * (rows - 1)
        noise = float((rest**2).sum()) / free if free else 0.0
        row = seeds * float(of_row.var(ddof=1)) if rows > 1 else 0.0
        found.append(Spread(seeds, rows, row, rows * float(of_seed.var(ddof=1)), noise, free_of_seed))
    pooled = float(np.mean([spread.seed for spread in found]))
    return [Spread(s.seeds, s.rows, s.row, pooled, s.rest, s.seed_freedom) for s in found]


def judge(tables: Sequence[np.ndarray], margin: float, *, level: float = 0.95, instances: int | None = None) -> list[Verdict]:
    """The verdict on each of several candidates, from tables of its differences [S, R] to the primary alone, all of the same S
    and R, NaN where a training failed (that seed then counts for none of them). `instances`: the dev rows that the R columns are
    made of, where they are several each.

    Helps or hurts where the interval of the gain clears zero, neutral where it lies between -margin and margin, else undecided.
    """
    good = np.all([np.isfinite(table).all(1) for table in tables], axis=0) if tables else np.zeros(0, bool)
    tables = [table[good] for table in tables]
    if good.sum() < 2:
        return [_unknown(int(good.sum()), table) for table in tables]
    pairs = zip(tables, spreads(tables), strict=True)
    return [_verdict(float(t.mean()), spread, margin, level, instances or spread.rows) for t, spread in pairs]


def unseen(instances: int, level: float = 0.95) -> float:
    """The largest share of rows that may be unlike the others where none of so many was: what a difference without any spread
    may be off by. Clopper and Pearson, Biometrika 1934, for no event in so many cases; about 3.7 over their number."""
    return 1.0 - float(((1 - level) / 2) ** (1 / instances))


def _verdict(gain: float, spread: Spread, margin: float, level: float, instances: int) -> Verdict:
    def half_width(seeds: int | None = None) -> float:
        return spread.half_width(level, seeds) or unseen(instances, level)

    half = half_width()
    kind = _kind(gain, half, margin)
    rows, seeds = spread.half_width_of("rows", level), spread.half_width_of("seeds", level)
    return Verdict(
        verdict=kind,
        gain=gain,
        low=gain - half,
        high=gain + half,
        seeds=spread.seeds,
        rows=spread.rows if spread.rows > 1 else 0,
        rows_low=gain - rows,
        rows_high=gain + rows,
        seeds_low=gain - seeds,
        seeds_high=gain + seeds,
        more=0 if kind != "undecided" else _more(lambda seeds: _kind(gain, half_width(seeds), margin), spread.seeds),
    )


def _unknown(seeds: int, table: np.ndarray) -> Verdict:
    gain = float(table.mean()) if table.size else math.nan
    nan = math.nan
    return Verdict(verdict="undecided", gain=gain, low=nan, high=nan, seeds=seeds, rows=table.shape[1], more=2 - seeds)


def _kind(gain: float, half: float, margin: float) -> Kind:
    if gain - half > 0:
        return "helps"
    if gain + half < 0:
        return "hurts"
    return "neutral" if abs(gain) + half < margin else "undecided"


def _more(kind: Callable[[int], Kind], seeds: int) -> int | None:
    """The fewest seeds beyond `seeds` with which the same gain and spread would be decided; None where MOST would not do."""
    low, high = seeds, MOST
    if kind(high) == "undecided":
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if kind(middle) == "undecided" else (low, middle)
    return high - seeds


def pseudo_values(metric: Callable[[np.ndarray], float], rows: int, *, blocks: int = 200) -> np.ndarray:
    """What each block of rows adds to a metric of rows that is no mean over them: jackknife pseudo-values [blocks] (Quenouille,
    Biometrika 1956). `metric(positions)` is the metric of some of the rows. For a mean of rows, one a block, these are the rows.
    """
    parts = np.array_split(np.arange(rows), min(rows, blocks))
    whole = metric(np.arange(rows))
    return np.array([len(parts) * whole - (len(parts) - 1) * metric(np.delete(np.arange(rows), part)) for part in parts])


def shrunk(best: float, scores: np.ndarray, noise: float) -> float:
    """What is to be expected of the best of several `scores` [k] with a noise variance `noise` each: less than was seen.

    Empirical Bayes with a normal prior over what was tried, whose variance is that of the scores less the noise (Efron and
    Morris, JASA 1973, with k - 1 in place of their k - 3: of the best, that leaves less of the bias in simulations, and it is
    there for two). NaN where the noise is.
    """
    scores = scores[np.isfinite(scores)]
    if len(scores) < 2:
        return best
    if math.isnan(noise):
        return math.nan
    spread = float(((scores - scores.mean()) ** 2).sum())
    kept = max(0.0, 1 - (len(scores) - 1) * noise / spread) if spread else 0.0
    return float(scores.mean()) + kept * (best - float(scores.mean()))


def noise_of(tables: Sequence[np.ndarray]) -> float:
    """Variance of the mean of a table of scores [S seeds, R rows], from what sets it off from the others of the same seeds and
    rows; of one seed that of rows alone, since nothing is known of others. NaN for less than two tables."""
    if len(tables) < 2:
        return math.nan
    differences = np.stack(tables) - np.mean(tables, axis=0)
    if differences.shape[1] == 1:
        variance = (
            float(np.mean([table.var(ddof=1) / table.size for table in differences])) if differences.shape[2] > 1 else math.nan
        )
    else:
        variance = float(np.mean([spread.variance for spread in spreads(list(differences))]))
    return variance * len(tables) / (len(tables) - 1)
