"""What happens in a run, one frozen dataclass an event: stored with the run, drawn by the command line, seen by plugins.

`stage` is one of embed, tune, score, states, part, align, correlate, reliability, proposal, trial, test; `subject` says of what:
a task, or a primary with its auxiliaries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, ClassVar


@dataclass(frozen=True)
class Event:
    """Base of all events. `progress` events may be thinned; all others are state and never dropped."""

    progress: ClassVar[bool] = False

    def as_record(self) -> dict[str, Any]:
        """JSON-ready fields, with the class name as `event`."""
        return {"event": type(self).__name__, **asdict(self)}


@dataclass(frozen=True)
class RunStarted(Event):
    """`config` is the absolute path of tasks.toml, for readers who want to find the data again; `settings` its sections;
    `store` the absolute path of the store that keeps what stages computed, by their keys; `needs` which evidence is computed
    (`contracts.Need`); `precision` the number format that each section is computed in; `keep` which stored weights stay once the
    run is done; `trials` the most that the strategy makes of each primary."""

    run: str
    config: str
    encoder: str
    tasks: tuple[str, ...]
    primaries: tuple[str, ...]
    devices: tuple[str, ...]
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    store: str = ""
    needs: tuple[str, ...] = ("importance", "state")
    precision: Mapping[str, str] = field(default_factory=dict)
    keep: str = "all"
    trials: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class TaskRead(Event):
    """Instances of each split, and bad rows that were left out.

    `classes[name][split]` counts labels, `overlap[split][task]` dev or test rows whose text is a train text of a task,
    `duplicates` rows with the text of an earlier one of their split. `constant` is the best dev score of an answer that is always
    the same, and `chance` the score up to which one cannot be told from it. `warnings` are what a person should look at.
    `judged_by` is the metric with the class or the tags that it is of, as people are shown it.
    """

    task: str
    type: str
    metric: str
    sizes: Mapping[str, int]
    skipped: Mapping[str, int]
    classes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    overlap: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    duplicates: int = 0
    constant: float | None = None
    chance: float | None = None
    warnings: tuple[str, ...] = ()
    judged_by: str = ""


@dataclass(frozen=True)
class Tokenised(Event):
    """A split is ready for the encoder; `truncated` of its instances were cut at `max_length` tokens."""

    task: str
    split: str
    instances: int
    truncated: int


@dataclass(frozen=True)
class About:
    """What a stage is about: a task, or a primary with auxiliaries and how many of their instances are used (None: all)."""

    task: str
    auxiliaries: tuple[tuple[str, int | None], ...] = ()
    repeat: int = 0


@dataclass(frozen=True)
class StageStarted(Event):
    """`key` names the result, here and in the events that follow; `subject` says in words what `about` says."""

    stage: str
    subject: str
    key: str
    about: About | None = None
    device: str = ""


@dataclass(frozen=True)
class StageResumed(Event):
    """A training goes on from a checkpoint, after `done` of `total` optimiser steps; its earlier epochs are told again."""

    stage: str
    subject: str
    done: int
    total: int
    key: str = ""


@dataclass(frozen=True)
class StageProgress(Event):
    """`done` of `total` optimiser steps (trainings) or instances (scoring); `loss` where there is one."""

    progress: ClassVar[bool] = True
    stage: str
    subject: str
    done: int
    total: int
    loss: float | None = None
    key: str = ""


@dataclass(frozen=True)
class EpochScored(Event):
    """Dev score of the primary (or of the task trained alone) after an epoch, counted from 1."""

    stage: str
    subject: str
    epoch: int
    metric: str
    score: float
    key: str = ""


@dataclass(frozen=True)
class StageFinished(Event):
    """`cached`: the artifact was found and nothing was computed. `operations` of floating point numbers were counted."""

    stage: str
    subject: str
    key: str
    seconds: float
    cached: bool
    about: About | None = None
    operations: float = 0.0


@dataclass(frozen=True)
class Planned(Event):
    """What was expected at the start of a run, by stage: how many `jobs` are to be computed, and in how many `seconds` together,
    from (low) to (high); of trials at most. Stages of which no pace is known are missing."""

    jobs: Mapping[str, int]
    seconds: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class StageFailed(Event):
    """A stage came to an end without a result; `reason` is a line for people."""

    stage: str
    subject: str
    reason: str
    key: str = ""
    about: About | None = None


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
    and which ones' values are `correlations`."""

    primary: str
    predictor: str
    values: Mapping[str, Mapping[str, tuple[float, ...]]]
    correlations: tuple[str, ...] = ()


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
    """What new seeds are expected to give of a selection that is the best of `of` different ones that were tried: its dev score
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


@dataclass(frozen=True)
class CommandAnswered(Event):
    """Answer to a command file of the inbox."""

    command: str
    id: str
    accepted: bool
    reason: str


@dataclass(frozen=True)
class RunPaused(Event):
    """Every worker holds after its present step."""


@dataclass(frozen=True)
class RunResumed(Event):
    """The workers go on."""


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


@dataclass(frozen=True)
class Freed(Event):
    """At the end of a run, weights that no run needs were removed from the store: those of so many results, `size` bytes."""

    results: int
    size: int


@dataclass(frozen=True)
class Warned(Event):
    """Something that a person should know of, and that stops nothing."""

    message: str


@dataclass(frozen=True)
class RunEnded(Event):
    """`state` is done, waiting, interrupted, cancelled or failed."""

    state: str
    reason: str = ""


def from_record(record: object) -> Event | None:
    """The event of an `as_record` dictionary; None for one that this version does not know or cannot read."""
    if not isinstance(record, dict):
        return None
    fields = record.copy()
    name = str(fields.pop("event", None))
    kind = KINDS.get(name)
    if kind is None or not fields.keys() <= kind.__dataclass_fields__.keys():
        return None
    try:
        event: Event = _reader(name)(fields)
    except ValueError:
        return None
    return event


@cache
def _reader(name: str) -> Callable[[Any], Any]:
    """Checks the types of an event's fields, so that nobody who gets an event has to."""
    from pydantic import TypeAdapter  # late: most of what imports this module reads no events

    return TypeAdapter(KINDS[name]).validator.validate_python  # without the adapter around it: there may be many events


KINDS: Mapping[str, type[Event]] = {kind.__name__: kind for kind in Event.__subclasses__()}
