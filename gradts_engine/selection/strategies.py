"""The paper's strategies and the baselines under the same protocol. The contract is `gradts_engine.contracts.Strategy`.

Paper: Ma et al., EMNLP 2021, section 3.2 (threshold and trial) and 3.3 (fine-grained). A candidate whose evidence is NaN (its
training failed, its matrix is constant) is never chosen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from gradts_engine.contracts import Auxiliary, Evaluate, Evidence, Selection


def by_evidence(candidates: Sequence[str], values: Mapping[str, float]) -> list[str]:
    """Candidates by falling value, ties in their given order, NaN left out."""
    return sorted((c for c in candidates if not math.isnan(values[c])), key=lambda c: -values[c])


def none(evidence: Evidence, evaluate: Evaluate, *, threshold: float | None, keep: float) -> Selection:
    """Baseline: the primary alone."""
    return ()


def every(evidence: Evidence, evaluate: Evaluate, *, threshold: float | None, keep: float) -> Selection:
    """Baseline: all candidates."""
    return tuple(Auxiliary(c) for c in by_evidence(evidence.candidates, evidence.tau))


def threshold(evidence: Evidence, evaluate: Evaluate, *, threshold: float | None, keep: float) -> Selection:
    """GradTS-thres: every candidate with tau >= threshold, by falling tau."""
    assert threshold is not None, "config asks for it"
    return tuple(Auxiliary(c) for c in by_evidence(evidence.candidates, evidence.tau) if evidence.tau[c] >= threshold)


def trial(evidence: Evidence, evaluate: Evaluate, *, threshold: float | None, keep: float) -> Selection:
    """GradTS-trial: add candidates by falling tau while the dev score does not fall."""
    return _best_prefix(by_evidence(evidence.candidates, evidence.tau), evaluate)


def embedding(evidence: Evidence, evaluate: Evaluate, *, threshold: float | None, keep: float) -> Selection:
    """Baseline: as `trial`, in the order of the cosine of mean encoder states."""
    return _best_prefix(by_evidence(evidence.candidates, evidence.embedding), evaluate)


def fine_grained(evidence: Evidence, evaluate: Evaluate, *, threshold: float | None, keep: float) -> Selection:
    """GradTS-fg: the auxiliaries of `trial`, each cut to the instances that agree most with the primary."""
    chosen = trial(evidence, evaluate, threshold=threshold, keep=keep)
    return tuple(
        Auxiliary(a.task, rows)
        for a in chosen
        if (rows := keep_instances(evidence.instance_tau(a.task), threshold=threshold, keep=keep))
    )


def _best_prefix(order: Sequence[str], evaluate: Evaluate) -> Selection:
    """Trial 0 is the primary alone, trial k adds the first k of `order`. Stops after the first trial (k >= 2) that scores below
    the one before; the best wins, the smaller where scores tie. A failed trial scores below everything."""
    selections: list[Selection] = [tuple(Auxiliary(c) for c in order[:k]) for k in range(len(order) + 1)]
    scores: list[float] = []
    for k, selection in enumerate(selections):
        (score,) = evaluate([selection])
        scores.append(-math.inf if math.isnan(score) else score)
        if k >= 2 and scores[k] < scores[k - 1]:
            break
    return selections[scores.index(max(scores))]


def keep_instances(tau: np.ndarray, *, threshold: float | None, keep: float) -> tuple[int, ...]:
    """Positions, ascending, of the instances to keep: those with tau >= `threshold` where it is given, else the share `keep`
    with the highest tau (rounded up; ties in order of the train split). NaN is dropped."""
    if threshold is not None:
        return tuple(np.flatnonzero(tau >= threshold).tolist())
    order = np.argsort(-tau, kind="stable")  # NaN sorts last
    count = min(math.ceil(keep * len(tau)), int(np.count_nonzero(~np.isnan(tau))))
    return tuple(sorted(order[:count].tolist()))
