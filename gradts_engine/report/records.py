"""What a run found, as frozen records. Everything that shows results (tables, JSON, the page, the terminal UI) renders these.

A score or tau that is missing or not finite is None throughout.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from gradts_engine.report.history import Spent

THRESHOLDS = tuple(round(-0.2 + 0.1 * i, 1) for i in range(12))
"""For which `PrimaryResults.kept` counts instances."""


@dataclass(frozen=True)
class Interval:
    """Where a value lies with probability .95."""

    low: float | None
    high: float | None


@dataclass(frozen=True)
class Reliability:
    """Tau of a task's head ranking with itself: mean of two `halves` of its train rows, over random ways to halve them, and mean
    of two `seeds` of its fine-tuning, of which there are `repeats` (None: one alone). `said` is what that means."""

    halves: float | None
    seeds: float | None
    repeats: int
    said: str


@dataclass(frozen=True)
class TaskResults:
    """Sizes of a task's splits (None: it has none), bad rows left out (`skipped`), texts longer than max_length (`cut`), and the
    best dev score of the model that was tuned on it alone. What else there is: see `events.TaskRead`."""

    task: str
    type: str
    train: int | None
    dev: int | None
    test: int | None
    skipped: int
    cut: int
    metric: str
    dev_score: float | None
    classes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    overlap: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    duplicates: int = 0
    constant: float | None = None
    warnings: tuple[str, ...] = ()
    judged_by: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)
    reliability: Reliability | None = None


@dataclass(frozen=True)
class Ranked:
    """A candidate: its tau with the primary, and the cosine of mean encoder states. `over_instances` is where the mean tau over
    the run's seeds lies with other train rows of both tasks; intervals over seeds are those of `predictors`."""

    task: str
    tau: float | None
    embedding: float | None
    predictors: Mapping[str, Prediction] = field(default_factory=dict)
    """What each chosen predictor says of it."""
    over_instances: Interval | None = None


@dataclass(frozen=True)
class Prediction:
    """What a predictor says of a candidate: mean over `repeats` seeds, and where it lies over all seeds (None: one seed does not
    tell)."""

    mean: float | None
    low: float | None
    high: float | None
    repeats: int


@dataclass(frozen=True)
class Judgement:
    """A verdict on a selection against the primary alone: the gain and its 95% interval in units of the metric, how many seeds
    and dev rows judged, how many train instances of the auxiliaries took part; `more`: seeds that it would take to know, None
    where no number would do, and about how many seconds these take. The interval is of both sources of chance; `over_rows` is
    where the gain of the same seeds lies on other rows, `over_seeds` that of other seeds on the same rows."""

    verdict: str
    gain: float | None
    low: float | None
    high: float | None
    seeds: int
    rows: int
    instances: int
    more: int | None
    seconds: float | None
    over_rows: Interval
    over_seeds: Interval


@dataclass(frozen=True)
class Expected:
    """What new seeds are expected to give of a selection that is one of `of` different ones that were tried: dev score,
    and gain against the primary alone. `how`: `fresh` (measured on fresh seeds and rows), or `shrunk` (from what was seen)."""

    score: float | None
    gain: float | None
    of: int
    how: str


@dataclass(frozen=True)
class Trial:
    """One multi-task training: with how many `instances` of each auxiliary, and its best dev score, or why there is none; the
    `seconds` that it took, whenever that was, None where that is not known."""

    auxiliaries: tuple[str, ...]
    instances: Mapping[str, int]
    score: float | None
    reason: str
    repeat: int
    seconds: float | None


@dataclass(frozen=True)
class Chosen:
    """An auxiliary that was proposed or confirmed, and how many of its instances."""

    task: str
    instances: int


@dataclass(frozen=True)
class Final:
    """Dev and test score of a final model, and those of the primary trained alone; `model` is its folder, `predictions` the file
    with its answers to all test rows (empty: there are none). `test` is None where no such row has a label, or where the metric
    is not defined."""

    score: float | None
    model: str
    test: float | None
    alone: float | None
    alone_test: float | None
    verdict: str | None
    gain: float | None
    low: float | None
    high: float | None
    """What fresh seeds and rows said of this selection, where they were asked."""
    expected: Expected | None = None
    """What `score` is to be read as, where it is the best of several."""
    predictions: str = ""
    types: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    """Of spans: `types[split][type]` has precision, recall and f1, from 0 to 1, and the number of true spans (`support`)."""


@dataclass(frozen=True)
class PrimaryResults:
    """What was found for one primary, as far as the run has come.

    `ranking` by falling value of the `predictor`, else of tau; `kept[candidate][threshold]` counts the instances that each of
    `THRESHOLDS` would keep; `proposed` and `confirmed` are None before there is such a thing, and empty where it is the primary
    alone.
    """

    metric: str | None
    predictor: str | None
    """The one that ordered the candidates."""
    ranking: tuple[Ranked, ...]
    verdicts: Mapping[str, Judgement]
    """By auxiliaries, several as `a + b`."""
    kept: Mapping[str, Mapping[str, int]]
    trials: tuple[Trial, ...]
    proposed: tuple[Chosen, ...] | None
    digest: str | None
    confirmed: tuple[Chosen, ...] | None
    final: Final | None
    judged_by: str = ""
    expected: Expected | None = None
    """Of what is confirmed, or else proposed."""
    answer: str = ""
    """What to train the primary with, in words."""
    unjudged: Mapping[str, str] = field(default_factory=dict)
    """What was tried and has no verdict, where others have one, the best first: why it has none."""
    places: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """How likely each candidate is to gain most, second most, ..., by a predictor that tells; empty where none was asked."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """How many train instances of a candidate no training with the primary has, where it is some, once there is a proposal."""

    @property
    def alone(self) -> float | None:
        """Best dev score of trial 0, the primary alone."""
        return self.alone_in(0)

    def alone_in(self, repeat: int) -> float | None:
        """Best dev score of the primary alone in a repeat: the gain of a trial is against that of the same seed."""
        return next((t.score for t in self.trials if not t.auxiliaries and t.repeat == repeat), None)


@dataclass(frozen=True)
class RunResults:
    """All results of a run. `tau[primary][candidate]`; `pilots[task]` are trainings of other tasks, to learn what their
    auxiliaries do; `precision` is the number format that each section was computed in; `warnings` tell of stored results that
    are damaged or were removed; `size` is the bytes that the run and the results that it names take, None where nobody asked."""

    run: str
    state: str
    encoder: str | None
    settings: Mapping[str, Any]
    tasks: tuple[str, ...]
    data: tuple[TaskResults, ...]
    tau: Mapping[str, Mapping[str, float | None]]
    pilots: Mapping[str, tuple[Trial, ...]]
    primaries: Mapping[str, PrimaryResults]
    warnings: tuple[str, ...]
    caveat: str = ""
    """What a reader of the rankings has to know; empty where there is none by tau."""
    precision: Mapping[str, str] = field(default_factory=dict)
    size: int | None = None
    spent: tuple[Spent, ...] = ()
    reason: str = ""
    """Why it failed, where it did."""


def as_json(found: RunResults) -> dict[str, Any]:
    """The records as JSON has them: `results --json`."""
    return asdict(found, dict_factory=lambda pairs: {"dev score" if k == "dev_score" else k: _plain(v) for k, v in pairs})


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
