"""Events of a whole run: its beginning and end, its data, commands to it, and warnings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gradts_engine.events.base import Event


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
    `judged_by` is the metric with the class or the tags that it is of, as people are shown it; `digests` are of splits.
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
    digests: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Tokenised(Event):
    """A split is ready for the encoder; `truncated` of its instances were cut at `max_length` tokens."""

    task: str
    split: str
    instances: int
    truncated: int


@dataclass(frozen=True)
class Planned(Event):
    """What was expected at the start of a run, by stage: how many `jobs` are to be computed, and in how many `seconds` together,
    from (low) to (high); of trials at most. Stages of which no pace is known are missing."""

    jobs: Mapping[str, int]
    seconds: Mapping[str, tuple[float, float]]


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
