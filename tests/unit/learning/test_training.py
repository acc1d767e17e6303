"""The loop against one written out plainly, and what it promises: the best epoch, the same bytes, no silent divergence."""

import copy
import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from gradts_engine.contracts import EncoderSpec, Instance
from gradts_engine.errors import Interrupted, RunError, TrainingDiverged
from gradts_engine.learning import memory, state, training
from gradts_engine.learning.batches import Batch, Encoded, Plan, Step, encode, plan_epochs
from gradts_engine.learning.encoders import Encoder, load_encoder
from gradts_engine.learning.model import MultiTaskModel, initialise_head
from gradts_engine.learning.optimizers import schedule
from gradts_engine.learning.state import Checkpoint
from gradts_engine.learning.task_types import Classification, Regression, TokenClassification
from gradts_engine.learning.training import Dev, Trained, evaluate, train
from gradts_engine.learning.watch import Progress
from gradts_engine.testing import tiny_encoder

TEXTS = [
    "rain",
    "rain in spain",
    "stays mainly in the plain",
    "where is it",
    "on the plain on the plain",
    "and that plain",
    "no",
    "a b",
]
DEFAULT_SEED = 7


@dataclass(frozen=True)
class Settings:
    optimizer: str = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 0.1
    warmup: float = 0.3
    max_grad_norm: float = 0.5
    precision: str = "auto"


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """With dropout, as real ones have."""
    folder = tiny_encoder(tmp_path_factory.mktemp("encoder"))
    return load_encoder(EncoderSpec(name="tiny", source=lambda: str(folder)))


@pytest.fixture(scope="module")
def data(encoder: Encoder) -> dict[str, Encoded]:
    classes = [Instance(i, (text,), "ab"[i % 2]) for i, text in enumerate(TEXTS)]
    numbers = [Instance(i, (text,), len(text) / 10) for i, text in enumerate(TEXTS)]
    words = [Instance(i, (*text.split(),), tuple("xyz"[len(word) % 3] for word in text.split())) for i, text in enumerate(TEXTS)]
    return {
        "classes": encode("classes", Classification(), ("a", "b"), classes, encoder.tokenizer, 20),
        "numbers": encode("numbers", Regression(), (), numbers, encoder.tokenizer, 20),
        "words": encode("words", TokenClassification(), ("x", "y", "z"), words, encoder.tokenizer_for(True), 20),
    }


@pytest.fixture
def model(encoder: Encoder, data: Mapping[str, Encoded]) -> MultiTaskModel:
    heads = {
        task: initialise_head(split.type.head(encoder.hidden_size, split.labels, dropout=0.1), seed)
        for seed, (task, split) in enumerate(data.items())
    }
    return MultiTaskModel(encoder.build(), heads)


Run = Callable[..., Trained]


@pytest.fixture
def run(model: MultiTaskModel, data: Mapping[str, Encoded]) -> Run:
    def run(plan: Plan, settings: Any = Settings(), dev: Dev | None = None, **options: Any) -> Trained:
        dev = dev or Dev(data["classes"], "accuracy")
        return train(model, data, plan, dev, settings, **{"device": "cpu", "seed": DEFAULT_SEED} | options)

    return run


def plan_of(data: Mapping[str, Encoded], *tasks: str, **options: int) -> Plan:
    defaults = {"epochs": 2, "batch_size": 4, "accumulation": 2, "seed": 0}
    return plan_epochs({task: data[task].lengths for task in tasks}, **defaults | options)


def single(encoder: Encoder, split: Encoded, dropout: float) -> MultiTaskModel:
    head = initialise_head(split.type.head(encoder.hidden_size, split.labels, dropout), seed=0)
    return MultiTaskModel(encoder.build(), {split.task: head})


def weights(model: MultiTaskModel) -> dict[str, Tensor]:
    return copy.deepcopy(model.state_dict())


def assert_same(a: Mapping[str, Tensor], b: Mapping[str, Tensor], atol: float = 0.0) -> None:
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=0, atol=atol, msg=lambda text, name=name: f"{name}: {text}")


