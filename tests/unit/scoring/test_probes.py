"""Evidence and ridge against scikit-learn's own, and what they must say of states that explain everything, and nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import null_space
from scipy.stats import multivariate_normal
from sklearn.linear_model import BayesianRidge, Ridge
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.preprocessing import StandardScaler

from gradts_engine.scoring.probes import PENALTIES, logme, one_hot, ridge


def invented(seed, rows=80, width=12, noise=1.0):
    rng = np.random.default_rng(seed)
    states = rng.normal(size=(rows, width)) * rng.uniform(0.2, 3, size=width) + rng.normal(size=width)
    return states, states[:, :3].sum(1) + noise * rng.normal(size=rows)


@pytest.mark.parametrize(("rows", "width"), [(80, 12), (20, 40)])
def test_the_evidence_is_that_of_the_bayesian_model_at_its_best_precisions(rows, width):
    states, numbers = invented(0, rows, width)
    basis = null_space(np.ones((1, rows))).T  # all directions but the mean, which an intercept takes
    x, y = basis @ states, basis @ (numbers / numbers.std())
    fitted = BayesianRidge(max_iter=30_000, tol=1e-14, alpha_1=0, alpha_2=0, lambda_1=0, lambda_2=0, fit_intercept=False).fit(
        x, y
    )
    covariance = x @ x.T / fitted.lambda_ + np.eye(rows - 1) / fitted.alpha_
    evidence = multivariate_normal(np.zeros(rows - 1), covariance).logpdf(y) / (rows - 1)
    assert logme(states, numbers) == pytest.approx(evidence, abs=1e-5)


def test_classes_are_columns_that_count_alike():
    states, numbers = invented(1)
    classes = np.digitize(numbers, np.quantile(numbers, [0.2, 0.7]))
    parts = [logme(states, (classes == c).astype(float)) for c in range(3)]
    assert logme(states, classes) == pytest.approx(np.mean(parts))
    assert logme(states, classes) == pytest.approx(logme(states, classes * 7 - 3))  # names of classes mean nothing


def test_ridge_explains_what_leaving_out_every_row_explains():
    states, numbers = invented(2, rows=40)
    x, y = StandardScaler().fit_transform(states), (numbers - numbers.mean()) / numbers.std()
    errors = [np.mean((y - cross_val_predict(Ridge(alpha), x, y, cv=LeaveOneOut())) ** 2) for alpha in PENALTIES]
    assert ridge(states, numbers) == pytest.approx(1 - min(errors), abs=1e-6)


@pytest.mark.parametrize("measure", [logme, ridge])
@given(seed=st.integers(0, 2**32 - 1))
def test_less_noise_is_worth_more_and_unrelated_labels_least(measure, seed):
    states, clear = invented(seed, noise=0.3)
    _, blurred = invented(seed, noise=6.0)
    unrelated = np.random.default_rng(seed + 1).permutation(clear)
    assert measure(states, clear) > measure(states, blurred)
    assert measure(states, clear) > measure(states, unrelated)


@pytest.mark.parametrize("measure", [logme, ridge])
def test_units_and_shifts_change_nothing(measure):
    states, numbers = invented(3)
    assert measure(states * 10 + 5, numbers * 100 - 7) == pytest.approx(measure(states, numbers), abs=1e-4)


@pytest.mark.parametrize("measure", [logme, ridge])
def test_labels_that_do_not_vary_have_no_value(measure):
    states, _ = invented(4)
    assert np.isnan(measure(states, np.zeros(len(states), np.int64)))
    assert np.isnan(measure(states[:1], np.zeros(1)))
    assert np.isfinite(measure(np.ones((10, 3)), np.arange(10.0)))  # states that say nothing


def test_one_hot():
    assert one_hot(np.array([2, 0, 2])).tolist() == [[0, 1], [1, 0], [0, 1]]
    assert one_hot(np.array([0.5, 2.0])).tolist() == [[0.5], [2.0]]
    assert one_hot(np.array([[0, 1], [1, 1]])).tolist() == [[0, 1], [1, 1]]
