"""Strategies as functions of evidence and of the scores that trials would get."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradts_engine.contracts import Auxiliary, Ranking, Repeats, Selection, Trials
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.selection import strategies
from gradts_engine.selection.strategies import FineGrainedSettings, ThresholdSettings, fine_grained, keep_instances, trial
from gradts_engine.settings import Section

NAN = math.nan
TAUS = st.one_of(st.floats(-1, 1), st.sampled_from([0.5, 0.5, NAN]))
SCORES = st.one_of(st.floats(-100, 100), st.sampled_from([1.0, 2.0, 3.0, NAN]))
CANDIDATES = ("zoo", "alpha", "mid", "b", "a")


@dataclass
class Scores:
    """Scores the k-th trial that is asked for with `scores[k]`, and remembers what was asked."""

    scores: Sequence[float]
    asked: list[Selection] = field(default_factory=list)

    def __call__(self, selections: Sequence[Selection], repeats: Sequence[int]) -> Sequence[Repeats]:
        assert list(repeats) == [0]
        first = len(self.asked)
        self.asked += selections
        return [Repeats((score,)) for score in self.scores[first : first + len(selections)]]

    @property
    def trials(self) -> Trials:
        return Trials(self, None)  # type: ignore[arg-type]  # no published strategy asks for a verdict


def ranked(
    tau: Mapping[str, float], instances: Mapping[str, Sequence[float]] | None = None, predictor: str = "tau", **others: Any
) -> Ranking:
    return Ranking(
        primary="main",
        candidates=tuple(tau),
        predictor=predictor,
        predicted={n: {c: Repeats((v,)) for c, v in of.items()} for n, of in ({"tau": tau} | others).items()},
        instance_tau=lambda task: np.array((instances or {})[task]),
    )


NOTHING = Section()


def all_of(*tasks: str) -> Selection:
    return tuple(Auxiliary(task) for task in tasks)


@st.composite
def situations(draw: st.DrawFn) -> tuple[Ranking, list[float]]:
    """Up to five candidates, and the score of every trial there might be."""
    count = draw(st.integers(0, len(CANDIDATES)))
    scores = draw(st.lists(SCORES, min_size=count + 1, max_size=count + 1))
    return ranked({candidate: draw(TAUS) for candidate in CANDIDATES[:count]}), scores


@given(situations())
def test_order_of_candidates(situation: tuple[Ranking, list[float]]) -> None:
    """By falling tau, ties as in tasks.toml; what has no tau is no candidate."""
    found, _ = situation
    order = found.order()
    assert set(order) == {c for c in found.candidates if not math.isnan(found.value(c))}
    for before, after in itertools.pairwise(order):
        assert found.value(before) >= found.value(after)
        if found.value(before) == found.value(after):
            assert found.candidates.index(before) < found.candidates.index(after)


@given(situations())
def test_trial(situation: tuple[Ranking, list[float]]) -> None:
    found, scores = situation
    order = found.order()
    trials = Scores(scores)
    chosen = trial(found, trials.trials, NOTHING)

    # Trial k is the first k candidates, trial 0 the primary alone, each asked for once.
    asked = len(trials.asked)
    assert trials.asked == [all_of(*order[:k]) for k in range(asked)]
    # It stops after the first trial k >= 2 that scores below the one before, and only then or at the end.
    seen = [-math.inf if math.isnan(score) else score for score in scores[:asked]]
    falls = [k for k in range(2, asked) if seen[k] < seen[k - 1]]
    assert falls == [asked - 1] if asked <= len(order) else falls in ([], [asked - 1])
    # The best trial wins, trial 0 included, the smallest of those that tie; a failed one wins only over failed ones.
    assert seen[len(chosen)] == max(seen)
    assert all(score < seen[len(chosen)] for score in seen[: len(chosen)])
    assert chosen == all_of(*order[: len(chosen)])
    # The same evidence and scores give the same selection.
    assert trial(found, Scores(scores).trials, NOTHING) == chosen


@pytest.mark.parametrize(
    ("scores", "asked", "chosen"),
    [
        ([0.5, 0.6, 0.7, 0.65], 4, "ab"),
        ([0.5, 0.4, 0.6, 0.6], 4, "ab"),  # the first auxiliary may cost something
        ([0.5, 0.4, 0.3, 0.9], 3, ""),
        ([0.5, 0.5, 0.5, 0.5], 4, ""),
        ([0.5, 0.7, NAN, 0.9], 3, "a"),
        ([NAN, 0.1, 0.1, 0.0], 4, "a"),
        ([NAN, NAN, NAN, NAN], 4, ""),
        ([-0.3, -0.2, -0.1, -0.2], 4, "ab"),
    ],
)
def test_trial_by_example(scores: list[float], asked: int, chosen: str) -> None:
    trials = Scores(scores)
    assert trial(ranked({"a": 0.9, "b": 0.8, "c": 0.7}), trials.trials, NOTHING) == all_of(*chosen)
    assert len(trials.asked) == asked


@given(situations(), st.floats(-1, 1))
def test_threshold(situation: tuple[Ranking, list[float]], threshold: float) -> None:
    found, _ = situation
    trials = Scores([])
    chosen = strategies.threshold(found, trials.trials, ThresholdSettings(threshold=threshold))
    known = falling(found)
    assert chosen == all_of(*known[known >= threshold].index)
    assert not trials.asked


def falling(found: Ranking) -> pd.Series:
    """What pandas makes of the values: sorted, without those that are not known."""
    values = pd.Series({c: repeats.values[0] for c, repeats in found.predicted["tau"].items()}, dtype=float)
    return values.dropna().sort_values(ascending=False, kind="stable")


@given(situations())
def test_baselines(situation: tuple[Ranking, list[float]]) -> None:
    found, _ = situation
    trials = Scores([])
    assert strategies.none(found, trials.trials, NOTHING) == ()
    assert strategies.every(found, trials.trials, NOTHING) == all_of(*falling(found).index)
    assert not trials.asked


def test_the_embedding_baseline_is_trial_in_the_order_of_the_cosine() -> None:
    spec = load_catalog().strategies["embedding"]
    found = ranked({"a": 0.9, "b": 0.1, "c": NAN}, predictor=spec.predictor or "", embedding={"a": 0.1, "b": 0.2, "c": 0.3})
    trials = Scores([1.0, 2.0, 3.0, 2.0])
    assert spec.load()(found, trials.trials, NOTHING) == all_of("c", "b")
    assert trials.asked == [all_of(*"cba"[:k]) for k in range(4)]


# --- fine-grained ----------------------------------------------------------------------------------------------------

INSTANCE_TAUS = st.lists(TAUS, max_size=12).map(np.array)


@given(INSTANCE_TAUS, st.floats(-1, 1))
def test_instances_by_threshold(tau: np.ndarray, threshold: float) -> None:
    assert list(keep_instances(tau, threshold=threshold, keep=0.1)) == [i for i, t in enumerate(tau) if t >= threshold]


@given(INSTANCE_TAUS, st.integers(1, 100))
def test_instances_by_share(tau: np.ndarray, percent: int) -> None:
    """A share of the instances that have a tau, rounded up; the highest, the first of those that tie."""
    kept = keep_instances(tau, threshold=None, keep=percent / 100)
    known = [i for i, t in enumerate(tau) if not math.isnan(t)]
    assert len(kept) == -(-percent * len(known) // 100)
    assert list(kept) == sorted(sorted(known, key=lambda i: (-tau[i], i))[: len(kept)])
    assert all(isinstance(i, int) for i in kept)


@pytest.mark.parametrize(("keep", "count", "kept"), [(0.07, 100, 7), (0.55, 100, 55), (0.071, 100, 8), (0.1, 1_000_000, 100_000)])
def test_a_share_is_rounded_up_from_what_it_says(keep: float, count: int, kept: int) -> None:
    """0.07 * 100 is 7.000000000000001 in floats."""
    assert len(keep_instances(np.arange(count, dtype=float), threshold=None, keep=keep)) == kept


def test_ties_of_many_instances_are_kept_in_their_order() -> None:
    """Many, since a sort that is not stable shows only then."""
    tau = np.tile([0.25, 0.5], 200)
    assert keep_instances(tau, threshold=None, keep=0.3) == tuple(range(1, 240, 2))


def test_fine_grained_cuts_what_trial_chose() -> None:
    found = ranked({"a": 0.9, "b": 0.8, "c": 0.7}, {"a": [0.1, 0.9, NAN, 0.5], "b": [0.7, 0.6]})
    chosen = fine_grained(found, Scores([1.0, 2.0, 3.0, 2.0]).trials, FineGrainedSettings(threshold=None, keep=0.5))
    assert chosen == (Auxiliary("a", (1, 3)), Auxiliary("b", (0,)))
    chosen = fine_grained(found, Scores([1.0, 2.0, 3.0, 2.0]).trials, FineGrainedSettings(threshold=0.6, keep=0.5))
    assert chosen == (Auxiliary("a", (1,)), Auxiliary("b", (0, 1)))


def test_fine_grained_drops_an_auxiliary_without_instances() -> None:
    found = ranked({"a": 0.9, "b": 0.8}, {"a": [NAN, NAN], "b": [0.1, 0.2]})
    assert fine_grained(found, Scores([1.0, 2.0, 3.0]).trials, FineGrainedSettings(threshold=None, keep=0.5)) == (
        Auxiliary("b", (1,)),
    )
    assert fine_grained(found, Scores([1.0, 2.0, 3.0]).trials, FineGrainedSettings(threshold=0.6, keep=0.5)) == ()
    assert fine_grained(found, Scores([3.0, 2.0, 1.0]).trials, FineGrainedSettings(threshold=None, keep=1.0)) == ()
