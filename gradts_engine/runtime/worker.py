"""Who computes: a worker has its own catalog, data, encoder and control. It is given a job as JSON, computes it on a device,
keeps checkpoints, saves the result, and says what happens as records; it never touches the database of a run."""

from __future__ import annotations

import json
import os
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from gradts_engine import errors, events
from gradts_engine.contracts import PLACE, Device
from gradts_engine.errors import GradTSError, RunError, TrainingDiverged
from gradts_engine.hooks.catalog import versions
from gradts_engine.runtime import jobs, stages
from gradts_engine.runtime.control import Control
from gradts_engine.runtime.costs import steps
from gradts_engine.runtime.jobs import Export, Outcome, Task
from gradts_engine.runtime.journal import Thinner
from gradts_engine.runtime.prepare import prepared
from gradts_engine.runtime.store import Store
from gradts_engine.runtime.workbench import Bench, Work

KERNELS = 8192
"""Kernels of matrix products that oneDNN keeps. Each length of a batch needs some 20 of its own, of 1.6 ms each. By itself it
keeps 1,024: fewer than a training on texts of many lengths needs, so that most would be made again in every epoch."""


def make(arguments: str) -> Worker:
    """A worker for the run of a tasks.toml, from JSON: paths of `config` and `store`, and the `text` of the first."""
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(KERNELS))
    return Worker(**json.loads(arguments))


class Worker:
    """See `gradts_engine.contracts.Worker`. Reads data and encoder when it is first given a job."""

    def __init__(self, config: str, text: str, store: str) -> None:
        self.config, self.text = Path(config), text
        self.artifacts = Store(Path(store)).artifacts
        self.control = Control()
        self._making = threading.Lock()
        self._bench: Bench | None = None

    def bench(self, devices: Sequence[Device]) -> Bench:
        """Data, encoder and what is made of them."""
        with self._making:
            self._bench = self._bench or Bench(prepared(self.config, self.text, devices), self.artifacts, self.control, devices)
        return self._bench

    def order(self, order: str) -> None:
        """Import what every job needs, which takes seconds; or hold, go on, save or stop at the next safe point."""
        match order:
            case "prepare":
                # The first job waits, since two threads that import the same may see a half of it, and says what fails.
                with self._making, suppress(Exception):
                    import_module("transformers.modeling_utils")
            case "pause" | "resume":
                self.control.paused = order == "pause"
            case "save":
                self.control.saves += 1
            case "stop":
                self.control.stop()

    def work(self, task: str, device: str, say: Callable[[str], None]) -> str:
        """Compute the job of a `Task` on a device: an `Outcome`, both as JSON."""
        attempt = json.loads(task).get("attempt", 0)  # also of a task of another version, which cannot be read
        try:
            self.control.check()
            outcome = self._compute(Task.model_validate_json(task), device, say)
        except GradTSError as error:
            outcome = Outcome(failure=_known(error), reason=str(error))
        except Exception as error:
            outcome = Outcome(failure="Bug", reason=f"{type(error).__name__}: {error}", trace=traceback.format_exc())
        return outcome.model_copy(update={"attempt": attempt}).model_dump_json()

    def _compute(self, task: Task, device: str, say: Callable[[str], None]) -> Outcome:
        job, bench = task.job, self.bench(task.devices)
        where = Device(device, place=os.environ.get(PLACE, ""))
        if task.facts and (others := _others(task.facts, bench.facts.told(versions()))):
            raise RunError(
                f"{job.stage} {job.words}: the worker for {where.shown} has another {', another '.join(others)}; give it the "
                "same files, packages and plugins"
            )
        if task.key != jobs.key(job, bench.facts):
            raise RunError(
                f"{job.stage} {job.words}: the worker for {where.shown} has other data, settings, encoder or plugins than the "
                "run; give it the same ones"
            )
        thin = Thinner()
        work = Work(bench, job, task.key, device, lambda event: say(task.record(event)) if thin.passes(event) else None)
        if isinstance(job, Export):
            stages.export(work, job)
            return Outcome()
        work.emit(events.StageStarted(job.stage, job.words, task.key, job.about, where.shown))
        try:
            result, write = stages.compute(work)
            seconds = work.clock.seconds
            made = made_with(device, bench.run) | {"seconds": seconds}
            self.artifacts.save(job.stage, task.key, result, write, made)
        except TrainingDiverged:
            work.space.remove()
            raise
        work.space.remove()
        return Outcome(seconds=seconds, operations=work.operations(), steps=steps(job, bench.facts))


def _others(wanted: Mapping[str, str], here: Mapping[str, str]) -> list[str]:
    """Names of what is not the same, the first few."""
    return [name for name in {**wanted, **here} if wanted.get(name) != here.get(name)][:5]


def made_with(device: str, run: str) -> dict[str, Any]:
    """What a result is made with, and for which run, for whoever wonders later why two are not the same."""
    import torch

    return {"run": run, "versions": versions(), "device": device.partition(":")[0], "threads": torch.get_num_threads()}


def _known(error: GradTSError) -> str:
    """The nearest error that the driver knows by name."""
    names: list[str] = [kind.__name__ for kind in type(error).__mro__ if kind is getattr(errors, kind.__name__, None)]
    return names[0]
