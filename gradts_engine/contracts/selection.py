"""Strategies, what they may look at and have computed, and the selections that they give."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from gradts_engine.repeats import Repeats, Verdict
from gradts_engine.settings import Section

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, order=True)
class Auxiliary:
    """A selected candidate: all its instances, or those at the positions `instances` of its train split."""

    task: str
    instances: tuple[int, ...] | None = None


Selection = tuple[Auxiliary, ...]
"""The auxiliaries chosen for one primary; empty means that it is trained alone."""

Evaluate = Callable[[Sequence[Selection], Sequence[int]], Sequence[Repeats]]
"""Dev scores of trials: `evaluate(selections, repeats)` gives one `Repeats` a selection with one value a repeat, NaN where a
training failed. Cached and seeded; all trials of a call run side by side."""

Judge = Callable[[Sequence[Selection], Sequence[int]], Sequence[Verdict]]
"""As `Evaluate`, but each selection against the primary alone, on rows that `Evaluate` does not score. Give it repeats that no
choice was made on."""


@dataclass(frozen=True)
class Trials:
    """What a strategy may have computed."""

    evaluate: Evaluate
    judge: Judge


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """What a strategy may look at, for one primary. `candidates` are in the order of tasks.toml; `predicted[name][candidate]` is
    NaN where nothing is known; `predictor` names the one that orders. `instance_tau(a)` is `[instances of a]`, row order =
    train split."""

    primary: str
    candidates: tuple[str, ...]
    predictor: str
    predicted: Mapping[str, Mapping[str, Repeats]]
    instance_tau: Callable[[str], np.ndarray]

    def value(self, candidate: str) -> float:
        """What the predictor that orders says of a candidate, the mean over its repeats."""
        return self.predicted[self.predictor][candidate].mean

    def order(self) -> list[str]:
        """Candidates by falling value, ties in the order of tasks.toml; those of which nothing is known are left out."""
        values = {c: self.value(c) for c in self.candidates}
        return sorted((c for c in values if not math.isnan(values[c])), key=lambda c: -values[c])


class Strategy(Protocol):
    """A function of a ranking and of scores: the same of both give the same selection, so it has no state to save. `settings` is
    what `[selection.NAME]` says, an instance of the specification's model."""

    def __call__(self, ranking: Ranking, trials: Trials, settings: Any) -> Selection: ...


@dataclass(frozen=True, kw_only=True)
class StrategySpec:
    """A way to choose auxiliaries. `settings` gives the model of its table `[selection.NAME]`, a subclass of
    `gradts_engine.settings.Section`. `predictor` orders the candidates where `[selection] predictor` names none; None: it
    needs no order. `needs_instances`: it asks for `instance_tau`. `judges`: it asks for verdicts, so that
    its trials are scored on the other dev rows. `most(settings, candidates)` and `fewest` give the most and the fewest trainings
    that it asks for with so many candidates: by default one for each and one alone, and three."""

    name: str
    load: Callable[[], Strategy]
    settings: Callable[[], type[Section]] = field(default=lambda: Section)
    predictor: str | None = "tau"
    needs_instances: bool = False
    judges: bool = False
    most: Callable[[Any, int], int] = field(default=lambda settings, candidates: candidates + 1)
    fewest: Callable[[Any, int], int] = field(default=lambda settings, candidates: min(candidates + 1, 3))
    version: int = 1
    description: str = ""
