"""Cosine of mean encoder states: are the texts alike?

Vu et al., EMNLP 2020 (arXiv 2005.00770), section 4.1, "TextEmb". The pretrained encoder sees the rows, nothing is trained, so
all repeats have the same value. Cost: one forward pass over the train split, about .02 of a pair training a task.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gradts_engine.contracts import Evidence, Repeats


def embedding(evidence: Evidence) -> Mapping[str, Repeats]:
    """The cosine of the primary's mean state with each candidate's."""
    own = _unit(evidence.state(evidence.primary))
    return {c: Repeats((float(own @ _unit(evidence.state(c))),) * evidence.repeats) for c in evidence.candidates}


def _unit(state: np.ndarray) -> np.ndarray:
    wide = np.asarray(state, np.float64)
    return np.asarray(wide / np.linalg.norm(wide))
