"""Means and intervals over seeds."""

import math

import numpy as np
import pytest
from scipy import stats

from gradts_engine.repeats import Repeats


def test_equal_values_have_an_interval_only_where_no_seed_changes_them():
    """Scores on a hundred rows are hundredths: two of them are often the same by chance."""
    assert all(map(math.isnan, Repeats((0.02, 0.02)).interval()))
    assert Repeats((0.02, 0.02)).interval(exact=True) == (0.02, 0.02)
    assert all(map(math.isnan, Repeats((0.02, math.nan)).interval(exact=True)))


def test_the_interval_is_students():
    values = np.random.default_rng(0).normal(size=7)
    expected = stats.ttest_1samp(values, 0).confidence_interval()
    assert Repeats(tuple(values)).interval(exact=True) == pytest.approx(tuple(expected))