def differ(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> bool:
    return any(not torch.equal(a[name], b[name]) for name in a)


class Kept:
    """A keeper in memory. Its checkpoints pass through JSON, as those on disk do; it stops the training after step `stop`."""

    def __init__(self, stop: int | None = None) -> None:
        self.stop = stop
        self.kept: Checkpoint | None = None
        self.steps = 0

    def load(self) -> Checkpoint | None:
        return self.kept

    def step(self, capture: Callable[[], Checkpoint]) -> None:
        self.steps += 1
        if self.steps == self.stop:
            checkpoint = capture()
            self.kept = Checkpoint(checkpoint.tensors, json.loads(json.dumps(checkpoint.values)))
            raise Interrupted


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


# --- short formats ---------------------------------------------------------------------------------------------------


def test_in_bfloat16_weights_optimiser_and_losses_stay_in_float32(run, model, data):
    """What is computed is near to what float32 gives, and not the same: products are short, sums and what lasts are not."""
    quiet(model)
    plan, start = plan_of(data, "classes", "numbers", "words"), weights(model)
    losses: dict[str, list[float]] = {"fp32": [], "bf16": []}
    ends, seen = {}, []
    hook = model.head("classes").register_forward_hook(lambda _, args, output: seen.append(output.dtype))
    for precision, into in losses.items():
        model.load_state_dict(start)
        keeper = Kept()
        run(plan, Settings(precision=precision), progress=Progress(step=lambda *v, into=into: into.append(v[2])), keeper=keeper)
        ends[precision] = weights(model)
    hook.remove()
    assert {*seen} == {torch.float32, torch.bfloat16}
    assert {value.dtype for value in ends["bf16"].values() if value.is_floating_point()} == {torch.float32}
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.05)
    assert losses["bf16"] != losses["fp32"]
    assert any(loss != torch.tensor(loss).bfloat16().item() for loss in losses["bf16"])


