"""What a predictor has to keep to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradts_engine.contracts import Evidence, PredictorSpec, Repeats, StoredTrial

CLASSES, ROWS, WIDTH = 3, 60, 12


def toy_evidence(tasks: Sequence[str], *, repeats: int = 2) -> Evidence:
    """Evidence of all kinds, drawn at random, for the first of `tasks` as primary."""

    def draw(*of: object) -> np.random.Generator:
        return np.random.default_rng(list("/".join(map(str, of)).encode()))

    def targets(task: str) -> np.ndarray:
        return draw("targets", task).integers(0, CLASSES, ROWS)

    trials = [
        StoredTrial(primary=p, auxiliaries=aux, repeat=0, score=float(draw("trial", p, *aux).normal(0.7, 0.05)))
        for p in (*tasks[1:], "another")
        for aux in [(), *((a,) for a in tasks if a != p)]
    ]
    return Evidence(
        primary=tasks[0],
        candidates=tuple(tasks[1:]),
        repeats=repeats,
        importance=lambda task, repeat: draw("importance", task, repeat).random((3, 4)) + 0.1,
        state=lambda task: draw("state", task).normal(size=WIDTH),
        states=lambda rows, tuned, repeat: draw("states", rows, tuned, repeat).normal(size=(ROWS, WIDTH)),
        targets=targets,
        alignment=lambda primary, candidate, repeat: float(draw("alignment", primary, candidate, repeat).normal()),
        trials=tuple(trials),
    )


READS: Mapping[str, tuple[str, ...]] = {
    "importance": ("importance",),
    "state": ("state",),
    "states": ("states", "targets"),
    "states-reverse": ("states", "targets"),
    "gradients": ("alignment",),
    "trials": ("trials",),
}
"""Which parts of `Evidence` each need brings."""


class PredictorContract:
    """Subclass with `spec`."""

    spec: PredictorSpec
    tasks: tuple[str, ...] = ("main", "alpha", "beta", "gamma", "delta")

    def predict(self, evidence: Evidence) -> Mapping[str, Repeats]:
        """What the predictor says, checked: every candidate, one value a repeat, from what it names alone."""
        named = {part for need in self.spec.needs for part in READS[need]}
        hidden: dict[str, Any] = {}
        for part in {part for parts in READS.values() for part in parts} - named:
            hidden[part] = () if part == "trials" else _hidden(part)
        found = self.spec.load()(replace(evidence, **hidden))
        assert set(found) == set(evidence.candidates), f"values for {sorted(found)}, expected {sorted(evidence.candidates)}"
        for candidate, repeats in found.items():
            count = len(repeats.values)
            assert count == evidence.repeats, f"{candidate}: {count} values, expected one a repeat ({evidence.repeats})"
            if self.spec.correlation:
                assert (np.abs(repeats.finite) <= 1).all(), f"{candidate}: {repeats.values}, expected -1 to 1"
        return found

    def test_every_candidate_and_repeat(self) -> None:
        """Whatever the number of candidates and repeats."""
        for count in range(1, len(self.tasks) + 1):
            for repeats in (1, 3):
                self.predict(toy_evidence(self.tasks[:count], repeats=repeats))

    def test_it_is_deterministic(self) -> None:
        """The same evidence gives the same values."""
        evidence = toy_evidence(self.tasks)
        assert repr(self.predict(evidence)) == repr(self.predict(evidence)), "the same evidence gave other values"

    def test_the_order_of_candidates(self) -> None:
        """A candidate's value does not depend on where it stands."""
        evidence = toy_evidence(self.tasks)
        there, back = (self.predict(replace(evidence, candidates=order)) for order in (self.tasks[1:], self.tasks[:0:-1]))
        for candidate in evidence.candidates:
            np.testing.assert_allclose(there[candidate].values, back[candidate].values, rtol=1e-6, err_msg=candidate)


def _hidden(part: str) -> Callable[..., Any]:
    def read(*of: object) -> Any:
        raise AssertionError(f"it reads {part}, which no need that it names brings")

    return read
