"""Seconds that jobs take: learnt from earlier ones of a store, or else measured for a moment.

A pace is what a kind of job takes to begin and end, seconds an operation, and seconds an optimiser step, which reads and writes
all weights however few texts it is for. It is that of an encoder on a kind of device in a number format.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradts_engine.runtime.jobs import Job
from gradts_engine.runtime.prepare import Prepared
from gradts_engine.runtime.view import RunView

FEW, MARGIN = 5, 0.3
"""With fewer jobs than that the range is their pace and so much more or less, as it is at least with more."""
PROBE, STEPS = 2.0, 20
"""Seconds of a probe at most, and steps whose median is steady enough: a small encoder has done them in a moment."""
LARGEST = 256
"""Rows of a probe's batch at most: a training's may be all rows of a task."""
APART = 2.0
"""By this factor the largest of the jobs has to differ from the smallest, to tell what they take to begin and end."""
PRIOR = 0.1
"""What jobs cannot tell apart, since all have as many steps or as many operations for each, has equal shares of their time."""
GUESS = 2.0
"""A probe is one step again and again: the range is this factor to both sides."""

TRAININGS = ("tune", "part", "trial")
"""Stages that have optimiser steps."""
LIKE = {
    "tune": ("trial",),
    "trial": ("tune",),
    "states": ("embed", "score", "tune"),
    "embed": ("states", "score", "tune"),
    "align": ("score", "tune"),
}
"""Stages whose pace stands in for that of another; for those that are not named, that of a training."""


@dataclass(frozen=True)
class Range:
    """Seconds, from `low` to `high`."""

    low: float
    middle: float
    high: float

    def __mul__(self, by: float) -> Range:
        return Range(self.low * by, self.middle * by, self.high * by)

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.middle + other.middle, self.high + other.high)


NOTHING = Range(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Size:
    """Floating point operations of a job, and its optimiser steps."""

    operations: float
    steps: int = 0


@dataclass(frozen=True)
class Pace:
    """A job takes `start` seconds, whatever its size, and more for each operation and step; from `low` to `high` times that."""

    start: float
    each: float
    step: float
    low: float
    high: float

    def seconds(self, size: Size) -> Range:
        """Of a job of that size."""
        middle = self.start + self.each * size.operations + self.step * size.steps
        return Range(self.low * middle, middle, self.high * middle)


Paces = Mapping[str, Pace]
"""By stage."""


def learnt(views: Iterable[RunView], encoder: str, device: str, precision: Mapping[str, str]) -> Paces:
    """The pace of each stage in earlier runs with the same encoder, kind of device and number formats."""
    done: dict[str, list[tuple[float, float, float]]] = {}
    for view in views:
        started = view.started
        if started is None or started.encoder != encoder or dict(started.precision) != dict(precision):
            continue
        if _kind(started.devices[0]) != _kind(device):
            continue
        for stage in view.stages.values():
            counted = stage.operations and (stage.steps or stage.name not in TRAININGS)  # earlier versions counted no steps
            if stage.computed and stage.seconds and counted:
                done.setdefault(stage.name, []).append((stage.operations, stage.steps, stage.seconds))
    return {stage: _pace(*np.array(found).T) for stage, found in done.items()}


def _kind(device: str) -> str:
    """`cuda` of `cuda:0 on gpu7`: see `Device.shown`."""
    return device.partition(" ")[0].partition(":")[0]


def _pace(operations: np.ndarray, steps: np.ndarray, times: np.ndarray) -> Pace:
    """Of jobs of such sizes, and the seconds that each has taken [N]: by least squares of the relative error, so that a short one
    counts as much as a long one."""
    from scipy.optimize import nnls

    apart = operations.max() >= APART * operations.min()
    units = np.median(times) / np.array([1.0, operations.mean(), max(1.0, steps.mean())])
    parts = np.stack([np.full(len(times), float(apart)), operations, steps], 1) * units  # [N, 3], each the whole of a usual job
    known = np.concatenate([parts / times[:, None], PRIOR * np.eye(3)])
    shares, _ = nnls(known, np.repeat([1.0, 0.0], [len(times), 3]))
    start = min(shares[0] * units[0], times.min())  # also where the first job was slow, since everything was new to its process
    shape = shares[1:] if shares[1:].any() else np.array([1.0, 0.0])
    each, step = shape * units[1:] * np.median((times - start) / (parts[:, 1:] @ shape))
    found = start + each * operations + step * steps
    low, high = np.quantile(times / found, [0.1, 0.9]) if len(times) >= FEW else (1.0, 1.0)
    return Pace(float(start), float(each), float(step), min(float(low), 1 - MARGIN), max(float(high), 1 + MARGIN))


def probe(prepared: Prepared, length: int, forward: float, device: str, workers: int) -> Paces:
    """The pace of a training, by steps on a batch of texts of a length, a pass over one of which has `forward` operations, with
    the threads that each of so many workers has."""
    import torch

    from gradts_engine.learning.families import of_transformers
    from gradts_engine.learning.optimizers import make_optimizer
    from gradts_engine.learning.training import short

    settings = prepared.facts.training
    module: Any = prepared.encoder.build().to(device)
    if of_transformers(module):
        module.get_input_embeddings().requires_grad_(False)  # most words do not occur, and are not trained
    optimizer, _ = make_optimizer(module, settings, STEPS)
    rows = min(settings.batch_size, LARGEST, max(len(task.splits["train"]) for task in prepared.data.values()))
    ids = torch.ones(rows, length, dtype=torch.long, device=device)

    def now() -> float:
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)
        return time.monotonic()

    times = list[tuple[float, float]]()
    with _threads(max(1, torch.get_num_threads() // workers)):
        end = now() + PROBE
        while not times or (len(times) < STEPS and now() < end):
            began = now()
            with short(settings.precision, device):
                states = module(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
            states.float().square().mean().backward()
            computed = now()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            times.append((computed - began, now() - computed))
    computing, stepping = np.median(times, 0)
    return {"tune": Pace(0.0, float(computing) / (3 * len(ids) * forward), float(stepping), 1 / GUESS, GUESS)}


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """While entered, torch computes with so many."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def seconds(job: Job, paces: Paces, size: Size) -> Range | None:
    """What a job of that size takes; None where no pace is known."""
    known = next((paces[stage] for stage in (job.stage, *LIKE.get(job.stage, ()), "tune", "trial") if stage in paces), None)
    return known.seconds(size) if known else None
