"""What jobs cost: operations and optimiser steps by the formulas of docs/speed.md, seconds by their pace, disk, memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import islice
from statistics import mean
from typing import Any

from gradts_engine.config import MultitaskSettings, TrainingSettings
from gradts_engine.contracts import Auxiliary
from gradts_engine.errors import GradTSError
from gradts_engine.runtime.facts import INSTANCES, Facts, held_out
from gradts_engine.runtime.jobs import Align, Embed, Job, Part, Score, States, Trial, Tune
from gradts_engine.runtime.paces import NOTHING, Range, Size, learnt, probe, seconds
from gradts_engine.runtime.prepare import Prepared
from gradts_engine.runtime.store import Store
from gradts_engine.runtime.view import RunView

SAMPLE = 100
"""Train rows of a task that its mean length is judged by."""
RUNS = 20
"""Latest runs of a store that a pace is learnt from."""

Tokens = Callable[[str], float]
"""Mean tokens of a task's train instances."""


def layers_of(config: Any) -> int:
    """Of an encoder; 1 where its configuration does not say, since a pace is of one encoder alone."""
    return int(getattr(config, "num_hidden_layers", 1))


def forward_pass(length: float, layers: int, hidden: int) -> float:
    """Floating point operations of a forward pass over one instance of so many tokens."""
    return length * layers * (24 * hidden**2 + 4 * length * hidden)


def operations(job: Job, facts: Facts, tokens: Tokens, layers: int, hidden: int) -> float:
    """Floating point operations of a job, by the formulas of docs/speed.md; 0 for those that are not worth counting."""

    def forward(task: str) -> float:
        return forward_pass(tokens(task), layers, hidden)

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
            settings, used = facts.multitask, _used(job, facts)
            if settings.length == "steps":
                most = math.ceil(settings.auxiliary_ratio * rows(primary))
                used = {task: count if task == primary else min(count, most) for task, count in used.items()}
                seen: float = facts.trial_steps(primary) * settings.accumulation * settings.batch_size
            else:
                seen = settings.epochs * sum(used.values())
            mean = sum(count * forward(task) for task, count in used.items()) / sum(used.values())
            return 3 * seen * mean + settings.epochs * rows(primary, "dev") * forward(primary)
    return 0.0


def steps(job: Job, facts: Facts) -> int:
    """Optimiser steps of a training; 0 of other jobs."""

    def of_epochs(settings: TrainingSettings | MultitaskSettings, *sizes: int) -> int:
        batches = sum(math.ceil(size / settings.batch_size) for size in sizes)
        return settings.epochs * math.ceil(batches / settings.accumulation)

    match job:
        case Tune(task=task):
            return of_epochs(facts.training, facts.tasks[task].sizes["train"])
        case Part(task=task, share=share):
            rows = facts.tasks[task].sizes["train"]
            return max(1, round(share * of_epochs(facts.training, rows - held_out(rows))))
        case Trial(primary=primary) if facts.multitask.length == "steps":
            return facts.trial_steps(primary)
        case Trial():
            return of_epochs(facts.multitask, *_used(job, facts).values())
    return 0


def _used(trial: Trial, facts: Facts) -> dict[str, int]:
    """How many train rows of each of its tasks a trial has."""
    return {trial.primary: facts.tasks[trial.primary].sizes["train"]} | facts.instances(trial.auxiliaries)


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


class Spending:
    """What the jobs of one run cost on a device."""

    def __init__(self, prepared: Prepared, store: Store, device: str) -> None:
        self.prepared = prepared
        self.facts = prepared.facts
        self.config = prepared.encoder.config
        self.layers, self.hidden = layers_of(self.config), prepared.encoder.hidden_size
        self.device = device
        self.paces = learnt(_views(store), prepared.encoder.name, device, self.facts.precision)

    def probe(self, workers: int) -> None:
        """Measure for a moment what no earlier run has told, where so many workers share the cores of this machine."""
        if not self.paces:
            length = max(2, round(mean(self.tokens.values())))
            self.paces = probe(self.prepared, length, forward_pass(length, self.layers, self.hidden), self.device, workers)

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
        count = operations(job, self.facts, self.tokens.__getitem__, self.layers, self.hidden)
        return seconds(job, self.paces, Size(count, steps(job, self.facts)))

    def trial(self) -> Range | None:
        """What a trial with all candidates takes, the mean over primaries."""
        experiment = self.prepared.experiment
        largest = [
            Trial(primary=p, auxiliaries=tuple(Auxiliary(c) for c in experiment.candidates(p))) for p in experiment.primaries
        ]
        known = [found for job in largest if (found := self.seconds(job))]
        return sum(known, NOTHING) * (1 / len(known)) if known else None

    def table(self, left: Sequence[Job], trials: tuple[int, int], made: int) -> dict[str, dict[str, Any]]:
        """By stage, of the jobs that are `left`, pilots too, and of the fewest and most `trials`, of which `made` are there: how
        many (of trials at most), seconds together from `low` to `high` (None: not known), and bytes of `disk`."""
        rows: dict[str, dict[str, Any]] = {}
        for stage in dict.fromkeys(job.stage for job in left if job.stage != "trial"):
            jobs = [job for job in left if job.stage == stage]
            known = [found for job in jobs if (found := self.seconds(job))]
            total = sum(known, NOTHING) if known else None
            rows[stage] = _row(len(jobs), total, total, sum(disk(job, self.facts, self.config, self.parameters) for job in jobs))
        each, (least, rest) = self.trial(), (max(0, count - made) for count in trials)
        pilots = [self.seconds(job) for job in left if job.stage == "trial"]
        if count := len(pilots) + rest:
            low, high = (each and sum(filter(None, pilots), each * further) for further in (least, rest))
            rows["trial"] = _row(count, low, high, 4 * self.parameters * count)
        return rows


def _views(store: Store) -> Iterator[RunView]:
    for folder in islice(store.runs(), RUNS):
        with suppress(GradTSError):  # another run that cannot be read is no reason not to begin this one
            yield folder.view()


def _row(jobs: int, least: Range | None, most: Range | None, size: int) -> dict[str, Any]:
    low, high = least and round(least.low, 1), most and round(most.high, 1)
    return {"jobs": jobs, "low": low, "high": high, "disk": size}
