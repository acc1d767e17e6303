"""The paper's strategies and the baselines under the same protocol. The contract is `gradts_engine.contracts.Strategy`.

Paper: Ma et al., EMNLP 2021, section 3.2 (threshold and trial) and 3.3 (fine-grained). A candidate whose value is NaN (its
training failed, its matrix is constant) is never chosen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from pydantic import Field

from gradts_engine.contracts import Auxiliary, Evaluate, Ranking, Selection, Trials
from gradts_engine.settings import Section


class ThresholdSettings(Section):
    """Which candidates are taken."""

    threshold: float = Field(ge=-1, le=1, description="Smallest value to select; not comparable between encoders.")


class FineGrainedSettings(Section):
    """How many instances of each auxiliary are kept."""

    threshold: float | None = Field(
        default=None, ge=-1, le=1, description="Smallest tau of an instance to keep; default: keep a share instead."
    )
    keep: float = Field(
        default=0.5, gt=0, le=1, description="Share of each auxiliary's usable instances to keep, those with the highest tau."
    )


def none(ranking: Ranking, trials: Trials, settings: Section) -> Selection:
    """Baseline: the primary alone."""
    return ()


def every(ranking: Ranking, trials: Trials, settings: Section) -> Selection:
    """Baseline: all candidates of which anything is known."""
    return tuple(map(Auxiliary, ranking.order()))


def threshold(ranking: Ranking, trials: Trials, settings: ThresholdSettings) -> Selection:
    """GradTS-thres: every candidate with a value of `threshold` or more, by falling value."""
    return tuple(Auxiliary(c) for c in ranking.order() if ranking.value(c) >= settings.threshold)


def trial(ranking: Ranking, trials: Trials, settings: Section) -> Selection:
    """GradTS-trial: add candidates by falling value while the dev score does not fall."""
    return _best_prefix(ranking.order(), trials.evaluate)


def fine_grained(ranking: Ranking, trials: Trials, settings: FineGrainedSettings) -> Selection:
    """GradTS-fg: the auxiliaries of `trial`, each cut to the instances that agree most with the primary."""
    return tuple(
        Auxiliary(a.task, rows)
        for a in _best_prefix(ranking.order(), trials.evaluate)
        if (rows := keep_instances(ranking.instance_tau(a.task), threshold=settings.threshold, keep=settings.keep))
    )


def _best_prefix(order: Sequence[str], evaluate: Evaluate) -> Selection:
    """Trial 0 is the primary alone, trial k adds the first k of `order`. Stops after the first trial (k >= 2) that scores below
    the one before; the best wins, the smaller where scores tie. A failed trial scores below everything."""
    selections: list[Selection] = [tuple(Auxiliary(c) for c in order[:k]) for k in range(len(order) + 1)]
    scores: list[float] = []
    for k, selection in enumerate(selections):
        (found,) = evaluate([selection], [0])
        scores.append(-math.inf if math.isnan(found.mean) else found.mean)
        if k >= 2 and scores[k] < scores[k - 1]:
            break
    return selections[scores.index(max(scores))]


def share_of(share: float, count: int) -> int:
    """So many of `count`, rounded up: .07 of 100 are 7, although the product of these floats is a little more."""
    return math.ceil(round(share * count, 9))


def keep_instances(tau: np.ndarray, *, threshold: float | None, keep: float) -> tuple[int, ...]:
    """Positions, ascending, of the instances to keep: those with tau >= `threshold` where it is given, else the share `keep`
    of those that have a tau with the highest (rounded up; ties in order of the train split)."""
    if threshold is not None:
        return tuple(np.flatnonzero(tau >= threshold).tolist())
    order = np.argsort(-tau, kind="stable")  # NaN sorts last
    count = share_of(keep, int(np.count_nonzero(~np.isnan(tau))))
    return tuple(sorted(order[:count].tolist()))
