"""Verdicts on simulated trainings whose true gain is known."""

import math
from collections import Counter

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_1samp
from scipy.stats import t as student

from gradts_engine.repeats import Repeats, Verdict
from gradts_engine.selection.verdicts import freedom, judge, noise_of, pseudo_values, shrunk


def tables(draw: np.random.Generator, gain: float, seeds: int, rows: int, seed_noise: float, count: int = 3) -> list[np.ndarray]:
    """Differences of two classifiers that err independently: a part from rows, from seeds, and from both."""
    return [
        gain + draw.normal(0, 0.2, (1, rows)) + draw.normal(0, seed_noise, (seeds, 1)) + draw.normal(0, 0.3, (seeds, rows))
        for _ in range(count)
    ]


def simulated(gain: float, seeds: int, rows: int, seed_noise: float, cases: int = 400) -> tuple[float, Counter[str]]:
    """Coverage of the intervals, and how often each verdict was given."""
    draw = np.random.default_rng(3)
    found = [v for _ in range(cases) for v in judge(tables(draw, gain, seeds, rows, seed_noise), 0.01)]
    return sum(v.low <= gain <= v.high for v in found) / len(found), Counter(v.verdict for v in found)


@pytest.mark.parametrize(("seeds", "rows", "noise"), [(3, 200, 0.02), (5, 200, 0.02), (5, 1000, 0.01), (8, 100, 0.04)])
def test_intervals_cover_and_null_cases_are_rarely_decided(seeds: int, rows: int, noise: float):
    covered, verdicts = simulated(0.0, seeds, rows, noise)
    assert 0.92 <= covered <= 0.98
    assert (verdicts["helps"] + verdicts["hurts"]) / verdicts.total() <= 0.07  # 5%, and the noise of 1,200 verdicts


@pytest.mark.parametrize("common", [0.0, 0.5, 0.9])
def test_what_candidates_have_in_common_counts_once(common: float):
    """Normal differences whose correlation is known: Var(mean of K variances) = 2 (1 + (K - 1) rho^2) / (K (S - 1))."""
    draw, seeds = np.random.default_rng(5), 4000
    of_seed = np.sqrt(1 - common) * draw.normal(size=(4, seeds)) + np.sqrt(common) * draw.normal(size=seeds)
    assert freedom(of_seed) == pytest.approx(4 * (seeds - 1) / (1 + 3 * common**2), rel=0.05)


def test_one_candidate_and_candidates_that_are_alike_have_the_freedom_of_their_seeds():
    differences = np.random.default_rng(5).normal(size=(3, 6))
    assert freedom(differences[:1]) == 5
    assert freedom(np.repeat(differences[:1], 3, axis=0)) == pytest.approx(5)
    assert freedom(differences[:, :2]) == 3 / (1 + 2 / 4)  # nothing can be estimated
    assert freedom(np.zeros((3, 6))) == 15  # of no variance any number is right
    assert 5 <= freedom(differences) <= 15


@pytest.mark.parametrize(("seeds", "least"), [(2, 0.9), (3, 0.925), (5, 0.935), (8, 0.94)])
def test_intervals_cover_where_the_trainings_alone_differ_most(seeds: int, least: float):
    """All candidates share them. With as many degrees of freedom as there are candidates and seeds it was .92, .93 and .935."""
    draw, held = np.random.default_rng(1), []
    for _ in range(6000):
        alone = 2 * draw.normal(size=(seeds, 1))
        held += [v.low <= 0 <= v.high for v in judge([draw.normal(size=(seeds, 1)) - alone for _ in range(3)], 0.01)]
    assert least <= np.mean(held) <= 0.965


def test_what_helps_or_hurts_much_is_found():
    assert simulated(0.08, 5, 200, 0.01)[1]["helps"] / 1200 >= 0.95
    assert simulated(-0.08, 5, 200, 0.01)[1]["hurts"] / 1200 >= 0.95


def test_no_gain_of_many_rows_and_seeds_is_neutral():
    (found,) = judge([np.random.default_rng(0).normal(0, 0.05, (30, 4000))], 0.01)
    assert found.verdict == "neutral"


def test_rows_that_are_all_alike_are_as_many_as_they_are():
    """No difference on 4 rows may be one on half of all; on 1,000 it is one on less than 4 in 1,000."""
    for instances, verdict in ((4, "undecided"), (1000, "neutral")):
        (found,) = judge([np.zeros((2, 4))], 0.01, instances=instances)
        half = binomtest(0, instances).proportion_ci(0.95, "exact").high
        assert (found.verdict, found.low, found.high) == (verdict, pytest.approx(-half), pytest.approx(half))
        assert found.more is None or verdict == "neutral"
    (found,) = judge([np.ones((2, 50))], 0.01)
    assert found.verdict == "helps"


