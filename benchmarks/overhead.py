"""What the boundary between driver and worker costs: a job there and back as JSON, and the events of a training.

`job`: milliseconds from asking for a result to having it, through driver, thread and journal, with a worker that saves an empty
result, less what saving it and writing its two events cost by themselves. `found`: the same for a job whose result is there, less
finding it and its one event. `events`: the share of a training's time that goes into
saying its steps (thinned, as JSON, read again), with the step of `training` on short texts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks.frame import Case, Measured
from gradts_engine import events
from gradts_engine.config import MultitaskSettings, ScoringSettings, TrainingSettings
from gradts_engine.contracts import Device, Setup
from gradts_engine.runtime import jobs
from gradts_engine.runtime.artifacts import ArtifactStore
from gradts_engine.runtime.control import Control
from gradts_engine.runtime.driver import Driver
from gradts_engine.runtime.executors import ThreadExecutor
from gradts_engine.runtime.facts import Facts, TaskFacts
from gradts_engine.runtime.jobs import Outcome, Task, Tune
from gradts_engine.runtime.journal import Journal, Thinner

JOBS = 200
STEPS = 2000
STEP = 0.020
"""Seconds of a training's step on short texts, the shortest there are: what the events are compared with."""


class Idle:
    """A worker that saves an empty result."""

    def __init__(self, arguments: str) -> None:
        self.artifacts = ArtifactStore(Path(arguments))

    def order(self, order: str) -> None:
        """Nothing can be ordered."""

    def work(self, task: str, device: str, say: Callable[[str], None]) -> str:
        """Say that it begins, and save."""
        given = Task.model_validate_json(task)
        started = events.StageStarted(given.job.stage, given.job.words, given.key, given.job.about, device)
        say(given.record(started))
        self.artifacts.save(given.job.stage, given.key, {"score": 0.5})
        return Outcome(seconds=1.0, attempt=given.attempt).model_dump_json()


def facts(count: int) -> Facts:
    """Of a run with so many tasks."""
    digests = [dict.fromkeys(("train", "dev"), f"{i:064}") for i in range(count)]
    tasks = {f"task{i}": TaskFacts("classification", "accuracy", {"train": 100}, own) for i, own in enumerate(digests)}
    training, multitask = TrainingSettings(precision="fp32"), MultitaskSettings(precision="fp32")
    return Facts(3, 128, training, multitask, ScoringSettings(), "e" * 64, 1, tasks)


def drive(folder: Path, facts: Facts, wanted: Sequence[jobs.Job]) -> float:
    """Seconds that jobs take through driver, thread and journal, with a worker that saves an empty result of each."""
    with Journal(folder / "events.db") as journal:
        setup = Setup((), f"{__name__}:Idle", str(folder / "driven"), lambda record: driver.hear(record))
        executor = ThreadExecutor([Device("cpu")], setup)
        driver = Driver(facts, executor, ArtifactStore(folder / "driven"), journal.emit, Control())
        with driver:
            began = perf_counter()
            for job in wanted:
                driver.get(job).result()
            return perf_counter() - began


def job() -> Measured:
    """Milliseconds a job, beyond what its result and its events cost."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        with Journal(folder / "direct.db") as journal:
            began, store = perf_counter(), ArtifactStore(folder / "direct")
            for i in range(JOBS):
                key = f"{i:064}"
                journal.emit(events.StageStarted("tune", f"task{i}", key))
                store.find("tune", key)
                store.save("tune", key, {"score": 0.5})
                store.find("tune", key, files=False)
                journal.emit(events.StageFinished("tune", f"task{i}", key, 1.0, False))
            direct = perf_counter() - began
        driven = drive(folder, facts(JOBS), [Tune(task=f"task{i}") for i in range(JOBS)])
    return _beyond(driven, direct)


def found() -> Measured:
    """Milliseconds a job whose result is in the store, beyond what finding it and its event cost."""
    with TemporaryDirectory() as name:
        folder, wanted = Path(name), [Tune(task=f"task{i}") for i in range(JOBS)]
        drive(folder, facts(JOBS), wanted)
        store = ArtifactStore(folder / "driven")
        with Journal(folder / "direct.db") as journal:
            began = perf_counter()
            for artifact in store.of("tune"):
                store.find("tune", artifact.key)
                journal.emit(events.StageFinished("tune", "task", artifact.key, 0.0, True))
            direct = perf_counter() - began
        driven = drive(folder, facts(JOBS), wanted)
    return _beyond(driven, direct)


def _beyond(driven: float, direct: float) -> Measured:
    seen = {"direct_ms": 1000 * direct / JOBS, "driven_ms": 1000 * driven / JOBS}
    return Measured(seen["driven_ms"] - seen["direct_ms"], seen=seen)


def said() -> Measured:
    """Percent of a training's time that is spent on saying its steps, as a worker says them and a driver hears them."""
    thinner, spent = Thinner(), 0.0
    key = jobs.key(Tune(task="task0"), facts(1))
    for step in range(1, STEPS + 1):
        began = perf_counter()
        event = events.StageProgress("tune", "task0", step, STEPS, 0.5, key)
        if thinner.passes(event):
            events.from_record(json.loads(json.dumps(event.as_record())))
        spent += perf_counter() - began
        if step % 5 == 0:  # 10 a second pass: as many of these steps as of a training's, without its 40 seconds
            thinner.last.clear()
    return Measured(100 * spent / (STEPS * STEP))


def cases() -> list[Case]:
    """`job`, `found` and `events`."""
    facts_of_it = {"jobs": JOBS, "steps": STEPS, "cpus": os.cpu_count()}
    once = partial(Case, at_most=True, facts=facts_of_it)
    return [once("job", 5, job, unit="ms"), once("found", 5, found, unit="ms"), once("events", 1, said, unit="% of a training")]
