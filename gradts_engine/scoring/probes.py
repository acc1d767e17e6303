"""How well a linear model explains labels by frozen states: the transferability measures behind the `probe` predictor.

Both take states as an encoder gives them and say, in one number, how much of the labels lies in them linearly; more is better.
They are forward passes and one SVD, no training. `logme` is the maximum evidence of a Bayesian linear model (You et al., LogME,
ICML 2021, equations 1 to 4), found on a grid over the one parameter that is left when the scale of the noise is eliminated: their
fixed point takes a thousand rounds where states explain nothing. `ridge` is the share of variance that ridge regression
explains of rows that it was not fitted to.
"""

from __future__ import annotations

import math

import numpy as np

PENALTIES = tuple(float(x) for x in np.logspace(-3, 5, 17))
"""Of ridge regression, on standardised states."""


def one_hot(targets: np.ndarray) -> np.ndarray:
    """Columns to explain, float64 [n, C]: one a class for class indices [n], 0 or 1; numbers [n] are one column; [n, C] stays."""
    if targets.ndim == 2:
        return targets.astype(np.float64)
    if not np.issubdtype(targets.dtype, np.integer):
        return targets.astype(np.float64)[:, None]
    return np.asarray(targets[:, None] == np.unique(targets), np.float64)


def logme(states: np.ndarray, targets: np.ndarray) -> float:
    """Mean log evidence of the labels, in nats a row and column.

    `states` [n, D]; `targets` as `one_hot` takes them. Both are centred, which is the intercept that the paper's model lacks (and
    takes a row's worth of information), and columns are scaled to variance 1, so that rare classes, and numbers of any unit,
    count alike. NaN for fewer than three rows, or labels that do not vary.
    """
    columns = _standardised(targets)
    if len(states) < 3 or not columns.shape[1]:
        return math.nan
    left, singular, _ = np.linalg.svd(states - states.mean(0, dtype=np.float64), full_matrices=False)
    kept = singular > max(singular[0] * 1e-6, 1e-12)
    if not kept.any():  # all states are alike
        left, singular, kept = np.zeros((len(states), 1)), np.ones(1), np.ones(1, bool)
    return float(_evidence(left[:, kept].T @ columns, singular[kept] ** 2, (columns**2).sum(0), len(columns) - 1).mean())


def _standardised(targets: np.ndarray) -> np.ndarray:
    """The columns that vary, each with mean 0 and variance 1."""
    columns = one_hot(targets)
    columns = columns[:, columns.std(0) > 0]
    return np.asarray((columns - columns.mean(0)) / columns.std(0))


def _evidence(projected: np.ndarray, squares: np.ndarray, totals: np.ndarray, n: int) -> np.ndarray:
    """Log evidence a row of each column [C], maximal over the precisions alpha (of weights) and beta (of noise).

    `projected` [k, C] are the columns in the basis of the states, `squares` [k] the squared singular values of these, `totals`
    [C] the squared norms of the columns, and `n` counts their degrees of freedom. With ratio = alpha / beta, the best beta is n
    over the penalised residual, which leaves one number a column to find.
    """
    outside = np.maximum(totals - (projected**2).sum(0), 0)

    def evidence(ratio: np.ndarray) -> np.ndarray:
        """At ratios [G, C]."""
        relative = squares[:, None, None] / ratio  # [k, G, C]
        residual = outside + (projected[:, None] ** 2 / (1 + relative)).sum(0)
        noise = np.log(2 * math.pi * np.maximum(residual, 1e-12 * totals) / n)
        return np.asarray(-(n * (noise + 1) + np.log1p(relative).sum(0)) / (2 * n))

    middle, width = np.full(len(totals), math.log(squares.max())), math.log(1e12)
    for _ in range(4):  # each look is 16 times as close as the one before
        ratios = middle + width * np.linspace(-1, 1, 33)[:, None]
        best = evidence(np.exp(ratios)).argmax(0)
        middle, width = ratios[best, np.arange(len(totals))], width / 16
    return np.asarray(evidence(np.exp(middle)[None])[0])


def ridge(states: np.ndarray, targets: np.ndarray) -> float:
    """Share of the labels' variance that ridge regression explains of left-out rows, mean over columns: at most 1, and 0 where
    the mean does as well.

    Every row is left out once, in closed form, with the penalty that is best for all of them. Shapes and NaN as in `logme`.
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.preprocessing import StandardScaler

    columns = _standardised(targets)
    if len(states) < 3 or not columns.shape[1]:
        return math.nan
    model = RidgeCV(PENALTIES).fit(StandardScaler().fit_transform(states.astype(np.float64)), columns)
    return 1.0 + float(model.best_score_)
