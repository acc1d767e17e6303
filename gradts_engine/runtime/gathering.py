"""The evidence of a run: what its predictors and its strategy need, and nothing else, asked of the driver side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import cache
from typing import Any

import numpy as np

from gradts_engine import events
from gradts_engine.config import Experiment
from gradts_engine.contracts import Evidence, Need
from gradts_engine.errors import TrainingDiverged
from gradts_engine.learning.overlap import left_out
from gradts_engine.runtime.artifacts import RAW, STATE, STATES, TAU, Artifact
from gradts_engine.runtime.driver import Driver
from gradts_engine.runtime.facts import Facts
from gradts_engine.runtime.jobs import Embed, Job, Score, States
from gradts_engine.runtime.prepare import Prepared
from gradts_engine.runtime.proposals import correlate
from gradts_engine.runtime.shards import read_raw
from gradts_engine.scoring.normalise import mean_importance


def state_jobs(experiment: Experiment, facts: Facts, primary: str, *, reverse: bool) -> list[States]:
    """The states that tell of a primary's candidates: its rows under the encoder that was tuned on each; or, in `reverse`, the
    rows of each under the encoder that was tuned on it. Before these, the same rows under the pretrained encoder."""
    pairs = [(c, primary) if reverse else (primary, c) for c in experiment.candidates(primary)]
    before = [States(task=task) for task in dict.fromkeys(task for task, _ in pairs)]
    repeats = range(facts.training.seeds)
    return [*before, *(States(task=task, tuned=tuned, repeat=r) for r in repeats for task, tuned in pairs)]


class Gathering:
    """Filled by `tasks`, and then read from any thread."""

    def __init__(self, prepared: Prepared, driver: Driver, emit: Callable[[events.Event], None], needed: frozenset[Need]) -> None:
        self.prepared = prepared
        self.experiment = prepared.experiment
        self.facts = prepared.facts
        self.driver = driver
        self.emit = emit
        self.needed = needed
        self.scores: Mapping[str, Sequence[Artifact | None]] = {}
        """Importance of a task's heads in each repeat, None where a training failed."""
        self.mean_states: Mapping[str, Artifact] = {}
        self.correlations: Mapping[str, Artifact] = {}
        """By primary, where importance is needed."""

    def tasks(self) -> None:
        """What is computed of each task by itself. One whose first training failed is left out (its events say why)."""
        tasks, repeats = self.facts.tasks, range(self.facts.training.seeds)
        embedding = {t: self.driver.get(Embed(task=t), files=True) for t in tasks if "state" in self.needed}
        scoring = {
            t: [self.driver.get(Score(task=t, repeat=r), files=True) for r in repeats]
            for t in tasks
            if "importance" in self.needed
        }
        found = {t: [self._there(t, r, future) for r, future in enumerate(futures)] for t, futures in scoring.items()}
        self.scores = {task: artifacts for task, artifacts in found.items() if artifacts[0]}
        self.mean_states = {task: future.result() for task, future in embedding.items()}
        first = {task: artifact for task, (artifact, *_) in self.scores.items() if artifact}
        self.correlations = correlate(self.driver, self.experiment, first, self.mean_states)

    def _there(self, task: str, repeat: int, future: Future[Artifact]) -> Artifact | None:
        try:
            return future.result()
        except TrainingDiverged as error:
            self.emit(events.Warned(f"{task} is left out{f' of repeat {repeat}' if repeat else ''}: {error}"))
            return None

    def has(self, task: str) -> bool:
        """Whether there is evidence of a task."""
        return "importance" not in self.needed or task in self.scores

    def evidence(self, primary: str) -> Evidence:
        """All that is needed, for one primary."""
        parts: dict[Need, dict[str, Any]] = {
            "importance": {"importance": cache(self._importance)},
            "state": {"state": lambda task: self.mean_states[task].arrays(STATE)["state"]},
            "states": self._states(primary),
        }
        return Evidence(
            primary=primary,
            candidates=tuple(c for c in self.experiment.candidates(primary) if self.has(c)),
            repeats=self.facts.training.seeds,
            seed=self.facts.seed,
            **{name: part for need, named in parts.items() if need in self.needed for name, part in named.items()},
        )

    def _importance(self, task: str, repeat: int) -> np.ndarray:
        artifact = self.scores[task][repeat]
        return mean_importance(read_raw(artifact.folder / RAW)) if artifact else self._importance(task, 0) * math.nan

    def _states(self, primary: str) -> dict[str, Callable[..., np.ndarray]]:
        """States of one direction are all asked for as soon as one of them is read; those of the other are not computed."""

        @cache
        def asked(reverse: bool) -> dict[Job, Future[Artifact]]:
            jobs = state_jobs(self.experiment, self.facts, primary, reverse=reverse)
            return {job: self.driver.get(job, files=True) for job in jobs}

        @cache
        def arrays(job: States) -> Mapping[str, np.ndarray]:
            try:
                return asked(job.task != primary)[job].result().arrays(STATES)
            except TrainingDiverged:  # no rows are no evidence
                return {"states": np.empty((0, 0), np.float32), "targets": np.empty(0)}

        return {
            "states": lambda rows, tuned, repeat: arrays(States(task=rows, tuned=tuned, repeat=repeat if tuned else 0))["states"],
            "targets": lambda task: arrays(States(task=task))["targets"],
        }

    def instance_tau(self, primary: str, task: str) -> np.ndarray:
        """Tau of a primary with every train instance of a candidate, NaN for those that it cannot be trained with."""
        tau = np.array(self.correlations[primary].arrays(TAU)[task])
        if self.experiment.data.overlap == "drop":
            tau[left_out(self.prepared.data[primary], self.prepared.data[task])] = math.nan
        return tau
