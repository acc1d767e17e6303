"""What jobs cost: operations by the formulas of docs/speed.md, seconds by the pace of earlier jobs, disk, memory.

A pace is what a kind of job takes to begin and end, and seconds an operation. It is that of an encoder on a kind of device in a
number format, as runs of the store have told; where none has, `probe` measures it for a moment.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np

from gradts_engine.contracts import Auxiliary
from gradts_engine.errors import GradTSError
from gradts_engine.runtime.facts import INSTANCES, Facts, held_out
from gradts_engine.runtime.jobs import Align, Embed, Job, Part, Score, States, Trial, Tune
from gradts_engine.runtime.prepare import Prepared
from gradts_engine.runtime.store import Store
from gradts_engine.runtime.view import RunView

SAMPLE = 100
"""Train rows of a task that its mean length is judged by."""
RUNS = 20
"""Latest runs of a store that a pace is learnt from."""
FEW, MARGIN = 5, 0.3
"""With fewer jobs than that the range is their pace and so much more or less, as it is at least with more."""
PROBE, STEPS = 2.0, 20
"""Seconds of a probe at most, and steps whose median is steady enough: a small encoder has done them in a moment."""
APART = 2.0
"""By this factor the largest of the jobs has to differ from the smallest, to tell what they take to begin and end."""
GUESS = 2.0
"""A probe is one step again and again: the range is this factor to both sides."""

LIKE = {
    "tune": ("trial",),
    "trial": ("tune",),
    "states": ("embed", "score", "tune"),
    "embed": ("states", "score", "tune"),
    "align": ("score", "tune"),
}
"""Stages whose pace stands in for that of another; for those that are not named, that of a training."""

Tokens = Callable[[str], float]
"""Mean tokens of a task's train instances."""


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
class Pace:
    """A job takes `start` seconds, whatever its size, and so many more for `each` operation; from `low` to `high` times that."""

    start: float
    each: float
    low: float
    high: float

    def seconds(self, count: float) -> Range:
        """Of a job of so many operations."""
        middle = self.start + self.each * count
        return Range(self.low * middle, middle, self.high * middle)


Paces = Mapping[str, Pace]
"""By stage."""


def layers_of(config: Any) -> int:
    """Of an encoder; 1 where its configuration does not say, since a pace is of one encoder alone."""
    return int(getattr(config, "num_hidden_layers", 1))


def operations(job: Job, facts: Facts, tokens: Tokens, layers: int, hidden: int) -> float:
    """Floating point operations of a job, by the formulas of docs/speed.md; 0 for those that are not worth counting."""

    def forward(task: str) -> float:
        """Of one instance."""
        length = tokens(task)
        return length * layers * (24 * hidden**2 + 4 * length * hidden)

    def rows(task: str, split: str = "train") -> int:
        return facts.tasks[task].sizes.get(split, 0)

    match job:
        case Embed(task=task) | States(task=task):
            return rows(task) * forward(task)
        case Tune(task=task):
            return facts.training.epochs * (3 * rows(task) + rows(task, "dev")) * forward(task)
        case Score(task=task):
            return rows(task) * (2 * forward(task) + 4 * layers * hidden**2 * tokens(task))
        case Part(task=task, share=share):
            held = held_out(rows(task))
            return (share * facts.training.epochs * 3 * (rows(task) - held) + 3 * held) * forward(task)
        case Align(task=task):
            return 3 * min(rows(task), INSTANCES) * forward(task)
        case Trial(primary=primary):
            settings, used = facts.multitask, {primary: rows(primary)} | facts.instances(job.auxiliaries)
            if settings.length == "steps":
                most = math.ceil(settings.auxiliary_ratio * rows(primary))
                used = {task: count if task == primary else min(count, most) for task, count in used.items()}
                seen: float = facts.trial_steps(primary) * settings.accumulation * settings.batch_size
            else:
                seen = settings.epochs * sum(used.values())
            mean = sum(count * forward(task) for task, count in used.items()) / sum(used.values())
            return 3 * seen * mean + settings.epochs * rows(primary, "dev") * forward(primary)
    return 0.0


