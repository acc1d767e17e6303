"""What happens in a run, one frozen dataclass an event: stored with the run, drawn by the command line, seen by plugins.

`stage` is one of embed, tune, score, correlate, trial, final; `subject` says of what, a task or a primary with its auxiliaries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
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
    run: str
    encoder: str
    tasks: tuple[str, ...]
    primaries: tuple[str, ...]
    devices: tuple[str, ...]
    versions: Mapping[str, str]


@dataclass(frozen=True)
class TaskRead(Event):
    """Instances of each split, bad rows skipped, and train instances cut at `max_length` tokens."""

    task: str
    sizes: Mapping[str, int]
    skipped: Mapping[str, int]
    truncated: int


@dataclass(frozen=True)
class StageStarted(Event):
    stage: str
    subject: str
    key: str


@dataclass(frozen=True)
class StageProgress(Event):
    """`done` of `total` optimiser steps (trainings) or instances (scoring); `loss` where there is one."""

    progress: ClassVar[bool] = True
    stage: str
    subject: str
    done: int
    total: int
    loss: float | None = None


@dataclass(frozen=True)
class EpochScored(Event):
    """Dev score of the primary (or of the task trained alone) after an epoch, counted from 1."""

    stage: str
    subject: str
    epoch: int
    metric: str
    score: float


@dataclass(frozen=True)
class StageFinished(Event):
    """`cached`: the artifact was found and nothing was computed."""

    stage: str
    subject: str
    key: str
    seconds: float
    cached: bool


@dataclass(frozen=True)
class StageFailed(Event):
    stage: str
    subject: str
    reason: str


@dataclass(frozen=True)
class Proposed(Event):
    """A strategy's selection for a primary: task to number of instances. `digest` names exactly this proposal."""

    primary: str
    digest: str
    auxiliaries: Mapping[str, int]


@dataclass(frozen=True)
class Confirmed(Event):
    """What a person or the policy decided; `by` is `person` or `policy`."""

    primary: str
    digest: str
    auxiliaries: Mapping[str, int]
    by: str


@dataclass(frozen=True)
class CommandAnswered(Event):
    """Answer to a command file of the inbox."""

    command: str
    id: str
    accepted: bool
    reason: str


@dataclass(frozen=True)
class FinalModel(Event):
    """Dev score of the final model of a primary, and the folder that holds it."""

    primary: str
    score: float
    model: str


@dataclass(frozen=True)
class Warned(Event):
    message: str


@dataclass(frozen=True)
class RunEnded(Event):
    """`state` is done, waiting, interrupted or failed."""

    state: str
    reason: str = ""