def test_in_bfloat16_a_step_casts_each_weight_once(model, data, monkeypatch):
    """However many batches it has; and a checkpoint holds float32 alone."""
    casts: list[int] = []
    weight = next(p for name, p in model.encoder.named_parameters() if name.endswith("query.weight"))

    class Counting(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            if function is torch.ops.aten._to_copy.default and args[0] is weight:
                casts.append(1)
            return function(*args, **(kwargs or {}))

    keeper = Kept(stop=1)
    step = [Batch("classes", np.array([i])) for i in range(4)]
    with Counting(), pytest.raises(Interrupted):
        train(
            model,
            data,
            [[step]],
            Dev(data["classes"], "accuracy"),
            Settings(precision="bf16"),
            device="cpu",
            seed=0,
            keeper=keeper,
        )
    assert len(casts) == 1
    assert {value.dtype for value in keeper.kept.tensors.values() if value.is_floating_point()} == {torch.float32}


# --- going on ---------------------------------------------------------------------------------------------------------


def disturb() -> None:
    """What another training in this process would do to the generators."""
    random.random()
    np.random.rand()
    torch.rand(3)


@pytest.mark.parametrize(("optimizer", "precision"), [("adamw", "fp32"), ("adamax", "fp32"), ("adamw", "bf16")])
def test_a_training_goes_on_from_any_step_as_if_it_had_never_stopped(run, model, data, optimizer, precision):
    plan = plan_of(data, "classes", "numbers", "words", epochs=3)
    settings, start = Settings(optimizer=optimizer, precision=precision), weights(model)
    scores: list[tuple[int, float]] = []
    expected = run(plan, settings, progress=Progress(epoch=lambda *score: scores.append(score)))
    end, total = weights(model), sum(map(len, plan))
    for stop in range(1, total + 1):
        keeper = Kept(stop)
        model.load_state_dict(start)
        with pytest.raises(Interrupted):
            run(plan, settings, keeper=keeper)
        disturb()
        model.load_state_dict(start)
        told: list[tuple[int, float]] = []
        began: list[tuple[int, int]] = []

        def resumed(done: int, total: int, kept: Sequence[float], told: Any = told, began: Any = began) -> None:
            began.append((done, total))
            told += enumerate(kept, 1)

        progress = Progress(epoch=lambda *score, told=told: told.append(score), resumed=resumed)
        assert run(plan, settings, keeper=keeper, progress=progress) == expected
        assert began == [(stop, total)]
        assert told == scores
        assert_same(weights(model), end)


def test_a_checkpoint_is_a_copy(run, model, data):
    keeper = Kept(2)
    with pytest.raises(Interrupted):
        run(plan_of(data, "classes"), keeper=keeper)
    before = {name: tensor.clone() for name, tensor in keeper.kept.tensors.items()}
    run(plan_of(data, "classes"), keeper=Kept())
    assert_same(keeper.kept.tensors, before)


# --- memory -----------------------------------------------------------------------------------------------------------


class Small:
    """A model whose device has room for so many instances at a time."""

    def __init__(self, model: MultiTaskModel, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
        forward = model.forward

        def limited(task: str, inputs: Mapping[str, Tensor]) -> Tensor:
            rows = len(inputs["input_ids"])
            if torch.is_grad_enabled() and rows > room:
                raise torch.OutOfMemoryError("simulated")
            return forward(task, inputs)

        monkeypatch.setattr(model, "forward", limited)


def quiet(model: MultiTaskModel) -> None:
    """Without dropout, of which smaller batches would draw another pattern."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0


def test_out_of_memory_judges_in_smaller_batches(model, data, monkeypatch):
    dev = Dev(data["numbers"], "pearson")
    score, forward, seen = evaluate(model, dev, "cpu"), model.forward, []

    def limited(task: str, inputs: Mapping[str, Tensor]) -> Tensor:
        seen.append(len(inputs["input_ids"]))
        if seen[-1] > room:
            raise torch.OutOfMemoryError("simulated")
        return forward(task, inputs)

    monkeypatch.setattr(model, "forward", limited)
    room = 3
    assert evaluate(model, dev, "cpu") == pytest.approx(score, abs=1e-6)
    assert max(seen[-3:]) <= room
    room = 0
    monkeypatch.setattr(memory, "WAITS", (0.0, 0.0))
    with pytest.raises(RunError, match="out of memory on cpu with one instance"):
        evaluate(model, dev, "cpu")


@pytest.mark.parametrize(("room", "parts"), [(4, 1), (3, 2), (2, 2), (1, 4)])
def test_out_of_memory_makes_smaller_batches_of_the_same_step(run, model, data, monkeypatch, room, parts):
    """Steps of mixed tasks, token tasks too, where the parts of a batch have different numbers of words."""
    quiet(model)
    start, plan = weights(model), plan_of(data, "classes", "numbers", "words", batch_size=4)
    settings = Settings(learning_rate=1e-2)
    whole = run(plan, settings)
    expected = weights(model)
    assert differ(expected, start)
    model.load_state_dict(start)
    Small(model, room, monkeypatch)
    told: list[int] = []
    trained = run(plan, settings, progress=Progress(smaller=told.append))
    assert (trained.parts, told) == (parts, [2, 4][: int(math.log2(parts))])
    assert trained.steps == whole.steps
    found = weights(model)
    for name in list(
        found
    ):  # attention does not depend on the key's bias: its gradient is rounding error, which Adam makes large
        if name.endswith("key.bias"):
            del found[name]
    assert_same(found, expected, atol=2e-5)


def test_a_training_that_goes_on_remembers_how_little_memory_there_is(run, model, data, monkeypatch):
    Small(model, 2, monkeypatch)
    keeper, told = Kept(2), []
    start = weights(model)
    with pytest.raises(Interrupted):
        run(plan_of(data, "classes"), keeper=keeper, progress=Progress(smaller=told.append))
    model.load_state_dict(start)
    assert run(plan_of(data, "classes"), keeper=keeper, progress=Progress(smaller=told.append)).parts == 2
    assert told == [2]


def test_too_little_memory_for_one_instance(run, model, data, monkeypatch):
    Small(model, 0, monkeypatch)
    monkeypatch.setattr(memory, "WAITS", (0.0, 0.0))
    with pytest.raises(RunError, match=r"^out of memory on cpu with one instance: lower "):
        run(plan_of(data, "classes"))


def test_going_on_with_a_training_on_a_gpu_moves_no_generator_but_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings on other devices of the process would lose their place. (The GPU is played by a list.)"""
    restored: list[tuple[Tensor, str]] = []
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda value, device: restored.append((value, device)))
    tensors, values = state._random_state("cpu")
    tensors["random.device"] = torch.arange(4, dtype=torch.uint8)
    before = (random.random(), np.random.random(), torch.rand(1).item())  # so that all have moved on
    kept = (random.getstate(), np.random.get_state(legacy=True)[1].copy(), torch.get_rng_state())
    state._restore_random_state("cuda:1", tensors, values)
    assert restored == [(tensors["random.device"], "cuda:1")]
    assert random.getstate() == kept[0]
    np.testing.assert_array_equal(np.random.get_state(legacy=True)[1], kept[1])
    assert torch.equal(torch.get_rng_state(), kept[2])
    state._restore_random_state("cpu", tensors, values)
    assert (random.random(), np.random.random(), torch.rand(1).item()) == before
