"""The loop against one written out plainly, and what it promises: the best epoch, the same bytes, no silent divergence."""

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gradts_engine.contracts import EncoderSpec
from gradts_engine.errors import TrainingDiverged
from gradts_engine.learning import training
from gradts_engine.learning.batches import Batch, Encoded, Step
from gradts_engine.learning.encoders import Encoder, load_encoder
from gradts_engine.learning.model import MultiTaskModel, initialise_head
from gradts_engine.learning.optimizers import schedule
from gradts_engine.learning.quick import quick_dropout
from gradts_engine.learning.training import Dev, Trained, evaluate, train
from gradts_engine.learning.watch import Progress
from gradts_engine.testing import tiny_encoder
from tests.unit.learning.training.toy import DEFAULT_SEED, TEXTS, Run, Settings, assert_same, differ, plan_of, weights


def single(encoder: Encoder, split: Encoded, dropout: float) -> MultiTaskModel:
    head = initialise_head(split.type.head(encoder.hidden_size, split.labels, dropout), seed=0)
    return MultiTaskModel(encoder.build(), {split.task: head})


# --- the loop, written out -------------------------------------------------------------------------------------------


def adamw(parameter: Tensor, gradient: Tensor, state: dict[str, Any], rate: float, decay: float) -> None:
    """Loshchilov and Hutter, ICLR 2019, algorithm 2."""
    t = state["steps"] + 1
    state["m"] = 0.9 * state.get("m", 0.0) + 0.1 * gradient
    state["v"] = 0.999 * state.get("v", 0.0) + 0.001 * gradient**2
    mean, variance = state["m"] / (1 - 0.9**t), state["v"] / (1 - 0.999**t)
    parameter -= rate * (mean / (variance.sqrt() + 1e-8) + decay * parameter)


def adamax(parameter: Tensor, gradient: Tensor, state: dict[str, Any], rate: float, decay: float) -> None:
    """As published (MT-DNN): no bias correction, eps twice."""
    state["m"] = 0.9 * state.get("m", torch.zeros_like(gradient)) + 0.1 * gradient
    state["u"] = torch.maximum(0.999 * state.get("u", torch.zeros_like(gradient)), gradient.abs() + 1e-6)
    parameter -= rate * (state["m"] / (state["u"] + 1e-6) + decay * parameter)


def plain_training(
    model: MultiTaskModel, data: Mapping[str, Encoded], steps: Sequence[Step], settings: Settings
) -> tuple[list[float], float]:
    """Loss of every step, dev accuracy at the end."""
    update = {"adamw": adamw, "adamax": adamax}[settings.optimizer]
    states: dict[str, dict[str, Any]] = {name: {"steps": 0} for name, _ in model.named_parameters()}
    losses = []
    torch.manual_seed(DEFAULT_SEED)
    model.train()
    for done, step in enumerate(steps):
        model.zero_grad()
        parts = []
        for batch in step:
            inputs, targets = data[batch.task].batch(batch.rows)
            sums, scored = data[batch.task].type.loss(model(batch.task, inputs), targets)
            parts.append(sums.sum() / scored.sum())
        loss = torch.stack(parts).mean()
        loss.backward()
        losses.append(loss.item())
        found = [(name, p, p.grad) for name, p in model.named_parameters() if p.grad is not None]
        norm = math.sqrt(sum(float((gradient**2).sum()) for _, _, gradient in found))
        for name, parameter, gradient in found:
            state = states[name]
            # The published optimiser counts the steps of each parameter by itself.
            progress = (state["steps"] if settings.optimizer == "adamax" else done) / len(steps)
            share = progress / settings.warmup if progress < settings.warmup else 1 - progress
            decay = settings.weight_decay if parameter.ndim > 1 else 0.0
            clipped = gradient * min(1.0, settings.max_grad_norm / norm)
            update(parameter.data, clipped, state, settings.learning_rate * share, decay)
            state["steps"] += 1
    model.eval()
    inputs, targets = data["classes"].batch(range(len(data["classes"])))
    return losses, float((model("classes", inputs).argmax(-1) == targets).float().mean())


