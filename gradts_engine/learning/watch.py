"""What a training tells while it lasts, and the look at each step that it takes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradts_engine.errors import TrainingDiverged
from gradts_engine.learning.batches import Step
from gradts_engine.learning.state import Checkpoint, TrainingState

LOOK = 0.1
"""Seconds between two looks at what a GPU has computed: each waits for all that it was given."""


@dataclass(frozen=True)
class Progress:
    """Called by the loop: `step(done, total, loss)` for each optimiser step, `epoch(number, score)` after each evaluation,
    `smaller(parts)` when micro-batches are cut for lack of memory, `undefined(epoch, why)` where a dev score is NaN,
    `resumed(done, total, scores)` when it goes on from a checkpoint; each may raise to stop the training."""

    step: Callable[[int, int, float], None] = lambda done, total, loss: None
    epoch: Callable[[int, float], None] = lambda number, score: None
    smaller: Callable[[int], None] = lambda parts: None
    undefined: Callable[[int, str], None] = lambda epoch, why: None
    resumed: Callable[[int, int, Sequence[float]], None] = lambda done, total, scores: None


class Watch:
    """Looks at the loss and the gradients of every step: at once on a CPU; on a GPU at those of a moment together, so that it can
    be given the next step while it computes. What is not finite stays in the weights, which nobody is shown without a look."""

    def __init__(self, state: TrainingState, progress: Progress, total: int) -> None:
        self.state = state
        self.progress = progress
        self.total = total
        self.every = LOOK if state.device.startswith("cuda") else 0.0
        self.looked = time.monotonic()
        self.unread: list[tuple[int, str, Tensor]] = []

    def add(self, loss: Tensor, norm: Tensor, step: Step) -> None:
        """What the latest step has computed: its loss and the norm of its gradients, scalars on the device."""
        self.unread.append((self.state.done, step[-1].task, torch.stack([loss.float(), norm.float()])))
        if time.monotonic() - self.looked >= self.every:
            self.read()

    def read(self) -> None:
        """Tell the progress of all steps so far. Raises `TrainingDiverged`."""
        unread, self.unread = self.unread, []
        values = torch.stack([pair for *_, pair in unread]).tolist() if unread else []
        for (done, task, _), (loss, norm) in zip(unread, values, strict=True):
            self._check(done, task, loss, norm)
            self.progress.step(done, self.total, loss)
        self.looked = time.monotonic()

    def capture(self) -> Checkpoint:
        """The training's state, which is known to be finite."""
        self.read()
        return self.state.capture()

    def _check(self, done: int, task: str, loss: float, norm: float) -> None:
        """fp16 gradients overflow now and then and are skipped by the scaler, so there only the loss is checked."""
        if not math.isfinite(loss) or not (math.isfinite(norm) or self.state.scaler.is_enabled()):
            raise TrainingDiverged(
                f"the {'gradient' if math.isfinite(loss) else 'loss'} is not finite at step {done} of {self.total} "
                f"(last batch: {task}): lower learning_rate, or look for broken rows in the data"
            )
