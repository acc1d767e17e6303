"""The evidence of a run: what its predictors and its strategy need, and nothing else, asked of the driver side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np

from gradts_engine import events
from gradts_engine.config import Experiment
from gradts_engine.contracts import Auxiliary, Evidence, Need, StoredTrial
from gradts_engine.errors import TrainingDiverged
from gradts_engine.learning.seeds import derive_seed
from gradts_engine.runtime.arms import Arms
from gradts_engine.runtime.artifacts import RAW, STATE, STATES, TAU, Artifact
from gradts_engine.runtime.driver import Driver
from gradts_engine.runtime.facts import Facts
from gradts_engine.runtime.jobs import Align, Embed, Job, Score, States
from gradts_engine.runtime.prepare import Prepared
from gradts_engine.runtime.proposals import correlate
from gradts_engine.runtime.reliability import measure_reliability
from gradts_engine.runtime.shards import read_raw
from gradts_engine.scoring.normalise import mean_importance


def task_jobs(experiment: Experiment, facts: Facts, needed: frozenset[Need]) -> list[Job]:
    """What evidence takes of each task by itself."""
    embed = [Embed(task=task) for task in experiment.tasks if "state" in needed]
    repeats = range(facts.training.seeds)
    return [*embed, *(Score(task=t, repeat=r) for t in experiment.tasks for r in repeats if "importance" in needed)]


def state_jobs(experiment: Experiment, facts: Facts, needed: frozenset[Need], primary: str) -> list[Job]:
    """The states that tell of a primary's candidates, one repeat after the other, those of the pretrained encoder first."""
    others = experiment.candidates(primary)
    pairs = [(primary, c) for c in others if "states" in needed] + [(c, primary) for c in others if "states-reverse" in needed]
    before = [States(task=task) for task in dict.fromkeys(task for task, _ in pairs)]
    repeats = range(facts.training.seeds)
    return [*before, *(States(task=task, tuned=tuned, repeat=r) for r in repeats for task, tuned in pairs)]


SHARE = 0.5
"""Of a primary's own training, after which its gradient is looked at: a training of its own."""


def gradient_jobs(experiment: Experiment, facts: Facts, needed: frozenset[Need], primary: str) -> list[Align]:
    """Where the gradients of a primary's candidates point, one repeat after the other."""
    repeats = range(facts.training.seeds if "gradients" in needed else 0)
    return [Align(task=c, primary=primary, share=SHARE, repeat=r) for r in repeats for c in experiment.candidates(primary)]


def pilot_trials(experiment: Experiment, facts: Facts) -> dict[str, list[str]]:
    """Which tasks are pilots, in an order that the seed alone decides, and the candidates that each is trained with, so that each
    primary has so many others to learn from."""
    order = np.random.default_rng(derive_seed(facts.seed, "pilots")).permutation(sorted(experiment.tasks)).tolist()
    found: dict[str, list[str]] = {}
    for primary in experiment.primaries:
        others = [task for task in order if task != primary][: experiment.selection.pilots]
        for pilot in others:
            found.setdefault(pilot, []).extend(c for c in experiment.candidates(primary) if c != pilot)
    return {pilot: list(dict.fromkeys(candidates)) for pilot, candidates in found.items()}


