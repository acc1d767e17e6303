"""Events of a primary on its way from a ranking to a final model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gradts_engine.events.base import Event


@dataclass(frozen=True)
class TrialScored(Event):
    """Best dev score of a primary trained with auxiliaries (task to number of instances) in a repeat, or NaN and the reason.
    `pilot`: it was made to learn what the auxiliary does, whatever is wanted for the primary."""

    primary: str
    auxiliaries: Mapping[str, int]
    score: float
    key: str
    reason: str = ""
    repeat: int = 0
    pilot: bool = False


@dataclass(frozen=True)
class Predicted(Event):
    """What predictors say of a primary's candidates, `values[predictor][candidate]` with one value a repeat; which one orders,
    and which ones' values are `correlations`. `places`: how likely each candidate is to gain most, second most, ..., by the first
    predictor whose values tell."""

    primary: str
    predictor: str
    values: Mapping[str, Mapping[str, tuple[float, ...]]]
    correlations: tuple[str, ...] = ()
    places: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Judged(Event):
    """A verdict on auxiliaries (task to number of instances) of a primary: helps, neutral, hurts or undecided; the gain and its
    95% interval, `seeds` and `rows` that judged, and how many more seeds it would take (None: no number would do). The last four
    are the intervals for other rows or other seeds alone."""

    primary: str
    auxiliaries: Mapping[str, int]
    verdict: str
    gain: float
    low: float
    high: float
    seeds: int
    rows: int
    more: int | None = 0
    rows_low: float | None = None
    rows_high: float | None = None
    seeds_low: float | None = None
    seeds_high: float | None = None


@dataclass(frozen=True)
class Expected(Event):
    """What new seeds are expected to give of a selection that is one of `of` different ones that were tried: its dev score
    and its gain against the primary alone. `how`: `fresh` (seeds and rows that no choice was made on measured it) or `shrunk`
    (the seen scores were drawn together, since the best of several is too good by luck)."""

    primary: str
    auxiliaries: Mapping[str, int]
    score: float
    gain: float
    of: int
    how: str


@dataclass(frozen=True)
class Proposed(Event):
    """A strategy's selection for a primary: task to number of instances. `digest` names exactly this proposal."""

    primary: str
    digest: str
    auxiliaries: Mapping[str, int]


@dataclass(frozen=True)
class Confirmed(Event):
    """What a person or the policy decided; `by` is `person` or `policy`. With `keep` or `threshold`, each auxiliary has the
    instances that these choose by their tau, and not those that were proposed."""

    primary: str
    digest: str
    auxiliaries: Mapping[str, int]
    by: str
    keep: float | None = None
    threshold: float | None = None


SpanTypes = Mapping[str, Mapping[str, float]]
"""Of each type of spans: precision, recall, f1 (0 to 1), and `support`, the number of true ones."""


@dataclass(frozen=True)
class FinalModel(Event):
    """Best dev score of a primary's final model, the folder that holds it, and how the model and the primary trained alone
    for equally many steps do on the test split, where there is one with labels. `predictions` is the file with the model's
    answers to all test rows; `key` is that of the trial that it is. Where the metric is of spans, `types[split][type]` has their
    precision, recall, f1 and support."""

    primary: str
    score: float
    model: str
    test: float | None = None
    alone_test: float | None = None
    predictions: str = ""
    key: str = ""
    types: Mapping[str, SpanTypes] = field(default_factory=dict)
