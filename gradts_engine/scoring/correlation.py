"""Kendall's tau-b between rankings of heads, many at once, bit-equal to `scipy.stats.kendalltau`.

Kendall, Biometrika 33 (1945), "The treatment of ties in ranking problems". scipy sorts two rankings at a time; for thousands of
instances it is faster to share what they have in common. Tau is made of three counts: the pairs of heads on which two rankings
agree less those on which they disagree, and the pairs that are not tied in the one and in the other. They are counted exactly, by
bits where numba is installed and else by signs, and the last two divisions are scipy's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

import numpy as np

from gradts_engine.scoring.normalise import normalise, task_importance

BLOCK = 1 << 18
"""Values compared at a time: small enough for what is made of them to stay in the processor's cache."""

COMPILED = 20_000_000
"""Comparisons above which numba is used; fewer take signs some milliseconds, while importing and compiling takes a second."""


def _signs(values: np.ndarray, head: int) -> np.ndarray:
    """Signs of one head's differences to all later heads: [K, n] to [K - head - 1, n], float32, 0 where tied or NaN."""
    own, later = values[head], values[head + 1 :]
    signs = (own > later).view(np.int8) - (own < later).view(np.int8)
    return np.asarray(signs, np.float32)


def agreement_by_signs(x: np.ndarray, ys: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs that agree less those that disagree [M, N], untied pairs [M] and [N], of the rankings x [M, K] and ys [N, K].

    With s_ij = sign(x_i - x_j) over the pairs i < j, the first is the inner product of two sign vectors, and the untied pairs are
    its non-zero entries. What holds a NaN gets any value.
    """
    x, ys = x.T, ys.T
    x_signs = [_signs(x, head) for head in range(len(x))]
    agreement = np.zeros((x.shape[1], ys.shape[1]))
    untied = np.zeros(ys.shape[1])
    step = max(1, BLOCK // len(ys))
    for start in range(0, ys.shape[1], step):
        part = slice(start, start + step)
        block = np.ascontiguousarray(ys[:, part])
        for head, signs_of_x in enumerate(x_signs):
            signs = _signs(block, head)
            agreement[:, part] += signs_of_x.T @ signs
            untied[part] += np.abs(signs).sum(0)
    return agreement, np.asarray(sum(np.count_nonzero(signs, axis=0) for signs in x_signs)), untied


def agreement(comparisons: int) -> Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """`agreement_by_signs`, or a faster way to the same for many comparisons, where numba is installed."""
    if comparisons > COMPILED:
        with suppress(ImportError):  # it may also not be made for this numpy
            from gradts_engine.scoring.bitsets import agreement_by_bitsets

            return agreement_by_bitsets
    return agreement_by_signs


def kendall_tau(main: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Tau-b of one matrix, or several, with each of many: `main` [..., L, H], `others` [N, L, H], result float64 [..., N].

    NaN where either side holds a NaN or is constant.
    """
    main, others = np.asarray(main), np.asarray(others)
    x = main.reshape(-1, main.shape[-2] * main.shape[-1])  # [M, K]
    ys = others.reshape(len(others), x.shape[1])  # [N, K]
    agree, x_untied, untied = agreement(x.size * ys.size)(x, ys)
    with np.errstate(invalid="ignore", divide="ignore"):
        tau: np.ndarray = np.clip(agree / np.sqrt(x_untied)[:, None] / np.sqrt(untied), -1.0, 1.0)
    tau[np.isnan(x).any(1)] = np.nan
    tau[:, np.isnan(ys).any(1)] = np.nan
    return tau.reshape(*main.shape[:-2], len(others))


def paired_tau(xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
    """Tau-b of each of several matrices with the one at its place among others: [N, L, H] and [N, L, H] to float64 [N]."""
    columns = [np.ascontiguousarray(values.reshape(len(values), -1).T) for values in (xs, ys)]  # [K, N]
    agree, of_x, of_y = np.zeros((3, len(xs)))
    for head in range(len(columns[0])):
        x, y = (_signs(values, head) for values in columns)
        agree += np.einsum("kn,kn->n", x, y)
        of_x += np.abs(x).sum(0)
        of_y += np.abs(y).sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        tau: np.ndarray = np.clip(agree / np.sqrt(of_x) / np.sqrt(of_y), -1.0, 1.0)
    tau[np.isnan(columns[0]).any(0) | np.isnan(columns[1]).any(0)] = np.nan
    return tau


def correlate_tasks(
    candidates: Mapping[str, Sequence[str]], raw: Callable[[str], Iterable[np.ndarray]]
) -> dict[str, dict[str, tuple[float, np.ndarray]]]:
    """For each primary and each of its candidates: tau of their importance, and of the primary's with each instance [N].

    `raw(task)` are the shards [n, L, H] of a task's raw importance. Each task is read twice, a shard at a time, and compared with
    all primaries at once, which takes several times less than one after the other.
    """
    tasks = sorted({task for primary, others in candidates.items() for task in (primary, *others)})
    importance = {task: task_importance(raw(task)) for task in tasks}
    found: dict[str, dict[str, tuple[float, np.ndarray]]] = {primary: {} for primary in candidates}
    for task in tasks:
        primaries = [primary for primary, others in candidates.items() if task in others]
        if primaries:
            mains = np.stack([importance[primary] for primary in primaries])  # [M, L, H]
            of_task = kendall_tau(mains, importance[task][None])[:, 0]  # [M]
            of_instances = np.concatenate([kendall_tau(mains, normalise(shard)) for shard in raw(task)], axis=1)  # [M, N]
            for primary, tau, row in zip(primaries, of_task, of_instances, strict=True):
                found[primary][task] = (float(tau), row)
    return {primary: {c: found[primary][c] for c in others} for primary, others in candidates.items()}
