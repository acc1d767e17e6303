"""Strategies and predictors that break their contracts are found out."""

import random
from typing import Any

import pytest

from gradts_engine.contracts import Auxiliary, PredictorSpec, Repeats, StrategySpec
from gradts_engine.testing import PredictorContract, StrategyContract
from tests.unit.testing.breaking import broken


def chance(ranking: Any, trials: Any, settings: Any) -> Any:
    return tuple(Auxiliary(c) for c in ranking.candidates if random.random() < 0.5)


def everything(ranking: Any, trials: Any, settings: Any) -> Any:
    return tuple(Auxiliary(c) for c in ranking.candidates)


def first(ranking: Any, trials: Any, settings: Any) -> Any:
    return (Auxiliary(ranking.candidates[0]),)


def twice(ranking: Any, trials: Any, settings: Any) -> Any:
    return tuple(Auxiliary(c) for c in ranking.candidates * 2)


def stray(ranking: Any, trials: Any, settings: Any) -> Any:
    return tuple(Auxiliary(c) for c in ranking.candidates if ranking.predicted["embedding"][c].mean > 0.4)


def backwards(ranking: Any, trials: Any, settings: Any) -> Any:
    return tuple(Auxiliary(c, (3, 1)) for c in ranking.candidates)


@pytest.mark.parametrize(
    ("strategy", "test", "message"),
    [
        (chance, "test_it_is_deterministic", "another selection"),
        (everything, "test_no_evidence", "nothing is known are selected"),
        (twice, "test_it_is_deterministic", "a task is selected twice"),
        (stray, "test_it_follows_its_predictor", "another predictor"),
        (backwards, "test_it_is_deterministic", "not ascending positions"),
    ],
)
def test_broken_strategies(strategy: Any, test: str, message: str) -> None:
    random.seed(1)
    broken(StrategyContract, test, message, spec=StrategySpec(name="broken", load=lambda: strategy))


def silent(evidence: Any) -> Any:
    return {c: Repeats((0.0,)) for c in evidence.candidates}


def curious(evidence: Any) -> Any:
    return {c: Repeats((evidence.state(c)[0],) * evidence.repeats) for c in evidence.candidates}


def by_place(evidence: Any) -> Any:
    return {c: Repeats((float(i),) * evidence.repeats) for i, c in enumerate(evidence.candidates)}


@pytest.mark.parametrize(
    ("predictor", "test", "message"),
    [
        (silent, "test_every_candidate_and_repeat", "expected one a repeat"),
        (curious, "test_every_candidate_and_repeat", "it reads state"),
        (by_place, "test_the_order_of_candidates", "alpha"),
        (lambda evidence: {}, "test_it_is_deterministic", "expected \\['alpha'"),
    ],
)
def test_broken_predictors(predictor: Any, test: str, message: str) -> None:
    spec = PredictorSpec(name="broken", load=lambda: predictor, needs=("importance",))
    broken(PredictorContract, test, message, spec=spec)


def test_a_strategy_that_needs_candidates() -> None:
    contract = StrategyContract()
    contract.spec = StrategySpec(name="broken", load=lambda: first)
    with pytest.raises(IndexError):
        contract.test_no_candidates()
