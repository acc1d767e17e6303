"""Events of a stage: a computation with one result, which `key` names.

`stage` is one of embed, tune, score, states, part, align, correlate, reliability, proposal, trial, test; `subject` says of what:
a task, or a primary with its auxiliaries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gradts_engine.events.base import Event


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
    """`cached`: the artifact was found and nothing was computed. `operations` of floating point numbers and optimiser `steps`
    were counted."""

    stage: str
    subject: str
    key: str
    seconds: float
    cached: bool
    about: About | None = None
    operations: float = 0.0
    steps: int = 0


@dataclass(frozen=True)
class StageFailed(Event):
    """A stage came to an end without a result; `reason` is a line for people."""

    stage: str
    subject: str
    reason: str
    key: str = ""
    about: About | None = None
