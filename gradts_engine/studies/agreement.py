"""How well a predictor orders candidates by a truth that is itself measured with noise. Pure functions of two tables.

A truth is `{primary: gains [C, S]}`, the gain of every candidate in every seed; a prediction is `{primary: values [C]}`, NaN
where nothing is known. A rank correlation with a noisy truth cannot reach 1: the most that a perfect predictor would show is
the square root of the truth's reliability (Spearman, American Journal of Psychology 1904), so all three are given: raw,
ceiling, corrected.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from gradts_engine.repeats import Repeats

Prediction = Mapping[str, np.ndarray]
"""Of each primary, values [C] or gains [C, S] of its candidates."""


@dataclass(frozen=True)
class Agreement:
    """Means over primaries. `rho` is Spearman's, with a 95% interval `low` to `high` over primaries and candidates; `ceiling` is
    what a perfect predictor would show, and `corrected` is rho over it; `regret[k]`: how much less than the best candidate the
    best of the first k gains, in units of the truth."""

    rho: float
    low: float
    high: float
    ceiling: float
    corrected: float
    regret: Mapping[int, float]


def spearman(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation [...] of the entries that both [..., C] have; NaN for fewer than three, or where either does
    not vary."""
    from scipy.stats import rankdata

    both = np.isfinite(x) & np.isfinite(y)
    count = both.sum(-1, keepdims=True)
    # What is left out is given the last ranks, which moves none of the others.
    ranks = [np.where(both, rankdata(np.where(both, values, np.inf), axis=-1), 0.0) for values in (x, y)]
    a, b = (np.where(both, rank - rank.sum(-1, keepdims=True) / np.maximum(count, 1), 0.0) for rank in ranks)
    size = np.sqrt((a * a).sum(-1) * (b * b).sum(-1))
    found: np.ndarray = np.full(size.shape, np.nan)
    np.divide((a * b).sum(-1), size, out=found, where=(size > 0) & (count[..., 0] >= 3))
    return found


def reliability(gains: np.ndarray) -> float:
    """Share of the variance between candidates' mean gains [C, S] that is not noise of the seeds: the intraclass correlation
    ICC(C,k) of McGraw and Wong, Psychological Methods 1996, from 0 to 1; NaN for fewer than two seeds or candidates.

    What a seed does to all candidates alike, as a better training of the primary alone, moves no order and is left out. Seeds
    that less than half of the candidates were tried in are left out, and then candidates without one of the others.
    """
    gains = gains[:, np.isfinite(gains).mean(0) >= 0.5] if len(gains) else gains
    gains = gains[np.isfinite(gains).all(1)]
    candidates, seeds = gains.shape
    if min(candidates, seeds) < 2:
        return math.nan
    rest = gains - gains.mean(1, keepdims=True) - gains.mean(0, keepdims=True) + gains.mean()
    noise = float((rest**2).sum()) / ((candidates - 1) * (seeds - 1))
    between = seeds * float(gains.mean(1).var(ddof=1))
    return max(0.0, 1 - noise / between) if between else 0.0


def regret(values: np.ndarray, gains: np.ndarray, first: int) -> float:
    """How much less than the best candidate the best of the `first` by value gains; `values` and `gains` [C].

    A candidate without a value comes last; those with the same value share their places, and the mean over their orders is given.
    """
    known = np.isfinite(gains)
    values, gains = np.where(np.isnan(values), -np.inf, values)[known], gains[known]
    if not len(gains):
        return math.nan
    draws = np.random.default_rng(0).random((64 if len(set(values)) < len(values) else 1, len(values)))
    tops = [gains[np.lexsort((draw, -values))[:first]].max() for draw in draws]
    return float(gains.max() - np.mean(tops))


def agreement(predicted: Prediction, truth: Prediction, *, first: tuple[int, ...] = (1, 3), resamples: int = 1000) -> Agreement:
    """Compare a prediction with a truth; primaries of which it knows nothing do not count."""
    means = _gains(predicted, truth)
    rhos = {p: float(spearman(predicted[p], means[p])) for p in predicted}
    rho = _mean([*rhos.values()])
    ceiling = _mean([math.sqrt(reliability(truth[p])) for p in predicted if math.isfinite(rhos[p])])
    low, high = _interval(lambda p, rows: spearman(predicted[p][rows], means[p][rows]), means, resamples)
    known = [p for p in predicted if np.isfinite(predicted[p]).any()]
    regrets = {k: _mean([regret(predicted[p], means[p], k) for p in known]) for k in first}
    return Agreement(rho, low, high, ceiling, rho / ceiling if ceiling else math.nan, regrets)


def lead(first: Prediction, second: Prediction, truth: Prediction, *, resamples: int = 1000) -> tuple[float, float, float]:
    """How much higher the first prediction's rho is than the second's, and the 95% interval of that, from draws of primaries and
    candidates that are the same for both. Primaries of which one of them knows nothing do not count."""
    means = _gains(first, truth)

    def between(p: str, rows: np.ndarray | slice) -> np.ndarray:
        difference: np.ndarray = spearman(first[p][rows], means[p][rows]) - spearman(second[p][rows], means[p][rows])
        return difference

    return _mean([float(between(p, slice(None))) for p in first]), *_interval(between, means, resamples)


def _gains(predicted: Prediction, truth: Prediction) -> Prediction:
    return {p: np.array([Repeats(tuple(row)).mean for row in truth[p]]) for p in predicted}


def _interval(statistic: Callable[[str, np.ndarray], np.ndarray], gains: Prediction, resamples: int) -> tuple[float, float]:
    """95% percentile interval of the mean of a statistic, which answers for all draws [R, C] of a primary at once: primaries are
    drawn with replacement, and then candidates of each."""
    draw, primaries = np.random.default_rng(0), list(gains)
    drawn: dict[str, list[tuple[int, np.ndarray]]] = {p: [] for p in primaries}
    for resample in range(resamples):
        for i in draw.choice(len(primaries), len(primaries)):
            rows = draw.choice(len(gains[primaries[i]]), len(gains[primaries[i]]))
            drawn[primaries[i]].append((resample, rows))
    sums, counts = np.zeros(resamples), np.zeros(resamples)
    for p, of in drawn.items():
        if of:
            at, rows = (np.array(each) for each in zip(*of, strict=True))
            values = statistic(p, rows)
            known = np.isfinite(values)
            sums += np.bincount(at[known], values[known], resamples)
            counts += np.bincount(at[known], minlength=resamples)
    if not counts.any():
        return math.nan, math.nan
    low, high = np.quantile(sums[counts > 0] / counts[counts > 0], (0.025, 0.975))
    return float(low), float(high)


def _mean(values: list[float]) -> float:
    return Repeats(tuple(values)).mean
