"""How well the training loop trains, against a plain one: dev scores of both with five seeds, on the same rows.

A row compares how far the scores are from 1, and holds all of them. They have to be the same within their noise.
"""

from __future__ import annotations

from functools import partial
from itertools import count

from benchmarks import plain, real
from benchmarks.device import automatic, device
from benchmarks.frame import Case, Measured
from benchmarks.training import train_ours
from gradts_engine.learning.training import Dev, evaluate

ROWS = 400
EPOCHS = 3
SEEDS = 5
RATE = 1e-4
TASKS = ("sst2", "stsb", "mrpc", "chunk_conll2000")
"""In which something is learnt from so few rows."""
NOISE = 1.1
"""How much farther from a perfect dev score our loop may end, as a multiple of the plain one's distance."""

_seeds = count()
"""A side lives in a process of its own, so that both draw the same seeds, turn by turn."""


def ours(task: str) -> Measured:
    """What is missing to a perfect dev score, with the next seed."""
    score = train_ours(task, ROWS, EPOCHS, next(_seeds) % SEEDS, RATE, automatic())[-1]
    return Measured(1 - score, seen=score)


def baseline(task: str) -> Measured:
    """What is missing to a perfect dev score, with the next seed."""
    data, seed = real.encoded(task, ROWS), next(_seeds) % SEEDS
    model = real.model(data, seed)
    plain.train(model, data, EPOCHS, seed, RATE)
    score = evaluate(model, Dev(real.encoded(task, ROWS, "dev"), real.task(task, ROWS)[1].metric), device())
    return Measured(1 - score, seen=score)


def cases() -> list[Case]:
    """One for each task."""
    real.check()
    facts = {"instances": ROWS, "epochs": EPOCHS, "learning_rate": RATE}
    same = partial(Case, target=NOISE, at_most=True, unit="of 1 - dev score", facts=facts, turns=SEEDS, warm_up=False)
    return [same(task, ours=partial(ours, task), baseline=partial(baseline, task)) for task in TASKS]
