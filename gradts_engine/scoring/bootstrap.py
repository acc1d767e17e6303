"""How far tau depends on which instances there happen to be, and on the seed, from stored importance alone.

Instances are drawn again with replacement (Efron, Annals of Statistics 1979), each so often as a Poisson number says, so that a
task is read once, a shard at a time (Chamandy et al., "Estimating uncertainty for massive data streams", 2012); no gradient is
computed anew. Noise pulls tau towards 0, and drawing adds the same noise a second time: what the draws lose is what the estimate
has lost, and is added (Efron and Tibshirani, 1993, chapter 10). Percentile and BCa intervals cover .79 to .84 instead of .95
here, since tau has steps, where their correction of the bias is unsteady; ours is normal, and as much wider as the corrected
value was measured to vary more than the draws do, see docs/study.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from gradts_engine.scoring.correlation import kendall_tau, paired_tau
from gradts_engine.scoring.normalise import normalise

WIDER = 1.35
"""Standard deviation of the corrected tau, in those of the draws: 1.24 to 1.40 in all simulations."""

AT_ONCE = 2_000_000
"""Random numbers that are held at a time."""

Shards = Iterable[np.ndarray]
"""Raw importance of a task's instances, in any number of pieces [n, L, H]."""


@dataclass(frozen=True)
class Resampled:
    """Normalised importance of a task, by repeat: `matrices[r]` [L, H] of its instances, `draws[r]` [B, L, H] of such as were
    drawn from them, the same ones in every repeat. A repeat whose training failed is left out."""

    matrices: Mapping[int, np.ndarray]
    draws: Mapping[int, np.ndarray]


def resampled(repeats: Mapping[int, Shards], *, seed: int, resamples: int = 1000) -> Resampled:
    """Draw a task's instances again, in every repeat. Tasks that are compared need different seeds."""
    matrices, draws = {}, {}
    for repeat, shards in repeats.items():
        draw = np.random.default_rng(seed)
        total, sums = np.zeros(()), np.zeros(())
        for shard in shards:
            total = total + shard.sum(0, dtype=np.float64)
            for part in np.array_split(shard, -(-resamples * len(shard) // AT_ONCE)):
                weights = draw.poisson(1.0, (resamples, len(part))).astype(np.float32)
                sums = sums + weights @ part.reshape(len(part), -1).astype(np.float32)
        matrices[repeat] = normalise(total)
        draws[repeat] = normalise(sums.reshape(resamples, *total.shape))
    return Resampled(matrices, draws)


def tau_interval(a: Resampled, b: Resampled, *, level: float = 0.95) -> tuple[float, float]:
    """Where tau of two tasks, the mean over their repeats, lies over instances with probability `level`, whatever another seed
    would change; NaN where tau is not defined."""
    from scipy.special import ndtri

    shared = [repeat for repeat in a.draws if repeat in b.draws]
    taus = [float(kendall_tau(a.matrices[r], b.matrices[r][None])[0]) for r in shared]
    tau = float(np.mean([value for value in taus if np.isfinite(value)] or [np.nan]))
    drawn = np.array([paired_tau(a.draws[r], b.draws[r]) for r, value in zip(shared, taus, strict=True) if np.isfinite(value)])
    means = drawn.mean(0) if len(drawn) else np.empty(0)
    means = means[np.isfinite(means)]
    if not len(means):
        return np.nan, np.nan
    half = float(ndtri((1 + level) / 2)) * WIDER * float(means.std())
    middle = 2 * tau - float(means.mean())
    return max(middle - half, -1.0), min(middle + half, 1.0)


def halves(shards: Shards, *, seed: int, splits: int = 20) -> float:
    """Mean tau of one half of a task's instances with the other, over so many ways to halve them; NaN where it is not defined."""
    draw = np.random.default_rng(seed)
    total, ones = np.zeros(()), np.zeros(())
    for shard in shards:
        total = total + shard.sum(0, dtype=np.float64)
        chosen = draw.permuted(np.tile(np.arange(len(shard)) % 2 == 0, (splits, 1)), axis=1)  # half of this shard, in each split
        ones = ones + chosen @ shard.reshape(len(shard), -1).astype(np.float64)
    first = ones.reshape(splits, *total.shape)
    taus = paired_tau(normalise(first), normalise(total - first))
    return float(np.mean(taus[np.isfinite(taus)])) if np.isfinite(taus).any() else np.nan


def between(matrices: Iterable[np.ndarray]) -> float:
    """Mean tau of a task's matrices with each other, those of several seeds; NaN where there is one, or tau is not defined."""
    taus = [float(kendall_tau(a, b[None])[0]) for a, b in combinations(matrices, 2)]
    return float(np.mean([tau for tau in taus if np.isfinite(tau)] or [np.nan]))
