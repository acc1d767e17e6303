"""Do the states of an encoder that was tuned on one task tell the labels of another better than before?

Probe transfer: how much more of the labels lies linearly in the tuned states than in those of the pretrained encoder, which takes
forward passes alone (You et al., LogME, ICML 2021; for choosing intermediate tasks: Schulte et al., EMNLP 2024, arXiv
2410.15148). Different from theirs: states are averaged over the upper half of the layers, words have states of their own, and
LogME, which has no free parameter, is averaged with ridge regression, which predicts rows that it was not fitted to. Cost,
besides one fine-tuning a task, which tau needs as well: .03 of a pair training a candidate and seed (docs/study.md).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping

import numpy as np

from gradts_engine.contracts import Evidence, Repeats
from gradts_engine.scoring.probes import logme, ridge


def forward(evidence: Evidence) -> Mapping[str, Repeats]:
    """Nats a label of the primary that a candidate's tuned encoder gains over the pretrained one.

    NaN where the primary's labels are no classes or numbers of a text or word, or a candidate's tuning failed.
    """
    return {c: gains(evidence, evidence.primary, c) for c in evidence.candidates}


def reverse(evidence: Evidence) -> Mapping[str, Repeats]:
    """Nats a label of a candidate that the primary's tuned encoder gains over the pretrained one; NaN as in `forward`."""
    return {c: gains(evidence, c, evidence.primary) for c in evidence.candidates}


def gains(evidence: Evidence, rows: str, tuned: str) -> Repeats:
    """Nats a label of `rows` that the encoder tuned on `tuned` gains over the pretrained one."""
    targets = evidence.targets(rows)
    before = worth(evidence.states(rows, None, 0), targets)
    return Repeats(tuple(worth(evidence.states(rows, tuned, r), targets) - before for r in range(evidence.repeats)))


def worth(states: np.ndarray, targets: np.ndarray) -> float:
    """What `states` [n, D] tell of `targets` [n] or [n, C], in nats a row and column, up to a constant: the mean of LogME and of
    what ridge regression explains, the share R of variance being worth -log(1 - R) / 2. NaN where there is nothing to probe."""
    if len(states) < 3 or not np.isfinite(states).all():
        return math.nan
    content = _digest(states), _digest(targets), targets.dtype.str
    if content not in _KNOWN:
        unexplained = max(1 - ridge(states, targets), 1e-12)
        _KNOWN[content] = (logme(states, targets) - math.log(unexplained) / 2) / 2
    return _KNOWN[content]


def _digest(values: np.ndarray) -> bytes:
    """Of an array's content."""
    return hashlib.sha256(values.tobytes()).digest()


_KNOWN: dict[tuple[bytes, bytes, str], float] = {}
"""Several primaries and predictors ask for the same probes, which take longer than their states."""