@pytest.mark.parametrize("optimizer", ["adamw", "adamax"])
def test_equals_a_plain_loop(model: MultiTaskModel, data: Mapping[str, Encoded], run: Run, optimizer: str) -> None:
    """Step by step: dropout, accumulation, clipping, schedule, decay, tasks of three types, heads that miss some steps.

    In float64, since optimisers of this kind blow up the rounding of gradients that are zero but for it (a key's bias).
    """
    steps = [step for epoch in plan_of(data, "classes", "numbers", "words") for step in epoch]
    steps.insert(3, [Batch("words", np.array([0, 1]))])
    settings = Settings(optimizer)
    plain = copy.deepcopy(model.double())
    with quick_dropout(plain, "cpu"):  # proved by itself; another random number would say nothing
        expected, score = plain_training(plain, data, steps, settings)
    seen: list[tuple[int, int, float]] = []
    epochs: list[tuple[int, float]] = []
    progress = Progress(step=lambda *values: seen.append(values), epoch=lambda *values: epochs.append(values))
    trained = run([steps], settings, progress=progress)

    assert trained.steps == len(steps) == 7
    assert [values[:2] for values in seen] == [(done, 7) for done in range(1, 8)]
    assert [loss for _, _, loss in seen] == pytest.approx(expected, rel=1e-5)
    assert epochs == [(1, pytest.approx(score))]
    assert_same(model.state_dict(), plain.state_dict(), atol=1e-7)


