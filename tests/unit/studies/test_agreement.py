"""A predictor against a truth that is noisy itself."""

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from gradts_engine.studies.agreement import agreement, lead, regret, reliability, spearman


def test_spearman_is_scipys():
    draw = np.random.default_rng(0)
    for _ in range(20):
        x, y = draw.integers(0, 6, (2, 12)).astype(float)
        assert spearman(x, y) == pytest.approx(spearmanr(x, y).statistic)
    x[3] = np.nan
    assert spearman(x, y) == pytest.approx(spearmanr(np.delete(x, 3), np.delete(y, 3)).statistic)
    assert math.isnan(spearman(np.ones(5), np.arange(5.0)))
    many = np.random.default_rng(1).integers(0, 6, (2, 50, 7)).astype(float)  # at once, with ties and entries that are missing
    many[0][many[0] == 5] = np.nan
    found = spearman(*many)
    assert found == pytest.approx([float(spearman(x, y)) for x, y in zip(*many, strict=True)], nan_ok=True)
    both = np.isfinite(many[0, 0])
    assert found[0] == pytest.approx(spearmanr(many[0, 0][both], many[1, 0][both]).statistic)


def test_reliability_is_the_squared_correlation_with_the_truth():
    """Simulated: candidates with an SD of 1, seeds with one of 2, four seeds: 1 / (1 + 4 / 4)."""
    draw = np.random.default_rng(0)
    true = draw.normal(size=4000)
    gains = true[:, None] + draw.normal(scale=2, size=(4000, 4)) + draw.normal(scale=5, size=4)
    assert reliability(gains) == pytest.approx(0.5, abs=0.03)
    assert np.corrcoef(true, gains.mean(1))[0, 1] ** 2 == pytest.approx(reliability(gains), abs=0.03)


def test_regret():
    gains = np.array([1.0, 5.0, 3.0, np.nan])
    assert regret(np.array([3.0, 1.0, 2.0, 9.0]), gains, 1) == 4
    assert regret(np.array([3.0, 1.0, 2.0, 9.0]), gains, 2) == 2
    assert regret(np.full(4, np.nan), gains, 3) == 0
    assert regret(np.zeros(4), gains, 1) == pytest.approx(2, abs=0.7)  # ties: the mean over orders, not the first of the list


def test_a_perfect_predictor_reaches_the_ceiling_and_a_useless_one_nothing():
    draw = np.random.default_rng(0)
    true = {f"p{i}": draw.normal(size=30) for i in range(12)}
    truth = {p: t[:, None] + draw.normal(scale=1.5, size=(30, 4)) for p, t in true.items()}
    perfect = agreement(true, truth, resamples=200)
    assert perfect.corrected == pytest.approx(1, abs=0.1)
    assert perfect.low < perfect.rho < perfect.high
    useless = agreement({p: draw.normal(size=30) for p in true}, truth, resamples=200)
    assert useless.low < 0 < useless.high
    assert useless.regret[1] > perfect.regret[1]


def test_seeds_and_candidates_that_lack_most_cells_do_not_hide_the_others():
    draw = np.random.default_rng(0)
    gains = draw.normal(size=(8, 1)) + draw.normal(size=(8, 3))
    holes = np.concatenate([gains, np.full((8, 1), np.nan)], 1)
    holes[0, 3] = 1.0
    assert reliability(holes) == pytest.approx(reliability(gains))
    holes[5, 1] = np.nan
    assert reliability(holes) == pytest.approx(reliability(np.delete(gains, 5, 0)))
    assert math.isnan(reliability(np.full((8, 4), np.nan)))


def test_a_lead_is_the_difference_of_both_on_the_same_draws():
    draw = np.random.default_rng(0)
    truth = {f"p{i}": draw.normal(size=(12, 3)) for i in range(8)}
    good = {p: gains.mean(1) + draw.normal(scale=0.3, size=12) for p, gains in truth.items()}
    bad = {p: draw.normal(size=12) for p in truth}
    mean, low, high = lead(good, bad, truth, resamples=200)
    assert mean == pytest.approx(agreement(good, truth, resamples=2).rho - agreement(bad, truth, resamples=2).rho)
    assert 0 < low < mean < high
    assert lead(good, good, truth, resamples=20) == (0, 0, 0)
    assert all(map(math.isnan, lead(good, {p: np.full(12, np.nan) for p in truth}, truth, resamples=20)))


def test_a_primary_of_which_nothing_is_known_counts_for_nothing():
    truth = {p: np.array([[3.0, 3.0], [2.0, 2.0], [0.0, 0.0], [1.0, 1.0]]) for p in "ab"}
    found = agreement({"a": np.array([0.0, 1.0, 2.0, 3.0]), "b": np.full(4, np.nan)}, truth, resamples=20)
    assert found.regret == {1: 2.0, 3: 1.0}
