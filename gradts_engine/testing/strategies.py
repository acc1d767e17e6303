"""What a strategy has to keep to."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from gradts_engine.contracts import Ranking, Repeats, Selection, Strategy, StrategySpec, Trials, Verdict

Scores = Callable[[Selection], float]


def _by_size(selection: Selection) -> float:
    return {0: 0.5, 1: 0.7, 2: 0.8, 3: 0.6}.get(len(selection), 0.4)


class StrategyContract:
    """Subclass with `spec`, and `settings` where the strategy has any without a default."""

    spec: StrategySpec
    settings: Mapping[str, Any] = {}
    candidates: tuple[str, ...] = ("alpha", "beta", "gamma", "delta")

    def select(
        self, values: Mapping[str, float], scores: Scores = _by_size, others: Mapping[str, float] | None = None
    ) -> Selection:
        """What the strategy selects where the predictor that orders says `values`, and all others say `others`, which is
        `values` by default; checked: each auxiliary is a candidate, once, with instances that exist, in order."""
        strategy: Strategy = self.spec.load()
        first = self.spec.predictor or "tau"
        told = {
            name: values if others is None or name == first else others for name in dict.fromkeys([first, "tau", "embedding"])
        }

        def instance_tau(task: str) -> np.ndarray:
            """Ten instances, one of them NaN."""
            found = np.linspace(-0.5, 0.9, 10, dtype=np.float64)
            found[3] = np.nan
            return found

        ranking = Ranking(
            primary="main",
            candidates=tuple(values),
            predictor=first,
            predicted={name: {c: Repeats((v,)) for c, v in of.items()} for name, of in told.items()},
            instance_tau=instance_tau,
        )

        def evaluate(selections: Sequence[Selection], repeats: Sequence[int]) -> Sequence[Repeats]:
            for selection in selections:
                _check(selection, ranking)
            assert len(set(repeats)) == len(repeats), f"{repeats}: a repeat is asked for twice"
            return [Repeats((scores(selection),) * len(repeats)) for selection in selections]

        def judge(selections: Sequence[Selection], repeats: Sequence[int]) -> Sequence[Verdict]:
            return [_verdict(found.mean - scores(()), len(repeats)) for found in evaluate(selections, repeats)]

        chosen = strategy(ranking, Trials(evaluate, judge), self.spec.settings()(**self.settings))
        _check(chosen, ranking)
        return chosen

    def values(self, *values: float) -> dict[str, float]:
        """A value for each candidate."""
        return dict(zip(self.candidates, values, strict=True))

    def test_it_is_deterministic(self) -> None:
        """The same evidence and scores give the same selection."""
        values = self.values(0.1, 0.7, 0.3, 0.5)
        selections = {self.select(values) for _ in range(5)}
        assert len(selections) == 1, f"the same evidence gave another selection: {selections}"

    def test_it_follows_its_predictor(self) -> None:
        """What other predictors say changes nothing."""
        values = self.values(0.1, 0.7, 0.3, 0.5)
        contrary = {c: -v for c, v in values.items()}
        assert self.select(values, others=contrary) == self.select(values), "it follows another predictor than its own"

    def test_no_candidates(self) -> None:
        """Nothing to select from is no error."""
        assert self.select({}) == ()

    def test_no_evidence(self) -> None:
        """A candidate of which nothing is known (its training failed) is never selected."""
        nothing = self.values(*[math.nan] * 4)
        assert self.select(nothing) == (), "candidates of which nothing is known are selected"
        some = self.values(0.9, math.nan, 0.8, math.nan)
        assert {a.task for a in self.select(some)} <= {"alpha", "gamma"}

    def test_all_equal(self) -> None:
        """Ties are no error, and are broken the same way every time."""
        equal = self.values(*[0.4] * 4)
        assert self.select(equal) == self.select(equal)
        assert self.select(equal, scores=lambda _: 0.5) == self.select(equal, scores=lambda _: 0.5)

    def test_all_trials_failed(self) -> None:
        """A trial that failed has the score NaN."""
        self.select(self.values(0.9, 0.8, 0.7, 0.6), scores=lambda _: math.nan)


def _verdict(gain: float, seeds: int) -> Verdict:
    """As good a verdict as there can be."""
    kind: Literal["helps", "neutral", "hurts", "undecided"] = "undecided" if math.isnan(gain) else "neutral"
    if abs(gain) > 0.01:
        kind = "helps" if gain > 0 else "hurts"
    return Verdict(verdict=kind, gain=gain, low=gain, high=gain, seeds=seeds, rows=1000)


def _check(selection: Selection, ranking: Ranking) -> None:
    assert isinstance(selection, tuple), f"a selection is a tuple, got {selection!r}"
    names = [auxiliary.task for auxiliary in selection]
    assert len(set(names)) == len(names), f"{names}: a task is selected twice"
    assert set(names) <= set(ranking.candidates), f"{names}: not all are candidates ({ranking.candidates})"
    for auxiliary in selection:
        rows = auxiliary.instances
        if rows is not None:
            assert rows, f"{auxiliary.task} is selected without instances; leave it out instead"
            assert list(rows) == sorted(set(rows)), f"{auxiliary.task}: instances are not ascending positions, each once"
            assert set(rows) <= set(range(len(ranking.instance_tau(auxiliary.task)))), f"{auxiliary.task} has no such rows"
