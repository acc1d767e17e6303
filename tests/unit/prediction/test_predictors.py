"""Predictors on evidence whose answer is known or can be computed by other means."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kendalltau, zscore

from gradts_engine.contracts import StoredTrial
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.testing import toy_evidence

CATALOG = load_catalog()
TASKS = ("main", "alpha", "beta", "gamma")


def predict(name, evidence):
    return CATALOG.predictors[name].load()(evidence)


def test_tau_is_scipys_on_rows_that_sum_to_one():
    evidence = toy_evidence(TASKS, repeats=3)
    shares = lambda task, r: (m := evidence.importance(task, r)) / m.sum(1, keepdims=True)  # noqa: E731
    for candidate, found in predict("tau", evidence).items():
        expected = [kendalltau(shares("main", r), shares(candidate, r)).statistic for r in range(3)]
        assert found.values == pytest.approx(expected)


def test_centred_tau_does_not_see_what_all_tasks_share():
    evidence = toy_evidence(TASKS)
    common = np.random.default_rng(0).gamma(1, 1, (3, 4))
    shared = replace(evidence, importance=lambda task, r: common * evidence.importance(task, r))
    for candidate, found in predict("tau-centred", evidence).items():
        assert predict("tau-centred", shared)[candidate].values == pytest.approx(found.values)
    assert predict("tau", shared)["alpha"].values != pytest.approx(predict("tau", evidence)["alpha"].values)


def test_centred_tau_of_a_head_without_importance_is_nan_for_that_task_alone():
    evidence = toy_evidence(TASKS)
    holes = replace(evidence, importance=lambda task, r: evidence.importance(task, r) * (task != "alpha"))
    found = predict("tau-centred", holes)
    assert math.isnan(found["alpha"].mean)
    assert not math.isnan(found["beta"].mean)


def test_embedding_is_the_cosine():
    states = {"main": np.array([1.0, 0.0]), "alpha": np.array([2.0, 0.0]), "beta": np.array([0.0, 3.0]), "gamma": -np.ones(2)}
    found = predict("embedding", replace(toy_evidence(TASKS), state=states.__getitem__))
    assert {c: f.mean for c, f in found.items()} == pytest.approx({"alpha": 1, "beta": 0, "gamma": -math.sqrt(0.5)})


def test_main_effect_is_the_mean_standard_score_with_others():
    scores = {("alpha", "beta"): 0.5, ("alpha", "gamma"): 0.7, ("beta", "alpha"): 0.9, ("beta", "gamma"): 0.1}
    trials = [StoredTrial(primary=p, auxiliaries=(c,), repeat=0, score=s) for (p, c), s in scores.items()]
    noise = [
        StoredTrial(primary="main", auxiliaries=("beta",), repeat=0, score=9.0),
        StoredTrial(primary="alpha", auxiliaries=(), repeat=0, score=9.0),
        StoredTrial(primary="alpha", auxiliaries=("beta", "gamma"), repeat=0, score=9.0),
        StoredTrial(primary="alpha", auxiliaries=("beta",), repeat=0, score=math.nan),
    ]
    found = predict("main-effect", replace(toy_evidence(TASKS, repeats=1), trials=trials + noise))
    first, second = zscore([0.5, 0.7]), zscore([0.9, 0.1])
    expected = {"alpha": second[0], "beta": first[0], "gamma": (first[1] + second[1]) / 2}
    assert {c: f.mean for c, f in found.items()} == pytest.approx(expected)


def test_main_effect_without_trials_knows_nothing():
    found = predict("main-effect", replace(toy_evidence(TASKS), trials=()))
    assert all(math.isnan(f.mean) for f in found.values())


def test_random_is_another_order_for_another_seed():
    orders = set()
    for seed in range(20):
        found = predict("random", replace(toy_evidence(TASKS), seed=seed))
        orders.add(tuple(sorted(found, key=lambda c: found[c].mean)))
    assert len(orders) == 6