def disk(job: Job, facts: Facts, config: Any, parameters: int) -> int:
    """Bytes that a job's result takes, without checkpoints."""
    match job:
        case Tune() | Trial() | Part():
            return 4 * parameters
        case Score(task=task):
            return facts.tasks[task].sizes["train"] * (4 * layers_of(config) * int(getattr(config, "num_attention_heads", 1)) + 8)
        case States(task=task):
            return 4 * facts.tasks[task].sizes["train"] * int(config.hidden_size)
    return 0


def memory(facts: Facts, config: Any, parameters: int) -> int:
    """Most bytes that a training takes on its device: weights, gradients, two moments, the best weights, and what a batch of the
    longest texts keeps for its backward pass (34 numbers a token, layer and unit)."""
    batch = max(facts.training.batch_size, facts.multitask.batch_size) * facts.max_length
    wide = 4 if {facts.training.precision, facts.multitask.precision} == {"fp32"} else 2
    return 20 * parameters + 34 * wide * batch * layers_of(config) * int(config.hidden_size)


def sampled(prepared: Prepared) -> dict[str, float]:
    """Mean tokens of each task's train instances, from some of them."""
    from gradts_engine.learning.batches import encode

    found = {}
    for name, data in prepared.data.items():
        rows = data.splits["train"]
        some = rows[:: max(1, len(rows) // SAMPLE)]
        tokenizer = prepared.encoder.tokenizer_for(prepared.types[name].word_level)
        encoded = encode(name, prepared.types[name], data.labels, some, tokenizer, prepared.facts.max_length)
        found[name] = float(encoded.lengths.mean()) * encoded.sequences
    return found


def learnt(views: Iterable[RunView], encoder: str, device: str, precision: Mapping[str, str]) -> Paces:
    """The pace of each stage in earlier runs with the same encoder, kind of device and number formats."""
    done: dict[str, list[tuple[float, float]]] = {}
    for view in views:
        started = view.started
        if started is None or started.encoder != encoder or dict(started.precision) != dict(precision):
            continue
        if _kind(started.devices[0]) != _kind(device):
            continue
        for stage in view.stages.values():
            if stage.state == "done" and stage.operations and stage.seconds:
                done.setdefault(stage.name, []).append((stage.operations, stage.seconds))
    return {stage: _pace(*np.array(found).T) for stage, found in done.items()}


def _kind(device: str) -> str:
    """`cuda` of `cuda:0 on gpu7`: see `Device.shown`."""
    return device.partition(" ")[0].partition(":")[0]


def _pace(counts: np.ndarray, times: np.ndarray) -> Pace:
    """Of jobs with so many operations, and the seconds that each has taken [N]: by least squares of the relative error, so that
    a short one counts as much as a long one."""
    from scipy.optimize import nnls

    start = 0.0
    if counts.max() >= APART * counts.min():
        (start, _), _ = nnls(np.stack([1 / times, counts / counts.mean() / times], 1), np.ones(len(times)))
        start = min(start, times.min())  # also where the first job was slow, since everything was new to its process
    each = float(np.median((times - start) / counts))
    low, high = np.quantile(times / (start + each * counts), [0.1, 0.9]) if len(times) >= FEW else (1.0, 1.0)
    return Pace(float(start), each, min(float(low), 1 - MARGIN), max(float(high), 1 + MARGIN))


def probe(prepared: Prepared, tokens: Mapping[str, float], device: str, workers: int) -> Paces:
    """The pace of a training, by forward and backward passes over a batch of texts of mean length, with the threads that each of
    so many workers has."""
    import torch

    from gradts_engine.learning.training import short

    encoder, settings = prepared.encoder, prepared.facts.training
    module: Any = encoder.build().to(device)
    length, size = max(2, round(float(np.mean([*tokens.values()])))), settings.batch_size
    ids = torch.ones(size, length, dtype=torch.long, device=device)
    work = 3 * size * length * layers_of(encoder.config) * (24 * encoder.hidden_size**2 + 4 * length * encoder.hidden_size)
    threads, times = torch.get_num_threads(), list[float]()
    torch.set_num_threads(max(1, threads // workers))
    end = time.monotonic() + PROBE
    while not times or (len(times) < STEPS and time.monotonic() < end):
        began = time.monotonic()
        with short(settings.precision, device):
            states = module(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        states.float().square().mean().backward()
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)
        times.append(time.monotonic() - began)
        module.zero_grad(set_to_none=True)
    torch.set_num_threads(threads)
    return {"tune": Pace(0.0, float(np.median(times)) / work, 1 / GUESS, GUESS)}


def seconds(job: Job, paces: Paces, count: float) -> Range | None:
    """What a job of so many operations takes; None where no pace is known."""
    known = next((paces[stage] for stage in (job.stage, *LIKE.get(job.stage, ()), "tune", "trial") if stage in paces), None)
    return known.seconds(count) if known else None


class Spending:
    """What the jobs of one run cost on a device."""

    def __init__(self, prepared: Prepared, store: Store, device: str) -> None:
        self.prepared = prepared
        self.facts = prepared.facts
        self.config = prepared.encoder.config
        self.device = device
        self.paces = learnt(_views(store), prepared.encoder.name, device, self.facts.precision)

    def probe(self, workers: int) -> None:
        """Measure for a moment what no earlier run has told, where so many workers share the cores of this machine."""
        self.paces = self.paces or probe(self.prepared, self.tokens, self.device, workers)

    @cached_property
    def tokens(self) -> Mapping[str, float]:
        """Mean tokens of each task's train instances."""
        return sampled(self.prepared)

    @cached_property
    def parameters(self) -> int:
        """Of the encoder."""
        return sum(p.numel() for p in self.prepared.encoder.build().parameters())

    def seconds(self, job: Job) -> Range | None:
        """What a job takes; None where no pace is known."""
        layers, hidden = layers_of(self.config), self.prepared.encoder.hidden_size
        return seconds(job, self.paces, operations(job, self.facts, self.tokens.__getitem__, layers, hidden))

    def trial(self) -> Range | None:
        """What a trial with all candidates takes, the mean over primaries."""
        experiment = self.prepared.experiment
        largest = [
            Trial(primary=p, auxiliaries=tuple(Auxiliary(c) for c in experiment.candidates(p))) for p in experiment.primaries
        ]
        known = [found for job in largest if (found := self.seconds(job))]
        return sum(known, NOTHING) * (1 / len(known)) if known else None

    def table(self, left: Sequence[Job], trials: tuple[int, int], made: int) -> dict[str, dict[str, Any]]:
        """By stage, of the jobs that are `left` and of the fewest and most `trials`, of which `made` are there: how many (of
        trials at most), seconds together from `low` to `high` (None: not known), and bytes of `disk`."""
        rows: dict[str, dict[str, Any]] = {}
        for stage in dict.fromkeys(job.stage for job in left if job.stage != "trial"):
            jobs = [job for job in left if job.stage == stage]
            known = [found for job in jobs if (found := self.seconds(job))]
            total = sum(known, NOTHING) if known else None
            rows[stage] = _row(len(jobs), total, total, sum(disk(job, self.facts, self.config, self.parameters) for job in jobs))
        each, (least, rest) = self.trial(), (max(0, count - made) for count in trials)
        if rest:
            rows["trial"] = _row(rest, each and each * least, each and each * rest, 4 * self.parameters * rest)
        return rows


def _views(store: Store) -> Iterator[RunView]:
    for folder in islice(store.runs(), RUNS):
        with suppress(GradTSError):  # another run that cannot be read is no reason not to begin this one
            yield folder.view()


def _row(jobs: int, least: Range | None, most: Range | None, size: int) -> dict[str, Any]:
    low, high = least and round(least.low, 1), most and round(most.high, 1)
    return {"jobs": jobs, "low": low, "high": high, "disk": size}
