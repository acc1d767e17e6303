"""The training loop, against a plain one: the same model, torch's AdamW as it comes, shuffled batches of 8 that are padded.

Seconds an instance over one epoch of the first ROWS rows, without evaluation; the plain one computes in float32. Our loop leaves
out words that do not occur, so it is given all rows of the task, whose words it then has.
"""

from __future__ import annotations

from functools import partial

from benchmarks import plain, real
from benchmarks.device import automatic, device, now, precisions
from benchmarks.frame import Case, Measured
from gradts_engine.config import TrainingSettings
from gradts_engine.learning.batches import plan_epochs
from gradts_engine.learning.training import Dev, train
from gradts_engine.learning.watch import Progress

ROWS = 160
ALL = 10_000
"""More rows than a task has."""
TARGETS = {"fp32": {"cola": 2.0, "mrpc": 1.3, "rte": 1.3}, "bf16": {"cola": 4.5, "mrpc": 4.0, "rte": 4.5}}


def train_ours(task: str, rows: int, epochs: int, seed: int, rate: float, precision: str) -> tuple[float, float, float]:
    """Seconds until the last step was made, and of the last evaluation a row, and its dev score."""
    data = real.encoded(task, ALL)
    model = real.model(data, seed)
    settings = TrainingSettings(epochs=epochs, batch_size=plain.BATCH, learning_rate=rate, warmup=0.0)  # as the plain loop
    settings = settings.model_copy(update={"precision": precision})
    plan = plan_epochs({task: data.lengths[:rows]}, epochs=epochs, batch_size=plain.BATCH, accumulation=1, seed=seed)
    dev = Dev(real.encoded(task, rows, "dev"), real.task(task, ALL)[1].metric)
    times = [now()]
    progress = Progress(
        step=lambda done, total, loss: times.append(now()) if done == total else None,
        epoch=lambda number, score: times.append(now()) if number == epochs else None,
    )
    trained = train(model, {task: data}, plan, dev, settings, device=device(), seed=seed, progress=progress)
    began, stepped, judged = times
    return stepped - began, (judged - stepped) / len(dev.split), trained.scores[-1]


def ours(task: str, precision: str) -> Measured:
    """One epoch; beside it the seconds that judging a dev row takes."""
    seconds, judging, _ = train_ours(task, ROWS, 1, 0, plain.LEARNING_RATE, precision)
    return Measured(seconds / ROWS, seen={"dev row": judging})


def baseline(task: str) -> Measured:
    """One epoch."""
    data = real.encoded(task, ROWS)
    model = real.model(data)
    start = now()
    plain.train(model, data, epochs=1, seed=0)
    return Measured((now() - start) / ROWS)


def cases() -> list[Case]:
    """One for each task; `TASK fp32` where the default is another."""
    real.check()
    return [
        Case(
            f"{task}{suffix}",
            TARGETS["fp32" if precision == "fp32" else "bf16"][task],
            partial(ours, task, precision),
            partial(baseline, task),
            facts={"instances": ROWS, "precision": precision},
        )
        for suffix, precision in precisions(automatic(), "fp32").items()
        for task in TARGETS["fp32"]
    ]
