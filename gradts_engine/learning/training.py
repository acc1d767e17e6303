"""THE training loop: a single task, a trial and the final training differ only in their plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call

from gradts_engine.contracts import ClassScores, Label, Rules, TextAnswers
from gradts_engine.errors import TrainingDiverged
from gradts_engine.learning.batches import Encoded, Plan, Step, token_batches
from gradts_engine.learning.casting import cast_weights, short_states
from gradts_engine.learning.memory import Patience
from gradts_engine.learning.metrics import METRICS
from gradts_engine.learning.model import MultiTaskModel
from gradts_engine.learning.optimizers import Settings, clip_gradients, make_optimizer
from gradts_engine.learning.quick import quick_dropout
from gradts_engine.learning.state import Keeper, NoKeeper, TrainingState, best_epoch
from gradts_engine.learning.vocabulary import used_words_alone
from gradts_engine.learning.watch import Progress, Watch

EVALUATION_TOKENS = {"cpu": 4_000, "cuda": 16_000}
"""By kind of device."""


@dataclass(frozen=True)
class Trained:
    """Dev score after every epoch, and which epoch's weights the model now has (from 0; the first of the best, the last where no
    epoch has a score). `parts`: into how
    many parts micro-batches were cut at the end, for lack of memory."""

    scores: tuple[float, ...]
    best: int
    steps: int
    parts: int = 1

    @property
    def score(self) -> float:
        """Dev score of the best epoch."""
        return self.scores[self.best]


@dataclass(frozen=True)
class Dev:
    """The split that epochs are judged by."""

    split: Encoded
    metric: str
    rules: Rules | None = None


def seed_device(seed: int, device: str) -> None:
    """Seed the generator that dropout draws from on this device, leaving other devices' trainings alone."""
    if device.startswith("cuda"):
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


SHORT = {"bf16": torch.bfloat16, "fp16": torch.float16}


def short(precision: str, device: str, *, cache: bool = True) -> AbstractContextManager[Any]:
    """Within: products are computed in bf16 or fp16, from weights that stay in float32. With a `cache` a weight is cast at its
    first use and not again before the end, however many batches there are."""
    if precision not in SHORT:
        return nullcontext()
    return torch.autocast(device.partition(":")[0], SHORT[precision], cache_enabled=cache)


def whole(precision: str, device: str) -> AbstractContextManager[Any]:
    """Within `short`: numbers are computed in the format that they have, as losses, sums and backward passes are."""
    return torch.autocast(device.partition(":")[0], enabled=False) if precision in SHORT else nullcontext()


def logits_of(
    model: MultiTaskModel, task: str, inputs: Mapping[str, Tensor], weights: Mapping[str, Tensor] | None = None
) -> Tensor:
    """What a model says, with some `weights` in place of its own, in float32 at least: losses and softmax are no place for short
    formats."""
    logits: Tensor = functional_call(model, dict(weights), (task, inputs)) if weights else model(task, inputs)
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def answers(split: Encoded, rows: Sequence[int] | np.ndarray, logits: Tensor, targets: Tensor) -> tuple[list[Label], list[Label]]:
    """True and predicted answers of a batch. What is predicted for a word that was cut is "", which no label is."""
    if isinstance(split.type, TextAnswers):
        return split.type.answers(logits, targets, [split.instances[i] for i in rows])
    gold, predicted = split.type.gold(targets, split.labels), split.type.predict(logits, targets, split.labels)
    for at, i in enumerate(rows):
        if whole := split.whole.get(int(i)):
            gold[at] = whole.label
            if whole.kept:
                given = iter(cast("tuple[str, ...]", predicted[at]))
                predicted[at] = tuple(next(given) if kept else "" for kept in whole.kept)
    return gold, predicted


def evaluate(model: MultiTaskModel, dev: Dev, device: str, precision: str = "fp32") -> float:
    """The metric over a whole split, NaN where it is not defined. Leaves the model in eval mode."""
    return explained(model, dev, device, precision)[0]


def explained(model: MultiTaskModel, dev: Dev, device: str, precision: str = "fp32") -> tuple[float, str]:
    """`evaluate`, and why the score is NaN."""
    _, gold, predicted = _answers_of(model, dev, device, precision)
    check_predicted(dev.split.task, predicted)
    return METRICS[dev.metric].explained(gold, predicted, dev.split.labels, dev.rules)


def check_predicted(task: str, predicted: Sequence[Any]) -> None:
    """Raise `TrainingDiverged` where an answer or a score is a number that is not finite."""
    if not np.isfinite([p for p in predicted if isinstance(p, float | list)]).all():
        raise TrainingDiverged(f"a prediction of {task} is not finite")


def predictions(model: MultiTaskModel, dev: Dev, device: str, precision: str = "fp32") -> tuple[list[Any], list[Any]]:
    """What the metric takes of each row of a split, in its order: the true answers, and the predicted ones or their scores."""
    rows, gold, predicted = _answers_of(model, dev, device, precision)
    order = np.argsort(rows)
    return [gold[i] for i in order], [predicted[i] for i in order]


def evaluation_tokens(device: str) -> int:
    """Padded tokens in a batch that is only answered: a GPU computes more of them at the same time."""
    return EVALUATION_TOKENS[device.partition(":")[0]]


def _answers_of(model: MultiTaskModel, dev: Dev, device: str, precision: str) -> tuple[list[int], list[Any], list[Any]]:
    """Rows of a split in the order of its batches, with their true and predicted answers."""
    tokens, patience = evaluation_tokens(device), Patience(device)
    while True:
        try:
            return _answered(model, dev, device, precision, tokens)
        except torch.OutOfMemoryError as found:
            error = found.with_traceback(None)  # it would hold on to the tensors of the batch
        torch.cuda.empty_cache()
        if tokens > dev.split.lengths.max():
            tokens //= 2
        else:
            patience.wait(error)


