"""Kendall's tau between head importance: the published score, and the same without what all tasks have in common.

Ma et al., EMNLP 2021 (arXiv 2109.05748), section 3.2. `centred` is ours: every task's matrix is mostly the encoder's own pattern,
so the mean of the logarithms over the pool is subtracted first, which is division by the geometric mean. Cost: one fine-tuning
and one gradient pass a task and seed, about .6 of a pair training, however many primaries there are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from gradts_engine.contracts import Evidence, Repeats
from gradts_engine.scoring.correlation import kendall_tau
from gradts_engine.scoring.normalise import normalise


def tau(evidence: Evidence) -> Mapping[str, Repeats]:
    """Tau-b of the primary's normalised importance with each candidate's."""
    return _compare(evidence, lambda pool: {task: normalise(raw) for task, raw in pool.items()})


def centred(evidence: Evidence) -> Mapping[str, Repeats]:
    """Tau-b of log importance less its mean over the primary and all candidates; NaN where a head's importance is zero."""

    def matrices(pool: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = {task: np.log(raw) for task, raw in pool.items()}
            mean = np.mean([log for log in logs.values() if np.isfinite(log).all()] or [np.nan], axis=0)
            return {task: np.where(np.isfinite(log).all(), log - mean, np.nan) for task, log in logs.items()}

    return _compare(evidence, matrices)


def _compare(
    evidence: Evidence, matrices: Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]
) -> Mapping[str, Repeats]:
    """Tau-b of the primary's matrix with each candidate's, in every repeat."""
    values: dict[str, list[float]] = {c: [] for c in evidence.candidates}
    for repeat in range(evidence.repeats):
        pool = {task: evidence.importance(task, repeat) for task in (evidence.primary, *evidence.candidates)}
        of = matrices(pool)
        if values:
            row = kendall_tau(of[evidence.primary], np.stack([of[c] for c in evidence.candidates]))
            for candidate, value in zip(evidence.candidates, row, strict=True):
                values[candidate].append(float(value))
    return {c: Repeats(tuple(v)) for c, v in values.items()}
