"""What a strategy has to keep to."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from gradts_engine.contracts import Evidence, Selection, Strategy, StrategySpec

Scores = Callable[[Selection], float]


def _by_size(selection: Selection) -> float:
    return {0: 0.5, 1: 0.7, 2: 0.8, 3: 0.6}.get(len(selection), 0.4)


class StrategyContract:
    """Subclass with `spec`, and other settings where the strategy needs them."""

    spec: StrategySpec
    threshold: float | None = 0.2
    keep = 0.5
    candidates: tuple[str, ...] = ("alpha", "beta", "gamma", "delta")

    def select(
        self, tau: Mapping[str, float], scores: Scores = _by_size, embedding: Mapping[str, float] | None = None
    ) -> Selection:
        """What the strategy selects, checked: each auxiliary is a candidate, once, with instances that exist, in order."""
        strategy: Strategy = self.spec.load()

        def instance_tau(task: str) -> np.ndarray:
            """Ten instances, one of them NaN."""
            values = np.linspace(-0.5, 0.9, 10, dtype=np.float64)
            values[3] = np.nan
            return values

        evidence = Evidence(primary="main", candidates=tuple(tau), tau=tau, embedding=tau, instance_tau=instance_tau)

        def evaluate(selections: Sequence[Selection]) -> Sequence[float]:
            for selection in selections:
                _check(selection, evidence)
            return [scores(selection) for selection in selections]

        chosen = strategy(evidence, evaluate, threshold=self.threshold, keep=self.keep)
        _check(chosen, evidence)
        return chosen

    def taus(self, *values: float) -> dict[str, float]:
        """Tau of each candidate."""
        return dict(zip(self.candidates, values, strict=True))

    def test_it_is_deterministic(self) -> None:
        """The same evidence and scores give the same selection."""
        tau = self.taus(0.1, 0.7, 0.3, 0.5)
        selections = {self.select(tau) for _ in range(5)}
        assert len(selections) == 1, f"the same evidence gave another selection: {selections}"

    def test_no_candidates(self) -> None:
        """Nothing to select from is no error."""
        assert self.select({}) == ()

    def test_no_evidence(self) -> None:
        """A candidate of which nothing is known (its training failed) is never selected."""
        nothing = self.taus(*[math.nan] * 4)
        assert self.select(nothing) == (), "candidates without tau and embedding are selected"
        some = self.taus(0.9, math.nan, 0.8, math.nan)
        assert {a.task for a in self.select(some)} <= {"alpha", "gamma"}

    def test_all_equal(self) -> None:
        """Ties are no error, and are broken the same way every time."""
        equal = self.taus(*[0.4] * 4)
        assert self.select(equal) == self.select(equal)
        assert self.select(equal, scores=lambda _: 0.5) == self.select(equal, scores=lambda _: 0.5)

    def test_all_trials_failed(self) -> None:
        """A trial that failed has the score NaN."""
        self.select(self.taus(0.9, 0.8, 0.7, 0.6), scores=lambda _: math.nan)


def _check(selection: Selection, evidence: Evidence) -> None:
    assert isinstance(selection, tuple), f"a selection is a tuple, got {selection!r}"
    names = [auxiliary.task for auxiliary in selection]
    assert len(set(names)) == len(names), f"{names}: a task is selected twice"
    assert set(names) <= set(evidence.candidates), f"{names}: not all are candidates ({evidence.candidates})"
    for auxiliary in selection:
        rows = auxiliary.instances
        if rows is not None:
            assert rows, f"{auxiliary.task} is selected without instances; leave it out instead"
            assert list(rows) == sorted(set(rows)), f"{auxiliary.task}: instances are not ascending positions, each once"
            assert set(rows) <= set(range(len(evidence.instance_tau(auxiliary.task)))), f"{auxiliary.task} has no such rows"
