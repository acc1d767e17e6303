"""From raw to comparable importance (Ma et al., EMNLP 2021, section 3.1). Needs numpy alone, so that readers need no torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np


def normalise(raw: Any) -> np.ndarray:
    """Importance scaled as published: each layer's row divided by its sum, then the matrix to [0, 1] by its minimum and maximum.

    `raw` is [..., L, H]; the result has its shape, float32. All-zero, constant or non-finite matrices give NaN.
    """
    raw = np.asarray(raw, np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        shares = raw / raw.sum(-1, keepdims=True)
        low = shares.min((-2, -1), keepdims=True)
        high = shares.max((-2, -1), keepdims=True)
        scaled: np.ndarray = (shares - low) / (high - low)
    return scaled.astype(np.float32)


def task_importance(shards: Iterable[np.ndarray]) -> np.ndarray:
    """Normalised importance [L, H] of a task: the mean of raw over its instances, then `normalise`."""
    return normalise(mean_importance(shards))


def mean_importance(shards: Iterable[np.ndarray]) -> np.ndarray:
    """Mean of raw over instances, float64 [L, H]. `shards`: raw of all instances in any number of pieces [n, L, H]."""
    total: Any = 0.0
    count = 0
    for raw in shards:
        total, count = total + raw.sum(0, dtype=np.float64), count + len(raw)
    return np.asarray(total / count)