class Gathering:
    """Filled by `tasks` and `pilots`, and then read from any thread. `stored` are trials of other runs."""

    def __init__(
        self,
        prepared: Prepared,
        driver: Driver,
        emit: Callable[[events.Event], None],
        needed: frozenset[Need],
        stored: Sequence[StoredTrial] = (),
    ) -> None:
        self.prepared = prepared
        self.experiment = prepared.experiment
        self.facts = prepared.facts
        self.driver = driver
        self.emit = emit
        self.needed = needed
        self.stored = stored
        self.scores: Mapping[str, Sequence[Artifact | None]] = {}
        """Importance of a task's heads in each repeat, None where a training failed."""
        self.mean_states: Mapping[str, Artifact] = {}
        self.correlations: Mapping[str, Artifact] = {}
        """By primary, where importance is needed."""

    def tasks(self) -> None:
        """What is computed of each task by itself. One whose first training failed is left out (its events say why)."""
        jobs = task_jobs(self.experiment, self.facts, self.needed)
        asked = {job: self.driver.get(job, files=True) for job in jobs}
        found: dict[str, list[Artifact | None]] = {}
        for job, future in asked.items():
            if isinstance(job, Score):
                found.setdefault(job.task, []).append(self._there(job, future))
        self.scores = {task: artifacts for task, artifacts in found.items() if artifacts[0]}
        self.mean_states = {job.task: future.result() for job, future in asked.items() if isinstance(job, Embed)}
        first = {task: artifact for task, (artifact, *_) in self.scores.items() if artifact}
        self.correlations = correlate(self.driver, self.experiment, first, self.mean_states)
        measure_reliability(self.driver, {p: list(found.result["tau"]) for p, found in self.correlations.items()}, self.scores)

    def _there(self, job: Score, future: Future[Artifact]) -> Artifact | None:
        try:
            return future.result()
        except TrainingDiverged as error:
            self.emit(events.Warned(f"{job.task} is left out{f' of repeat {job.repeat}' if job.repeat else ''}: {error}"))
            return None

    def pilots(self, arms: Arms) -> None:
        """Train the pilots, all of them side by side; what was stored of the same trainings gives way to them."""
        wanted = pilot_trials(self.experiment, self.facts) if "trials" in self.needed else {}
        made = {(t.primary, t.auxiliaries, t.repeat, t.run_seed): t for t in self.stored}
        seed = str(self.facts.seed)
        with ThreadPoolExecutor(max(1, len(wanted)), "pilot") as pool:
            asked = {
                pilot: pool.submit(arms.trials, pilot, [(Auxiliary(c),) for c in candidates], [0], pilot=True)
                for pilot, candidates in wanted.items()
            }
            for pilot, candidates in wanted.items():
                for candidate, (trial,) in zip(candidates, asked[pilot].result(), strict=True):
                    score = float(trial.result["score"]) if trial else math.nan
                    found = StoredTrial(primary=pilot, auxiliaries=(candidate,), repeat=0, score=score, run_seed=seed)
                    made.pop((pilot, (candidate,), 0, ""), None)  # an earlier version's did not say of which run's seed it is
                    made[pilot, (candidate,), 0, seed] = found
        self.stored = [*made.values()]

    def has(self, task: str) -> bool:
        """Whether there is evidence of a task."""
        return "importance" not in self.needed or task in self.scores

    def evidence(self, primary: str) -> Evidence:
        """All that is needed, for one primary."""
        parts: dict[str, Any] = {}
        if "importance" in self.needed:
            parts["importance"] = cache(self._importance)
        if "state" in self.needed:
            parts["state"] = lambda task: self.mean_states[task].arrays(STATE)["state"]
        if "trials" in self.needed:
            parts["trials"] = self.stored
        if self.needed & {"states", "states-reverse"}:
            parts |= self._states(primary)
        if "gradients" in self.needed:
            parts["alignment"] = self._alignment(primary)
        return Evidence(
            primary=primary,
            candidates=tuple(c for c in self.experiment.candidates(primary) if self.has(c)),
            repeats=self.facts.training.seeds,
            seed=self.facts.seed,
            sizes={task: known.sizes["train"] for task, known in self.facts.tasks.items()},
            forms={task: self._form(task) for task in self.facts.tasks},
            **parts,
        )

    def _form(self, task: str) -> str:
        word_level, (first, *_) = self.prepared.types[task].word_level, self.prepared.data[task].splits["train"]
        return "words" if word_level else "one text" if len(first.text) == 1 else "two texts"

    def _importance(self, task: str, repeat: int) -> np.ndarray:
        artifact = self.scores[task][repeat] if task in self.scores else None
        if artifact is None:
            return self._importance(next(iter(self.scores)), 0) * math.nan
        return mean_importance(read_raw(artifact.folder / RAW))

    def _states(self, primary: str) -> dict[str, Callable[..., np.ndarray]]:
        for job in state_jobs(self.experiment, self.facts, self.needed, primary):
            self.driver.get(job, files=True)

        @cache
        def arrays(job: States) -> Mapping[str, np.ndarray]:
            try:
                return self.driver.get(job, files=True).result().arrays(STATES)
            except TrainingDiverged:
                return {"states": np.empty((0, 0), np.float32), "targets": np.empty(0)}

        return {
            "states": lambda rows, tuned, repeat: arrays(States(task=rows, tuned=tuned, repeat=repeat if tuned else 0))["states"],
            "targets": lambda task: arrays(States(task=task))["targets"],
        }

    def _alignment(self, primary: str) -> Callable[[str, str, int], float]:
        for job in gradient_jobs(self.experiment, self.facts, self.needed, primary):
            self.driver.get(job)

        def alignment(primary: str, candidate: str, repeat: int) -> float:
            job = Align(task=candidate, primary=primary, share=SHARE, repeat=repeat)
            try:
                found = self.driver.get(job).result().result["alignment"]
            except TrainingDiverged:
                return math.nan
            return math.nan if found is None else float(found)

        return alignment

    def instance_tau(self, primary: str, task: str) -> np.ndarray:
        """Tau of a primary with every train instance of a candidate, NaN for those that it cannot be trained with."""
        tau = np.array(self.correlations[primary].arrays(TAU)[task])
        tau[self.prepared.left_out(primary).get(task, [])] = math.nan
        return tau
