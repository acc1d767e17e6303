"""What each part of a training step's speed brings: the training loop against itself without that part.

Seconds an instance, as in `training`. `TASK fp32 dropout` is the one that float32 has, too.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import Any
from unittest.mock import patch

from benchmarks import plain, real
from benchmarks.device import automatic
from benchmarks.frame import Case, Measured
from benchmarks.training import ROWS, train_ours
from gradts_engine.learning import training

TASKS = ("cola", "mrpc")
PARTS: dict[str, tuple[str, Any]] = {
    "dropout": ("quick_dropout", lambda *_: nullcontext()),
    "states": ("short_states", lambda *_: nullcontext()),
    "weights": ("cast_weights", lambda *_: {}),
}
"""By name: what the training loop calls, and what takes its place."""


def step(task: str, precision: str, without: str | None = None) -> Measured:
    """One epoch of a training, without one of the parts."""
    with patch.object(training, *PARTS[without]) if without else nullcontext():
        return Measured(train_ours(task, ROWS, 1, 0, plain.LEARNING_RATE, precision)[0] / ROWS)


def cases() -> list[Case]:
    """One for each task and part; those of short formats where a number format is short."""
    real.check()
    usual = automatic()
    asked = [(usual, part, f" {part}") for part in PARTS] if usual != "fp32" else []
    return [
        Case(f"{task}{suffix}", 1.0, partial(step, task, precision), partial(step, task, precision, part))
        for task in TASKS
        for precision, part, suffix in (*asked, ("fp32", "dropout", " fp32 dropout"))
    ]
