"""Kendall's tau-b between rankings of heads, many at once, bit-equal to `scipy.stats.kendalltau`.

Kendall, Biometrika 33 (1945), "The treatment of ties in ranking problems". scipy sorts two rankings at a time; for thousands of
instances it is faster to compare the same pair of heads in all of them at once. With s_ij = sign(x_i - x_j) over the pairs i < j,
concordant minus discordant pairs are the inner product of two sign vectors, and the pairs that are not tied are its non-zero
entries. All of these are small integers, so the sums are exact, and the last two divisions are scipy's own.
"""

from __future__ import annotations

import numpy as np

BLOCK = 1 << 18
"""Values compared at a time: small enough for what is made of them to stay in the processor's cache."""


def _signs(values: np.ndarray, head: int) -> np.ndarray:
    """Signs of one head's differences to all later heads: [K, n] to [K - head - 1, n], float32, 0 where tied or NaN."""
    own, later = values[head], values[head + 1 :]
    signs = (own > later).view(np.int8) - (own < later).view(np.int8)
    return np.asarray(signs, np.float32)


def kendall_tau(main: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Tau-b of one matrix, or several, with each of many: `main` [..., L, H], `others` [N, L, H], result float64 [..., N].

    NaN where either side holds a NaN or is constant.
    """
    main, others = np.asarray(main), np.asarray(others)
    shape = (*main.shape[:-2], len(others))
    x = main.reshape(-1, main.shape[-2] * main.shape[-1]).T  # [K, M]
    ys = others.reshape(len(others), len(x)).T  # [K, N]
    x_signs = [_signs(x, head) for head in range(len(x))]
    x_untied = sum(np.count_nonzero(signs, axis=0) for signs in x_signs)
    out = np.empty((x.shape[1], len(others)))
    step = max(1, BLOCK // max(1, len(ys)))
    for start in range(0, len(others), step):
        block = np.ascontiguousarray(ys[:, start : start + step])
        agreement = np.zeros((x.shape[1], block.shape[1]))
        untied = np.zeros(block.shape[1])
        for head, signs_of_x in enumerate(x_signs):
            signs = _signs(block, head)
            agreement += signs_of_x.T @ signs
            untied += np.abs(signs).sum(0)
        with np.errstate(invalid="ignore", divide="ignore"):
            out[:, start : start + step] = agreement / np.sqrt(x_untied)[:, None] / np.sqrt(untied)
    out = np.clip(out, -1.0, 1.0)
    out[np.isnan(x).any(0)] = np.nan
    out[:, np.isnan(ys).any(0)] = np.nan
    return out.reshape(shape)
