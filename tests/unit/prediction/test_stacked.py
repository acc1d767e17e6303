"""Equal weights until stored trials show better ones, on evidence where it is known which measure tells the truth."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm, spearmanr, zscore

from gradts_engine.contracts import Ranking, Repeats, StoredTrial
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.prediction.stacked import AGREEMENT, PRIMARIES, places, stacked
from gradts_engine.runtime.ranking import told
from gradts_engine.testing import toy_evidence

CATALOG = load_catalog()
POOL = tuple(f"task{i}" for i in range(9))
GOOD = dict(zip(POOL, np.random.default_rng(5).normal(size=len(POOL)), strict=True))
"""What each task does for any other."""


def predict(name, evidence):
    return CATALOG.predictors[name].load()(evidence)


def trials(gain, primaries=POOL[1:]):
    return [
        StoredTrial(primary=p, auxiliaries=(c,), repeat=0, score=0.7 + 0.05 * gain(p, c))
        for p in primaries
        for c in POOL
        if c != p
    ]


def means(found):
    return np.array([f.mean for f in found.values()])


def by_hand(evidence, repeat):
    """Both measures, standardised, added, standardised."""
    both = [zscore([f.values[repeat] for f in predict(name, evidence).values()]) for name in ("embedding", "probe")]
    return zscore(np.sum(both, axis=0))


def test_without_trials_probe_and_embedding_count_alike_in_each_repeat():
    evidence = replace(toy_evidence(POOL, repeats=3), trials=())
    found = stacked(evidence)
    for repeat in range(3):
        values = [f.values[repeat] for f in found.values()]
        assert values == pytest.approx(AGREEMENT * by_hand(evidence, repeat))


def test_trials_that_teach_nothing_change_no_order():
    noise = np.random.default_rng(0)
    evidence = replace(toy_evidence(POOL, repeats=1), trials=trials(lambda p, c: noise.normal()))
    assert spearmanr(means(stacked(evidence)), by_hand(evidence, 0)).statistic == pytest.approx(1)


def test_trials_that_teach_other_weights_are_believed():
    """The gain is what a candidate does for any primary: the embedding and the probe, drawn at random here, know nothing."""
    evidence = replace(toy_evidence(POOL, repeats=1), trials=trials(lambda p, c: GOOD[c]))
    truth = [GOOD[c] for c in evidence.candidates]
    assert spearmanr(means(stacked(evidence)), truth).statistic > 0.9
    assert abs(spearmanr(by_hand(evidence, 0), truth).statistic) < 0.6


def test_trials_of_too_few_primaries_teach_nothing():
    evidence = replace(toy_evidence(POOL, repeats=1), trials=trials(lambda p, c: GOOD[c], POOL[1:PRIMARIES]))
    assert means(stacked(evidence)) == pytest.approx(AGREEMENT * by_hand(evidence, 0))


def test_its_own_trials_change_nothing():
    """A predictor that has seen the answer foretells nothing."""
    rest = trials(lambda p, c: GOOD[c])
    own = [t for t in trials(lambda p, c: -9 * GOOD[c], POOL) if t.primary == POOL[0]]
    evidence = toy_evidence(POOL, repeats=1)
    assert stacked(replace(evidence, trials=rest)) == stacked(replace(evidence, trials=rest + own))


def test_what_one_measure_says_stands_alone_where_the_other_has_no_value():
    evidence = replace(toy_evidence(POOL, repeats=1), trials=(), states=lambda *of: np.empty((0, 3)))
    expected = zscore([f.mean for f in predict("embedding", evidence).values()])
    assert means(stacked(evidence)) == pytest.approx(AGREEMENT * expected)
    blind = replace(evidence, state=lambda task: np.full(3, np.nan))
    assert np.isnan(means(stacked(blind))).all()


def test_places_are_those_of_normal_gains():
    found = places({"a": Repeats((0.5, 0.7)), "b": Repeats((-0.6, math.nan)), "c": Repeats((math.nan,))})
    first = norm.cdf(1.2 / math.sqrt(2 * (1 - 0.36)))
    assert found["a"] == pytest.approx((first, 1 - first), abs=0.01)
    assert found["b"] == pytest.approx((1 - first, first), abs=0.01)
    assert "c" not in found


def test_a_run_tells_places_where_a_predictor_knows_them():
    said = {name: {"a": Repeats((0.6,)), "b": Repeats((-0.6,))} for name in ("tau", "stacked")}

    def ranking(*names: str) -> Ranking:
        chosen = {name: said[name] for name in names}
        return Ranking(
            primary="p", candidates=("a", "b"), predictor="tau", predicted=chosen, instance_tau=lambda task: np.zeros(0)
        )

    event = told(ranking("tau", "stacked"), CATALOG)
    assert event.values["stacked"] == {"a": (0.6,), "b": (-0.6,)}
    assert event.correlations == ("tau",)
    assert event.places["a"] == pytest.approx(places(said["stacked"])["a"], abs=5e-4)
    assert told(ranking("tau"), CATALOG).places == {}
