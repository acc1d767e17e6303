"""Probes of states whose worth is known, against evidence that is maximised numerically and scikit-learn's cross-validation."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.preprocessing import StandardScaler

from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.prediction.probe import worth
from gradts_engine.scoring.probes import PENALTIES
from gradts_engine.testing import toy_evidence

CATALOG = load_catalog()
TASKS = ("main", "clear", "blurred", "blind")
NOISE = {None: 0.8, "clear": 0.3, "blurred": 0.5, "blind": 30.0}
"""Of the direction of the states that holds the labels; what an encoder sees of the labels, by the task that it was tuned on."""


def labels(task):
    return np.random.default_rng(list(task.encode())).integers(0, 2, 150)


def states(rows, tuned, repeat):
    draw = np.random.default_rng(list(f"{rows}/{tuned}/{repeat}".encode()))
    found = draw.normal(size=(150, 10))
    found[:, 0] = labels(rows) + NOISE[tuned if rows == "main" else rows] * draw.normal(size=150)
    return found


def planted(**changes):
    return replace(toy_evidence(TASKS), **({"states": states, "targets": labels} | changes))


def predict(name, evidence):
    return CATALOG.predictors[name].load()(evidence)


def best_evidence(x, y):
    """The largest log evidence a row of a Bayesian linear model, over both precisions, found by a general optimiser."""

    def loss(precisions):
        alpha, beta = np.exp(precisions)
        return -multivariate_normal(np.zeros(len(y)), x @ x.T / alpha + np.eye(len(y)) / beta).logpdf(y)

    return -minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-8}).fun / len(y)


def explained(x, y):
    """The share of variance that ridge regression explains of rows left out one by one, with the best of its penalties."""
    x = StandardScaler().fit_transform(x)
    errors = [np.mean((y - cross_val_predict(Ridge(a), x, y, cv=LeaveOneOut())) ** 2) for a in PENALTIES]
    return 1 - min(errors)


def test_worth_is_the_mean_of_the_best_evidence_and_of_what_ridge_explains():
    x = np.random.default_rng(0).normal(size=(40, 6))
    y = x[:, 0] + np.random.default_rng(1).normal(size=40)
    y = (y - y.mean()) / y.std()
    basis = np.linalg.svd(np.ones((1, 40)))[2][1:]  # without the mean
    expected = (best_evidence(basis @ x, basis @ y) - math.log(1 - explained(x, y)) / 2) / 2
    assert worth(x, y) == pytest.approx(expected, abs=1e-5)


def test_what_is_better_seen_after_tuning_comes_first():
    found = predict("probe", planted())
    assert sorted(found, key=lambda c: -found[c].mean) == ["clear", "blurred", "blind"]
    assert found["clear"].mean > 0 > found["blind"].mean


def test_the_forward_probe_reads_the_primarys_rows_alone_and_the_reverse_its_own_encoder():
    asked = []

    def watched(rows, tuned, repeat):
        asked.append((rows, tuned, repeat))
        return states(rows, tuned, repeat)

    predict("probe", planted(states=watched))
    assert {*asked} == {("main", None, 0), *(("main", c, r) for c in TASKS[1:] for r in (0, 1))}
    asked.clear()
    predict("probe-reverse", planted(states=lambda rows, tuned, r: watched(rows, "clear" if tuned else None, r)))
    assert {rows for rows, _, _ in asked} == {*TASKS[1:]}


def test_an_encoder_that_changed_nothing_is_worth_nothing():
    same = planted(states=lambda rows, tuned, repeat: states(rows, None, 0))
    for name in ("probe", "probe-reverse"):
        assert {c: f.values for c, f in predict(name, same).items()} == dict.fromkeys(TASKS[1:], (0.0, 0.0))


def test_units_of_the_states_and_names_of_classes_change_nothing():
    other = planted(states=lambda *of: states(*of) * 7 - 2, targets=lambda task: 3 - labels(task))
    for candidate, found in predict("probe", planted()).items():
        assert predict("probe", other)[candidate].values == pytest.approx(found.values, abs=1e-5)


def test_what_cannot_be_probed_has_no_value():
    """No labels that a probe can read (none of either), or a tuning that failed in one repeat."""
    none = planted(states=lambda *of: np.empty((0, 10)), targets=lambda task: np.empty(0, int))
    assert all(math.isnan(f.mean) for f in predict("probe", none).values())
    failed = planted(states=lambda rows, tuned, r: states(rows, tuned, r) * (math.nan if (tuned, r) == ("clear", 1) else 1))
    assert np.isfinite(predict("probe", failed)["clear"].values).tolist() == [True, False]
