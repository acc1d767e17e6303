"""Intervals of tau over instances, and how far a task agrees with itself."""

import time
from itertools import combinations

import numpy as np
from scipy.stats import kendalltau

from gradts_engine.scoring.bootstrap import Resampled, between, halves, resampled, tau_interval
from gradts_engine.scoring.correlation import kendall_tau, paired_tau
from gradts_engine.scoring.normalise import normalise


def test_paired_tau_is_scipys():
    draw = np.random.default_rng(0)
    xs, ys = draw.integers(0, 5, (2, 9, 3, 4)).astype(float)
    xs[3, 0, 0] = np.nan
    ys[4] = 1.0
    expected = [kendalltau(x.ravel(), y.ravel()).statistic for x, y in zip(xs, ys, strict=True)]
    np.testing.assert_array_equal(paired_tau(xs, ys), expected)


def interval(*raw: np.ndarray, resamples: int = 1000) -> tuple[float, float]:
    """Of two tasks with one repeat each."""
    return tau_interval(*(resampled({0: [values]}, seed=i, resamples=resamples) for i, values in enumerate(raw)))


def coverage(rows: int, noise: float, cases: int) -> float:
    """Share of cases in which the interval holds the tau that infinitely many instances would give."""
    draw = np.random.default_rng(1)
    hits = 0
    for _ in range(cases):
        common = draw.gamma(4, 1, (6, 12))
        true = common * draw.lognormal(0, 0.4, (2, 6, 12))
        a, b = (m * draw.lognormal(0, noise, (rows, 6, 12)) * draw.lognormal(0, 0.7, (rows, 1, 1)) for m in true)
        low, high = interval(a, b, resamples=200)
        hits += low <= float(kendall_tau(normalise(true[0]), normalise(true[1])[None])[0]) <= high
    return hits / cases


def test_coverage():
    """In 80 cases, 95% give 72 to 80 with a probability of .99."""
    assert coverage(100, 0.7, 80) >= 72 / 80


def test_twenty_tasks_take_seconds():
    """All pairs of them: 1,000 draws of 1,000 instances each."""
    draw = np.random.default_rng(0)
    raw = [draw.random((1000, 6, 12), np.float32) for _ in range(20)]
    start = time.process_time()
    drawn = [resampled({0: [values]}, seed=i) for i, values in enumerate(raw)]
    found = [tau_interval(a, b) for a, b in combinations(drawn, 2)]
    assert time.process_time() - start < 10
    assert len(found) == 190
    assert all(-1 <= low < high <= 1 for low, high in found)


def test_draws_are_instances_with_poisson_weights_in_shards_or_at_once():
    raw = np.random.default_rng(0).random((30, 2, 3))
    (whole,), (pieces,) = ([*resampled({0: shards}, seed=5, resamples=8).draws.values()] for shards in ([raw], [raw[:30]]))
    weights = np.random.default_rng(5).poisson(1.0, (8, 30))
    expected = [normalise(np.repeat(raw, w, axis=0).sum(0)) for w in weights]
    np.testing.assert_allclose(whole, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(whole, pieces)


def test_repeats_share_their_draws_and_only_common_ones_count():
    draw = np.random.default_rng(0)
    first, second, other = draw.random((3, 40, 3, 4))
    a = resampled({0: [first], 1: [second], 2: [first]}, seed=0, resamples=300)
    b = resampled({0: [other], 2: [other]}, seed=1, resamples=300)
    np.testing.assert_array_equal(a.draws[0], a.draws[2])
    assert tau_interval(a, b) == interval_of_one(a, b, 0)


def interval_of_one(a: Resampled, b: Resampled, repeat: int) -> tuple[float, float]:
    only = [Resampled({0: x.matrices[repeat]}, {0: x.draws[repeat]}) for x in (a, b)]
    return tau_interval(*only)


def test_undefined_tau_has_no_interval():
    assert np.isnan(interval(np.random.default_rng(0).random((20, 2, 3)), np.ones((20, 2, 3)))).all()


def test_halves_and_seeds_agree_as_far_as_they_are_alike():
    draw = np.random.default_rng(0)
    pattern = draw.gamma(4, 1, (6, 12))
    steady, noise = pattern * draw.lognormal(0, 0.05, (200, 6, 12)), draw.lognormal(0, 1, (200, 6, 12))
    assert halves([steady], seed=0) > 0.9
    assert abs(halves([noise], seed=0)) < 0.1
    both = pattern * draw.lognormal(0, 1.5, (200, 6, 12))
    split = [kendalltau(normalise(both[p[:100]].mean(0)).ravel(), normalise(both[p[100:]].mean(0)).ravel()).statistic
             for p in (draw.permutation(200) for _ in range(40))]  # fmt: skip
    assert abs(halves([both[:90], both[90:]], seed=0) - np.mean(split)) < 0.03
    assert np.isnan(halves([np.ones((4, 2, 3))], seed=0))
    three = [normalise(pattern * draw.lognormal(0, 0.3, (6, 12))) for _ in range(3)]
    expected = np.mean([kendalltau(a.ravel(), b.ravel()).statistic for a, b in combinations(three, 2)])
    assert between(three) == expected
    assert np.isnan(between(three[:1]))
