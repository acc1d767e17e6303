"""When enough instances are scored: their ranking of heads is that of all of them, up to what is asked.

Had other instances come first, what would the ranking be? They are drawn again with replacement (as in `bootstrap`), a Poisson
number of times each, and the draws' distance from the mean is cut to what is left to learn of a finite number of instances
(Cochran, Sampling Techniques, 1977, section 2.6). The ranking is settled once all but 5% of the draws agree with it at tau AGREE
or more. With tau 1 - d, a share d / 2 of the pairs of heads is in another order, so no tau with another task can differ by more
than d from the one that all instances give. It is a rule for a task by itself: which other tasks are compared with it may change
later, and its importance is then not computed again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from gradts_engine.scoring.correlation import kendall_tau
from gradts_engine.scoring.normalise import normalise

BLOCK = 256
"""Instances between two looks at first."""
LATER = 1.5
"""A look is taken at so many times the instances of the last one: the more looks, the more chances to stop too soon."""
DRAWS = 200
AGREE = 0.95
SURE = 0.95
"""Share of the draws that have to agree."""


def settled(shards: Iterable[np.ndarray], instances: int) -> int:
    """How many are enough, of so many `instances` in random order; `shards` [n, L, H] are their raw importance, and no more of
    them are asked for. A function of its arguments."""
    draw = np.random.default_rng(0)
    total: Any = 0.0
    sums: Any = 0.0
    count, look = 0, BLOCK
    for raw in shards:
        weights = draw.poisson(1.0, (DRAWS, len(raw)))
        total, count = total + raw.sum(0, dtype=np.float64), count + len(raw)
        sums = sums + weights @ raw.reshape(len(raw), -1).astype(np.float64)
        if count >= look:
            if agreement(total / count, sums.reshape(DRAWS, *total.shape) / count, count / instances) >= AGREE:
                break
            look = int(LATER * count)
    return count


def agreement(mean: np.ndarray, draws: np.ndarray, share: float) -> float:
    """The tau with the ranking by `mean` [L, H] that all but 5% of the rankings by `draws` [B, L, H] have, where `share` of all
    instances is known; -1 where tau is not defined."""
    drawn = mean + np.sqrt(1 - share) * (draws - mean)
    taus = kendall_tau(normalise(mean), normalise(drawn))
    return float(np.quantile(np.nan_to_num(taus, nan=-1.0), 1 - SURE))
