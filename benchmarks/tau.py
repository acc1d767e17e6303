"""Rank correlation of one main ranking, or eight, with 10,000 instances, against a loop over `scipy.stats.kendalltau`.

Seconds for all 10,000 instances. The baseline takes as long for one pair of rankings as for any other, so it is timed on CALLS of
them and scaled; on these, the two sides have to agree to the last bit. Not counted: the first call in a process, in which our
kernel is loaded, or compiled if it never was.
"""

from __future__ import annotations

from functools import cache, partial
from time import perf_counter

import numpy as np

from benchmarks.frame import Case, Measured

INSTANCES = 10_000
CALLS = 1_000
SHAPES = {72: (6, 12), 144: (12, 12), 384: (24, 16)}
TARGETS = {(1, 72): 100, (1, 144): 40, (1, 384): 12, (8, 72): 300, (8, 144): 120, (8, 384): 40}


@cache
def rankings(mains: int, heads: int, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    """Mains [M, L, H] and instances [N, L, H], float32 as importance is; with ties, each head has one of 101 values."""
    rng = np.random.default_rng(heads)
    x, ys = (rng.random((n, *SHAPES[heads]), np.float32) for n in (mains, INSTANCES))
    ys += x[0]  # importance of different instances is related
    return (x.round(2), ys.round(2)) if ties else (x, ys)


def ours(mains: int, heads: int, ties: bool) -> Measured:
    """All of them at once."""
    from gradts_engine.scoring.correlation import kendall_tau

    x, ys = rankings(mains, heads, ties)
    start = perf_counter()
    tau = kendall_tau(x, ys)
    return Measured(perf_counter() - start, tau[:, : CALLS // mains].tobytes())


def baseline(mains: int, heads: int, ties: bool) -> Measured:
    """scipy, pair by pair."""
    from scipy.stats import kendalltau

    x, ys = rankings(mains, heads, ties)
    pairs = [(main.ravel(), y.ravel()) for main in x for y in ys[: CALLS // mains]]
    start = perf_counter()
    tau = [kendalltau(*pair).statistic for pair in pairs]
    return Measured((perf_counter() - start) * INSTANCES * mains / len(pairs), np.array(tau).tobytes())


def cases() -> list[Case]:
    """`1x72` to `8x384`, each without ties and with."""
    return [
        Case(
            name=f"{mains}x{heads}{' ties' if ties else ''}",
            target=target,
            ours=partial(ours, mains, heads, ties),
            baseline=partial(baseline, mains, heads, ties),
            facts={"instances": INSTANCES, "baseline_calls": CALLS, "ties": ties},
        )
        for ties in (False, True)
        for (mains, heads), target in TARGETS.items()
    ]