@torch.inference_mode()
def _answered(
    model: MultiTaskModel, dev: Dev, device: str, precision: str, tokens: int
) -> tuple[list[int], list[Any], list[Any]]:
    model.eval()
    order: list[int] = []
    gold: list[Any] = []
    predicted: list[Any] = []
    split, metric = dev.split, METRICS[dev.metric]
    with short(precision, device):
        for rows in token_batches(split.lengths, tokens):
            inputs, targets = split.batch(rows, device)
            logits = logits_of(model, split.task, inputs)
            with whole(precision, device):
                true, found = answers(split, rows, logits, targets)
                order += map(int, rows)
                gold += true
                by_scores = split.type if metric.scores and isinstance(split.type, ClassScores) else None
                predicted += by_scores.scores(logits).tolist() if by_scores else found
    return order, gold, predicted


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
    keeper: Keeper | None = None,
) -> Trained:
    """Train `model` (moved to `device`) along `plan`, evaluate after each of its epochs, and leave the best epoch's weights in.

    `data[task]` is the train split that the plan's rows point into. Raises `TrainingDiverged` if a loss or gradient is not
    finite, and `RunError` if the memory does not suffice for one instance. The loss of a step is the mean of its micro-batches'
    losses. With a checkpoint of `keeper` the training goes on from there, on a CPU as if it had never stopped.
    """
    progress, keeper = progress or Progress(), keeper or NoKeeper()
    total = sum(map(len, plan))
    precision = settings.precision
    with (
        used_words_alone(model, [*data.values(), dev.split], device),
        quick_dropout(model, device),
        short_states(model, SHORT.get(precision), device),
    ):
        model.to(device)
        scaled = precision == "fp16"  # a scaler has the place where a fused optimiser would learn by how much to clip
        optimizer, scheduler = make_optimizer(model, settings, total, fused=not scaled)
        seed_device(seed, device)
        state = TrainingState(model, optimizer, scheduler, torch.amp.GradScaler(enabled=scaled), device)
        if kept := keeper.load():
            state.restore(kept)
            progress.resumed(state.done, total, state.scores)
        watch = Watch(state, progress, total)
        for epoch, steps in state.remaining(plan):
            model.train()
            for step in steps:
                watch.add(*_step(state, data, step, settings, precision, progress), step)
                keeper.step(watch.capture)
            watch.read()
            score, why = explained(model, dev, device, precision)
            state.end_epoch(score)
            progress.epoch(epoch, score)
            if why:
                progress.undefined(epoch, why)
        model.load_state_dict(state.best)
    model.eval()
    return Trained(tuple(state.scores), best_epoch(state.scores), state.done, state.parts)


def _step(
    state: TrainingState,
    data: Mapping[str, Encoded],
    step: Step,
    settings: Settings,
    precision: str,
    progress: Progress,
) -> tuple[Tensor, Tensor]:
    """One optimiser step; its loss, and the norm of its gradients, scalars on the device."""
    loss = _gradients(state, data, step, precision, progress)
    state.scaler.unscale_(state.optimizer)
    norm = clip_gradients(state.optimizer, settings.max_grad_norm)
    state.scaler.step(state.optimizer)
    state.scaler.update()
    state.scheduler.step()
    state.optimizer.zero_grad(set_to_none=True)
    state.done += 1
    return loss, norm


def _gradients(state: TrainingState, data: Mapping[str, Encoded], step: Step, precision: str, progress: Progress) -> Tensor:
    """Accumulate the gradients of one step, its micro-batches in smaller parts where the memory does not suffice; its loss."""
    patience = Patience(state.device)
    while True:
        try:
            return _backward(state, data, step, precision)
        except torch.OutOfMemoryError as found:
            error = found.with_traceback(None)  # it would hold on to the tensors of the step
        state.optimizer.zero_grad(set_to_none=True)
        torch.cuda.empty_cache()
        if state.parts < max(len(batch.rows) for batch in step):
            state.parts *= 2
            progress.smaller(state.parts)
        else:
            patience.wait(error)


def _backward(state: TrainingState, data: Mapping[str, Encoded], step: Step, precision: str) -> Tensor:
    """Accumulate the gradients of one step; its loss, a scalar on the device."""
    loss = torch.zeros((), device=state.device)
    with short(precision, state.device):
        weights = cast_weights(state.model, SHORT.get(precision))
        for batch in step:
            parts = np.array_split(batch.rows, min(state.parts, len(batch.rows)))
            outputs = _outputs(state, data[batch.task], parts, precision) if len(parts) > 1 else None
            for rows in parts:
                sums, counts = _losses(state, data[batch.task], rows, precision, weights)
                with whole(precision, state.device):
                    micro = sums.sum() / (counts.sum() if outputs is None else outputs) / len(step)
                    state.scaler.scale(micro).backward()
                    loss += micro.detach()
    return loss


def _losses(
    state: TrainingState, data: Encoded, rows: np.ndarray, precision: str, weights: Mapping[str, Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    inputs, targets = data.batch(rows, state.device)
    logits = logits_of(state.model, data.task, inputs, weights)
    with whole(precision, state.device):
        return data.type.loss(logits, targets)


@torch.no_grad()
def _outputs(state: TrainingState, data: Encoded, parts: Sequence[np.ndarray], precision: str) -> Tensor:
    """Number of scored outputs of a micro-batch, which the loss of each of its parts is divided by. It costs a forward pass,
    since only a task type's loss knows it."""
    with short(precision, state.device, cache=False):  # weights that are cast here have no gradient: nobody may find them
        return torch.stack([_losses(state, data, rows, precision)[1].sum() for rows in parts]).sum()
