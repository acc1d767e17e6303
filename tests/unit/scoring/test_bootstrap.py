"""Intervals of tau over instances."""

import time

import numpy as np
from scipy.stats import kendalltau

from gradts_engine.scoring.bootstrap import tau_intervals
from gradts_engine.scoring.correlation import kendall_tau, paired_tau
from gradts_engine.scoring.normalise import normalise


def test_paired_tau_is_scipys():
    draw = np.random.default_rng(0)
    xs, ys = draw.integers(0, 5, (2, 9, 3, 4)).astype(float)
    xs[3, 0, 0] = np.nan
    ys[4] = 1.0
    expected = [kendalltau(x.ravel(), y.ravel()).statistic for x, y in zip(xs, ys, strict=True)]
    np.testing.assert_array_equal(paired_tau(xs, ys), expected)


def coverage(rows: int, noise: float, cases: int) -> float:
    """Share of cases in which the interval holds the tau that infinitely many instances would give."""
    draw = np.random.default_rng(1)
    hits = 0
    for _ in range(cases):
        common = draw.gamma(4, 1, (6, 12))
        true = common * draw.lognormal(0, 0.4, (2, 6, 12))
        a, b = (m * draw.lognormal(0, noise, (rows, 6, 12)) * draw.lognormal(0, 0.7, (rows, 1, 1)) for m in true)
        low, high = tau_intervals("a", {"a": a, "b": b}, resamples=200)["b"]
        hits += low <= float(kendall_tau(normalise(true[0]), normalise(true[1])[None])[0]) <= high
    return hits / cases


def test_coverage():
    """In 80 cases, 95% give 72 to 80 with a probability of .99."""
    assert coverage(100, 0.7, 80) >= 72 / 80


def test_twenty_tasks_take_seconds():
    draw = np.random.default_rng(0)
    raw = {f"t{i}": draw.random((1000, 6, 12), np.float32) for i in range(20)}
    start = time.process_time()
    found = tau_intervals("t0", raw)
    assert time.process_time() - start < 10
    assert set(found) == set(raw) - {"t0"}


def test_undefined_tau_has_no_interval():
    raw = {"a": np.random.default_rng(0).random((20, 2, 3)), "b": np.ones((20, 2, 3))}
    assert np.isnan(tau_intervals("a", raw)["b"]).all()
