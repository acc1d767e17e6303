"""THE training loop: a single task, a trial and the final training differ only in their plan."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gradts_engine.errors import TrainingDiverged
from gradts_engine.learning.batches import Encoded, Plan, Step, token_batches
from gradts_engine.learning.metrics import METRICS
from gradts_engine.learning.model import MultiTaskModel
from gradts_engine.learning.optimizers import Settings, make_optimizer

EVALUATION_TOKENS = 4000
"""Padded tokens in a batch of the dev evaluation."""


@dataclass(frozen=True)
class Trained:
    """Dev score after every epoch, and which epoch's weights the model now has (from 0; the first of the best)."""

    scores: tuple[float, ...]
    best: int
    steps: int

    @property
    def score(self) -> float:
        """Dev score of the best epoch."""
        return self.scores[self.best]


@dataclass(frozen=True)
class Dev:
    """The split that epochs are judged by."""

    split: Encoded
    metric: str


@dataclass(frozen=True)
class Progress:
    """Called by the loop: `step(done, total, loss)` after each optimiser step, `epoch(number, score)` after each evaluation;
    both may raise to stop the training."""

    step: Callable[[int, int, float], None] = lambda done, total, loss: None
    epoch: Callable[[int, float], None] = lambda number, score: None


def resolve_precision(precision: str, device: str) -> str:
    """`auto` is bf16 on a CUDA device that has it, fp16 on an older one, fp32 elsewhere; only CUDA computes in fewer bits."""
    if not device.startswith("cuda"):
        return "fp32"
    if precision != "auto":
        return precision
    return "bf16" if torch.cuda.is_bf16_supported() else "fp16"


def seed_device(seed: int, device: str) -> None:
    """Seed the generator that dropout draws from on this device, leaving other devices' trainings alone."""
    if device.startswith("cuda"):
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


def _autocast(precision: str, device: str) -> AbstractContextManager[Any]:
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.partition(":")[0], torch.bfloat16 if precision == "bf16" else torch.float16)


@torch.inference_mode()
def evaluate(model: MultiTaskModel, dev: Dev, device: str, precision: str = "fp32") -> float:
    """The metric over a whole split. Leaves the model in eval mode."""
    model.eval()
    gold: list[Any] = []
    predicted: list[Any] = []
    split = dev.split
    for rows in token_batches(split.lengths, EVALUATION_TOKENS):
        inputs, targets = split.batch(rows, device)
        with _autocast(precision, device):
            logits = model(split.task, inputs)
        gold += split.type.gold(targets, split.labels)
        predicted += split.type.predict(logits, targets, split.labels)
    if not all(math.isfinite(p) for p in predicted if isinstance(p, float)):
        raise TrainingDiverged(f"a prediction of {split.task} is not finite")
    return METRICS[dev.metric](gold, predicted, split.labels)


def train(
    model: MultiTaskModel,
    data: Mapping[str, Encoded],
    plan: Plan,
    dev: Dev,
    settings: Settings,
    *,
    device: str,
    seed: int,
    progress: Progress | None = None,
) -> Trained:
    """Train `model` (moved to `device`) along `plan`, evaluate after each of its epochs, and leave the best epoch's weights in.

    `data[task]` is the train split that the plan's rows point into. Raises `TrainingDiverged` if a loss or gradient is not
    finite. The loss of a step is the mean of its micro-batches' losses.
    """
    progress = progress or Progress()
    total = sum(map(len, plan))
    precision = resolve_precision(settings.precision, device)
    model.to(device)
    optimizer, advance = make_optimizer(model, settings, total)
    scaler = torch.amp.GradScaler(enabled=precision == "fp16")
    seed_device(seed, device)
    done = 0
    scores: list[float] = []
    best: dict[str, Tensor] = {}
    for epoch, steps in enumerate(plan, 1):
        model.train()
        for step in steps:
            loss = _backward(model, data, step, device, precision, scaler)
            scaler.unscale_(optimizer)
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), settings.max_grad_norm)
            _check_finite(loss, norm if precision != "fp16" else loss, done, total, step[-1].task)
            scaler.step(optimizer)
            scaler.update()
            advance()
            optimizer.zero_grad(set_to_none=True)
            done += 1
            progress.step(done, total, loss.item())
        scores.append(evaluate(model, dev, device, precision))
        progress.epoch(epoch, scores[-1])
        if scores[-1] > max(scores[:-1], default=-math.inf):
            best = {name: value.detach().to("cpu", copy=True) for name, value in model.state_dict().items()}
    model.load_state_dict(best)
    model.eval()
    return Trained(tuple(scores), scores.index(max(scores)), done)


def _backward(
    model: MultiTaskModel, data: Mapping[str, Encoded], step: Step, device: str, precision: str, scaler: torch.amp.GradScaler
) -> Tensor:
    """Accumulate the gradients of one step; its loss, a scalar on the device."""
    loss = torch.zeros((), device=device)
    for batch in step:
        inputs, targets = data[batch.task].batch(batch.rows, device)
        with _autocast(precision, device):
            logits = model(batch.task, inputs)
        sums, counts = data[batch.task].type.loss(logits, targets)
        micro = sums.sum() / counts.sum() / len(step)
        scaler.scale(micro).backward()
        loss += micro.detach()
    return loss


def _check_finite(loss: Tensor, norm: Tensor, done: int, total: int, task: str) -> None:
    """fp16 gradients overflow now and then and are skipped by the scaler, so there only the loss is checked."""
    if not torch.isfinite(loss + norm):
        what = "gradient" if torch.isfinite(loss) else "loss"
        raise TrainingDiverged(
            f"the {what} is not finite at step {done + 1} of {total} (last batch: {task}): "
            "lower learning_rate, or look for broken rows in the data"
        )
