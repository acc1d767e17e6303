"""How far tau depends on which instances there happen to be: intervals over instances, from stored importance alone.

Both tasks' instances are drawn again with replacement (Efron, Annals of Statistics 1979); no gradient is computed anew. Noise
pulls tau towards 0, and drawing adds the same noise a second time: what the draws lose is what the estimate has lost, and is
added (Efron and Tibshirani, 1993, chapter 10). Percentile and BCa intervals cover .79 to .84 instead of .95 here, since tau
has steps, where their correction of the bias is unsteady; ours is normal, and as much wider as the corrected value was
measured to vary more than the draws do, see docs/study.md.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gradts_engine.scoring.correlation import kendall_tau, paired_tau
from gradts_engine.scoring.normalise import normalise

WIDER = 1.35
"""Standard deviation of the corrected tau, in those of the draws: 1.24 to 1.40 in all simulations."""


def resampled(raw: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Normalised importance [B, L, H] of `resamples` draws of a task's instances `raw` [N, L, H], with replacement."""
    draw = np.random.default_rng(seed)
    flat = raw.reshape(len(raw), -1).astype(np.float32)
    means = [
        draw.multinomial(len(raw), np.full(len(raw), 1 / len(raw)), size=len(part)).astype(np.float32) @ flat
        for part in np.array_split(np.arange(resamples), max(1, resamples * len(raw) // 2_000_000))
    ]
    return normalise((np.concatenate(means) / len(raw)).reshape(resamples, *raw.shape[1:]))


def tau_intervals(
    primary: str, raw: Mapping[str, np.ndarray], *, level: float = 0.95, resamples: int = 1000
) -> dict[str, tuple[float, float]]:
    """Where tau of a primary with every other task lies, over instances, with probability `level`; NaN where tau is not defined.

    `raw[task]` is [N, L, H]. The draws of a task depend on its place among the names in order, not on the primary.
    """
    from scipy.special import ndtri

    seeds = {task: place for place, task in enumerate(sorted(raw))}
    own = resampled(raw[primary], resamples, seeds[primary])
    matrices = {task: normalise(values.mean(0, dtype=np.float64)) for task, values in raw.items()}
    found = {}
    for task in raw:
        if task != primary:
            tau = float(kendall_tau(matrices[primary], matrices[task][None])[0])
            draws = paired_tau(own, resampled(raw[task], resamples, seeds[task]))
            draws = draws[np.isfinite(draws)]
            if not len(draws):
                found[task] = (np.nan, np.nan)
                continue
            half = float(ndtri((1 + level) / 2)) * WIDER * float(draws.std())
            middle = 2 * tau - float(draws.mean())
            found[task] = (max(middle - half, -1.0), min(middle + half, 1.0))
    return found
