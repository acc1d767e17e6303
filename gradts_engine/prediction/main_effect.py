"""What an auxiliary does for other primaries, from trials that were made before.

TaskWeb (Kim et al., EMNLP 2023, arXiv 2305.13256) finds transfer between tasks to be regular; there, one seed of three other
targets orders the sources of a target with rho .55 (RoBERTa), .37 and .25 (docs/study.md). On joint training of twelve tasks,
the trials of the other eleven gave .34. Cost: none where trials are stored, else `[selection] pilots` times the number of
candidates.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from gradts_engine.contracts import Evidence, Repeats


def main_effect(evidence: Evidence) -> Mapping[str, Repeats]:
    """The mean over other primaries of a candidate's score, in standard deviations from that primary's mean over candidates.

    Repeat r of the answer is made of the trials of repeat r, and of those of repeat 0 where there are none. A candidate that was
    tried with no other primary has NaN.
    """
    values = [_effects(evidence, repeat) for repeat in range(evidence.repeats)]
    values = [found or values[0] for found in values]
    return {c: Repeats(tuple(found.get(c, math.nan) for found in values)) for c in evidence.candidates}


def _effects(evidence: Evidence, repeat: int) -> Mapping[str, float]:
    scores: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for trial in evidence.trials:
        single = len(trial.auxiliaries) == 1 and trial.repeat == repeat and math.isfinite(trial.score)
        if single and trial.primary != evidence.primary and trial.auxiliaries[0] in evidence.candidates:
            scores[trial.primary][trial.auxiliaries[0]].append(trial.score)
    effects: dict[str, list[float]] = defaultdict(list)
    for of in scores.values():
        means = {c: float(np.mean(found)) for c, found in of.items()}
        middle, spread = np.mean([*means.values()]), np.std([*means.values()])
        for c, mean in means.items():
            if spread > 0:
                effects[c].append(float((mean - middle) / spread))
    return {c: float(np.mean(found)) for c, found in effects.items()}