def test_gains_without_rows_are_a_t_test():
    values = np.array([[1.0], [2.0], [4.0]])
    (found,) = judge([values], 0.5)
    expected = ttest_1samp(values[:, 0], 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert (found.verdict, found.rows) == ("undecided", 0)


def test_more_is_what_it_takes():
    """Repeating the same seeds so often as it says decides, and once less does not."""
    table = np.array([[0.5], [2.0], [-0.7], [1.5], [0.1]])
    (found,) = judge([table], 0.01)
    gain, spread, more = table.mean(), table.std(ddof=1), found.more
    assert more

    def low(seeds: int) -> float:
        return float(gain - student.ppf(0.975, seeds - 1) * spread / np.sqrt(seeds))

    assert low(5 + more) > 0 >= low(5 + more - 1)


def test_too_few_rows_are_not_mended_by_seeds():
    rows = np.random.default_rng(0).normal(0.01, 1, (1, 50))
    (found,) = judge([np.repeat(rows, 5, 0) + np.random.default_rng(1).normal(0, 0.01, (5, 50))], 0.001)
    assert (found.verdict, found.more) == ("undecided", None)


def test_failed_trainings_count_for_none():
    good = np.array([[1.0], [1.1], [0.9]])
    failed = np.array([[1.0], [np.nan], [0.9]])
    found = judge([good, failed], 0.1)
    assert [v.seeds for v in found] == [2, 2]
    (alone,) = judge([failed[:2]], 0.1)
    assert (alone.verdict, alone.more) == ("undecided", 1)


def test_pseudo_values_of_a_mean_are_its_rows():
    rows = np.random.default_rng(0).normal(size=40)
    np.testing.assert_allclose(pseudo_values(lambda where: float(rows[where].mean()), 40), rows)
    blocks = pseudo_values(lambda where: float(rows[where].mean()), 40, blocks=8)
    np.testing.assert_allclose(blocks, rows.reshape(8, 5).mean(1))


@pytest.mark.parametrize("count", [2, 4, 12])
def test_the_best_of_several_is_shrunk_to_what_it_is(count: int):
    """Less than a third of the standard deviation of the noise is left of the bias, and nowhere more than there was."""
    draw = np.random.default_rng(0)
    errors, raw = [], []
    for _ in range(1500):
        true = draw.normal(0, 1, count)
        seen = true + draw.normal(0, 1.5, count)
        best = int(seen.argmax())
        errors.append(shrunk(float(seen[best]), seen, 1.5**2) - true[best])
        raw.append(seen[best] - true[best])
    assert abs(np.mean(errors)) < 0.33 * 1.5
    assert abs(np.mean(errors)) < 0.45 * np.mean(raw)


def test_nothing_is_expected_where_the_noise_is_not_known():
    assert math.isnan(shrunk(0.9, np.array([0.5, 0.6, 0.9]), math.nan))
    assert shrunk(0.9, np.array([0.9]), math.nan) == 0.9, "there was no choice"


def test_noise_is_that_of_the_mean():
    """Measured on tables of scores, it is the variance of what sets their means apart, whatever rows and seeds have in common."""
    draw = np.random.default_rng(0)

    def drawn(seeds: int) -> list[np.ndarray]:
        common = draw.normal(0, 1, (1, 40)) + draw.normal(0, 0.5, (seeds, 1))
        parts = ((1, 40, 0.3), (seeds, 1, 0.1 if seeds > 1 else 0), (seeds, 40, 0.4))
        return [common + sum(draw.normal(0, noise, (s, r)) for s, r, noise in parts) for _ in range(5)]

    for seeds in (1, 3):
        true = 0.3**2 / 40 + (0.1**2 / seeds if seeds > 1 else 0) + 0.4**2 / 40 / seeds
        found = [noise_of(drawn(seeds)) for _ in range(300)]
        assert np.mean(found) == pytest.approx(true, rel=0.1)
    assert np.isnan(noise_of([np.zeros((2, 3))]))


def test_repeats():
    found = Repeats((0.5, 0.7, float("nan"), 0.6))
    assert found.mean == pytest.approx(0.6)
    expected = ttest_1samp([0.5, 0.7, 0.6], 0).confidence_interval(0.95)
    assert found.interval() == pytest.approx((expected.low, expected.high))
    low, high = Repeats((0.9, 0.99)).interval(correlation=True)
    assert -1 < low < high < 1
    assert np.isnan(Repeats((0.5,)).interval()).all()
    assert found.against(Repeats((0.4, 0.4, 0.4))).values[:2] == pytest.approx((0.1, 0.3))
    assert isinstance(judge([np.zeros((2, 1))], 0.1)[0], Verdict)
