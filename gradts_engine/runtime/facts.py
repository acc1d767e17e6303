"""All that the keys of a run's jobs depend on: content, settings and versions. No path, time, device or thread, and no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gradts_engine.config import STEPS_FACTOR, Experiment, MultitaskSettings, ScoringSettings, TrainingSettings
from gradts_engine.contracts import Device, Selection, TaskData
from gradts_engine.learning.seeds import derive_seed

INSTANCES = 128
"""Train rows of a candidate, at most, whose gradients are compared with a primary's."""


def held_out(rows: int) -> int:
    """Of so many train rows, how many a training up to a part of its steps leaves out, for the gradient there."""
    return max(1, rows // 4)


@dataclass(frozen=True)
class TaskFacts:
    """What is known of a task by content: rows and digest of each split, and what it is
    judged by; `version` is that of its task type."""

    type: str
    metric: str
    sizes: Mapping[str, int]
    digests: Mapping[str, str]
    version: int = 1


@dataclass(frozen=True)
class Facts:
    """What is known of a run. The precision in `training`, `multitask` and `scoring` is the one that is computed in."""

    seed: int
    max_length: int
    training: TrainingSettings
    multitask: MultitaskSettings
    scoring: ScoringSettings
    encoder: str
    encoder_version: int
    tasks: Mapping[str, TaskFacts]

    def repeat_seed(self, repeat: int) -> int:
        """The run's seed, or the one that stands in its place in a further repeat."""
        return derive_seed(self.seed, "repeat", repeat) if repeat else self.seed

    def split(self, task: str, split: str) -> dict[str, Any]:
        """A split as the encoder sees it."""
        known = self.tasks[task]
        versions = {"encoder_version": self.encoder_version, "type_version": known.version}
        content = {"encoder": self.encoder, "max_length": self.max_length, "data": known.digests[split]}
        return content | {name: version for name, version in versions.items() if version > 1}

    @property
    def precision(self) -> dict[str, str]:
        """The number format that each section is computed in."""
        return {name: getattr(self, name).precision for name in ("training", "scoring", "multitask")}

    def told(self, versions: Mapping[str, str]) -> dict[str, str]:
        """All of it by name, in words: what a worker elsewhere must have, too. `versions` of packages and plugins go with it."""
        found = {"encoder": self.encoder} | {f"version of {name}": version for name, version in versions.items()}
        for name, task in self.tasks.items():
            found |= {f"{split} rows of {name}": data for split, data in task.digests.items()}
        sections = {"training": self.training, "multitask": self.multitask, "scoring": self.scoring}
        return found | {f"section [{name}]": settings.model_dump_json() for name, settings in sections.items()}

    def trial_steps(self, primary: str) -> int:
        """Optimiser steps of every trial of a primary, where `length = "steps"`."""
        settings = self.multitask
        batches = math.ceil(self.tasks[primary].sizes["train"] / settings.batch_size)
        return settings.steps or STEPS_FACTOR * settings.epochs * math.ceil(batches / settings.accumulation)

    def instances(self, selection: Selection) -> dict[str, int]:
        """How many instances of each auxiliary a selection uses."""
        return {a.task: self.tasks[a.task].sizes["train"] if a.instances is None else len(a.instances) for a in selection}


def facts_of(
    experiment: Experiment,
    data: Mapping[str, TaskData],
    encoder: str,
    versions: Mapping[str, int],
    devices: Sequence[Device],
    *,
    complete: bool = False,
) -> Facts:
    """The facts of an experiment: `encoder` is the digest of its encoder, `versions` those of its tasks' types. `complete`: all
    rows have to be scored, whatever was set."""
    training, multitask, scoring = experiment.training, experiment.multitask, experiment.scoring
    if complete:
        scoring = scoring.model_copy(update={"stop": "end"})
    tasks = {
        name: TaskFacts(
            task.type, task.judged_by, {s: len(rows) for s, rows in task.splits.items()}, dict(task.digests), versions[task.type]
        )
        for name, task in data.items()
    }
    return Facts(
        seed=experiment.run.seed,
        max_length=experiment.data.max_length,
        training=training.model_copy(update={"precision": resolve_precision(training.precision, devices)}),
        multitask=multitask.model_copy(update={"precision": resolve_precision(multitask.precision, devices)}),
        scoring=scoring.model_copy(update={"precision": resolve_precision(scoring.precision, devices, ("bf16", "fp32"))}),
        encoder=encoder,
        encoder_version=experiment.encoder.version,
        tasks=tasks,
    )


def resolve_precision(wanted: str, devices: Sequence[Device], formats: Sequence[str] = ("bf16", "fp16", "fp32")) -> str:
    """The number format that is computed in: `auto` is the first of `formats` that all devices of a run, of one kind, compute in
    by themselves. Any CPU can be told to compute in bf16, most slowly; none computes in fp16."""
    if wanted == "fp16" and devices[0].kind == "cpu":
        return "fp32"
    if wanted != "auto":
        return wanted
    return next(form for form in formats if all(form in device.formats for device in devices))
