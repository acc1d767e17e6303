"""How well a linear model explains labels by frozen states: the transferability measures behind the `probe` predictor.

Both take states as an encoder gives them and say, in one number, how much of the labels lies in them linearly; more is better.
They are forward passes and one SVD, no training. `logme` is the maximum evidence of a Bayesian linear model (You et al., LogME,
ICML 2021, equations 1 to 4), found by the fixed point of its later version (You et al., Ranking and Tuning Pre-trained Models,
JMLR 2022, algorithm 3); `ridge` is the share of variance that ridge regression explains of rows that it was not fitted to."""

from __future__ import annotations

import math

import numpy as np

ROUNDS = 1000
"""Most rounds of the fixed point, which takes about ten where labels are neither explained in full nor at all."""
TINY = 1e-12
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
    return float(np.mean([_evidence(left[:, kept].T @ y, singular[kept] ** 2, float(y @ y), len(y) - 1) for y in columns.T]))


def _standardised(targets: np.ndarray) -> np.ndarray:
    """The columns that vary, each with mean 0 and variance 1."""
    columns = one_hot(targets)
    columns = columns[:, columns.std(0) > 0]
    return np.asarray((columns - columns.mean(0)) / columns.std(0))


def _evidence(projected: np.ndarray, squares: np.ndarray, total: float, n: int) -> float:
    """Log evidence a row of one column, maximal over the precisions alpha (of weights) and beta (of noise).

    `projected` [k] is the column in the basis of the states, `squares` [k] are their squared singular values, `total` is its
    squared norm, and `n` counts its degrees of freedom.
    """
    alpha, beta = 1.0, 1.0
    outside = max(total - float(projected @ projected), 0.0)

    def norms() -> tuple[float, float]:
        """Squared norms of the mean weights and of what they leave unexplained."""
        shrunk = projected / (alpha + beta * squares)
        return float(np.sum(squares * (beta * shrunk) ** 2)), float(np.sum((alpha * shrunk) ** 2)) + outside

    for _ in range(ROUNDS):
        weights, residual = norms()
        gamma = float(np.sum(beta * squares / (alpha + beta * squares)))
        before = alpha / beta
        # Bounded: states that explain nothing drive the weights to 0, states that explain all drive the noise there.
        alpha, beta = max(gamma, TINY) / max(weights, TINY), max(n - gamma, TINY) / max(residual, TINY)
        if abs(math.log(alpha / beta / before)) < 1e-8:
            break
    weights, residual = norms()
    determinant = float(np.sum(np.log1p(beta * squares / alpha)))
    return (n * math.log(beta / (2 * math.pi)) - beta * residual - alpha * weights - determinant) / (2 * n)


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