@pytest.mark.parametrize("optimizer", ["adamw", "adamax"])
def test_accumulated_batches_equal_a_large_one(data: Mapping[str, Encoded], tmp_path: Path, optimizer: str) -> None:
    """Where they hold equally many instances, and without dropout."""
    folder = tiny_encoder(tmp_path, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    encoder = load_encoder(EncoderSpec(name="tiny", source=lambda: str(folder)))
    rows = np.arange(8)
    ends = []
    for step in ([Batch("classes", rows)], [Batch("classes", part) for part in rows.reshape(4, 2)]):
        model = single(encoder, data["classes"], dropout=0.0).double()
        train(model, data, [[step] * 3], Dev(data["classes"], "accuracy"), Settings(optimizer), device="cpu", seed=0)
        ends.append(weights(model))
    assert_same(*ends, atol=1e-7)
    assert differ(ends[0], single(encoder, data["classes"], dropout=0.0).double().state_dict())


def test_schedule() -> None:
    """Up to 1 at the end of the warm-up, then down to 0; as published, the second line starts below 1."""
    assert [schedule(x, 0.25) for x in (0.0, 0.125, 0.25, 0.5, 1.0)] == [0.0, 0.5, 0.75, 0.5, 0.0]
    assert schedule(0.0, 0.0) == 1.0
    assert schedule(1.1, 0.1) == 0.0


# --- which weights are left ------------------------------------------------------------------------------------------


def test_the_first_of_the_best_epochs_is_restored(model: MultiTaskModel, data: Mapping[str, Encoded], run: Run) -> None:
    """On a dev split that says the opposite of the train split, training makes it worse. Embeddings of unused words are not there
    while it lasts."""
    flipped = replace(data["classes"], targets=[1 - target for target in data["classes"].targets])
    after: list[dict[str, Tensor]] = []
    progress = Progress(epoch=lambda number, score: after.append(weights(model)))
    plan = plan_of(data, "classes", epochs=12, accumulation=1)
    trained = run(plan, Settings(learning_rate=1e-3), Dev(flipped, "accuracy"), progress=progress)

    assert len(trained.scores) == len(after) == 12
    assert trained.best == trained.scores.index(max(trained.scores))
    assert trained.score == max(trained.scores) > trained.scores[-1]
    assert max(trained.scores) in trained.scores[trained.best + 1 :], "a tie, or this test would not show the first one"
    words = "encoder.embeddings.word_embeddings.weight"
    assert_same({name: value for name, value in model.state_dict().items() if name != words}, after[trained.best])
    assert not any(module.training for module in model.modules())
    assert evaluate(model, Dev(flipped, "accuracy"), "cpu") == trained.score


def test_same_seed_same_bytes(encoder: Encoder, data: Mapping[str, Encoded]) -> None:
    """Whatever was drawn from torch's random numbers before."""
    ends = []
    for seed, drawn in ((1, 0), (1, 5), (2, 0)):
        torch.rand(drawn)
        model = single(encoder, data["classes"], dropout=0.1)
        plan = plan_of(data, "classes", epochs=1, accumulation=1)
        train(model, data, plan, Dev(data["classes"], "accuracy"), Settings(), device="cpu", seed=seed)
        ends.append(weights(model))
    assert_same(ends[0], ends[1])
    assert differ(ends[0], ends[2])


# --- what goes wrong -------------------------------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_stops_the_training(model: MultiTaskModel, data: Mapping[str, Encoded], run: Run) -> None:
    broken = {**data, "numbers": replace(data["numbers"], targets=[*data["numbers"].targets[:7], np.float32(np.nan)])}
    plan = [[[Batch("classes", np.array([0]))]], [[Batch("numbers", np.array([0]))], [Batch("numbers", np.array([7]))]]]
    with pytest.raises(TrainingDiverged, match=r"^the loss is not finite at step 3 of 3 \(last batch: numbers\)"):
        train(model, broken, plan, Dev(data["classes"], "accuracy"), Settings(), device="cpu", seed=0)


def test_a_gradient_that_is_not_finite_stops_the_training(model: MultiTaskModel, data: Mapping[str, Encoded]) -> None:
    """The square of 1e19 is finite in float32, the size of its gradient is not."""
    large = {"numbers": replace(data["numbers"], targets=[np.float32(1e19)] * len(TEXTS))}
    plan = [[[Batch("numbers", np.array([0]))]]]
    with pytest.raises(TrainingDiverged, match=r"^the gradient is not finite at step 1 of 1 \(last batch: numbers\)"):
        train(model, large, plan, Dev(data["classes"], "accuracy"), Settings(), device="cpu", seed=0)


def test_a_prediction_that_is_not_finite_has_no_score(model: MultiTaskModel, data: Mapping[str, Encoded]) -> None:
    with torch.no_grad():
        next(model.head("numbers").parameters()).fill_(torch.nan)
    with pytest.raises(TrainingDiverged, match="a prediction of numbers is not finite"):
        evaluate(model, Dev(data["numbers"], "pearson"), "cpu")


@pytest.mark.parametrize("callback", ["step", "epoch"])
def test_a_callback_can_stop_the_training(data: Mapping[str, Encoded], run: Run, callback: str) -> None:
    def stop(*values: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(plan_of(data, "classes"), progress=Progress(**{callback: stop}))


# --- the dev score and the number format -----------------------------------------------------------------------------


@pytest.mark.parametrize(("task", "metric"), [("classes", "accuracy"), ("numbers", "pearson"), ("words", "token_accuracy")])
def test_dev_score(
    model: MultiTaskModel, data: Mapping[str, Encoded], monkeypatch: pytest.MonkeyPatch, task: str, metric: str
) -> None:
    """Every instance counts once, however the split is cut into batches; dropout is off."""
    model.eval()
    gold: list[Any] = []
    predicted: list[Any] = []
    for i in range(len(TEXTS)):
        inputs, targets = data[task].batch([i])
        answers = model(task, inputs).detach()[0]
        answers, targets = (answers[targets[0] >= 0], targets[0][targets[0] >= 0]) if task == "words" else (answers, targets)
        gold += targets.tolist()
        predicted += answers.argmax(-1, keepdim=task != "words").tolist() if task != "numbers" else answers.tolist()
    if task == "numbers":
        expected = np.corrcoef(gold, predicted)[0, 1]
    else:
        expected = np.mean([a == b for a, b in zip(gold, predicted, strict=True)])
    for budget in (1, 30, 4000):
        monkeypatch.setitem(training.EVALUATION_TOKENS, "cpu", budget)
        model.train()
        assert evaluate(model, Dev(data[task], metric), "cpu") == pytest.approx(expected, abs=1e-5)
        assert not model.training


def test_a_trainings_score() -> None:
    trained = Trained((0.5, 0.75, 0.75), best=1, steps=3)
    assert math.isclose(trained.score, 0.75)
