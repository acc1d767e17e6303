"""Kendall's tau-b between one ranking of heads and many, bit-equal to `scipy.stats.kendalltau`.

Kendall, Biometrika 33 (1945), "The treatment of ties in ranking problems". scipy sorts; for one main matrix against thousands of
instances it is faster to compare all pairs of heads at once: with s_ij = sign(x_i - x_j) over the pairs i < j, concordant minus
discordant pairs are the inner product of two sign vectors, and pairs that are not tied are its squared lengths. All of these are
small integers, so the sums are exact, and the last two divisions are scipy's own.
"""

from __future__ import annotations

import numpy as np

BLOCK = 1 << 22
"""Signs compared at a time (bytes): small enough to stay in the processor's cache."""


def _signs(values: np.ndarray) -> np.ndarray:
    """Signs of all pairwise differences: [n, K] to int8 [n, K * (K - 1) / 2]."""
    first, second = np.triu_indices(values.shape[1], 1)
    a, b = values[:, first], values[:, second]
    return (a > b).view(np.int8) - (a < b).view(np.int8)


def kendall_tau(main: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Tau-b of one matrix with each of many: `main` [L, H], `others` [N, L, H], result float64 [N].

    NaN where either side holds a NaN or is constant.
    """
    x = np.asarray(main).reshape(1, -1)
    ys = np.asarray(others).reshape(len(others), x.shape[1])
    total = x.shape[1] * (x.shape[1] - 1) // 2
    x_signs = _signs(x)[0].astype(np.float32)
    x_untied = int(np.count_nonzero(x_signs))
    out = np.empty(len(ys))
    step = max(1, BLOCK // max(1, total))
    for start in range(0, len(ys), step):
        signs = _signs(ys[start : start + step])
        # float32 products are exact: every partial sum is an integer below 2**24
        agreement = signs.astype(np.float32) @ x_signs
        untied = np.count_nonzero(signs, axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            out[start : start + step] = agreement.astype(np.int64) / np.sqrt(x_untied) / np.sqrt(untied)
    out = np.clip(out, -1.0, 1.0)
    out[np.isnan(x).any() | np.isnan(ys).any(1)] = np.nan
    return out
