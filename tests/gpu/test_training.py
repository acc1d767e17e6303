"""The training loop on a GPU: it learns in every number format, resumes with the same bytes, and gets by with less memory."""

import json
import threading
from types import SimpleNamespace

import pytest
import torch

from gradts_engine.errors import Interrupted, TrainingDiverged
from gradts_engine.learning import training
from gradts_engine.learning.batches import plan_epochs
from gradts_engine.learning.model import MultiTaskModel, make_head
from gradts_engine.learning.state import Checkpoint
from gradts_engine.learning.training import Dev, evaluate, train
from gradts_engine.learning.watch import Progress
from tests.gpu.made import long_texts, memory, split

TASKS = ("pair", "stars", "tags")
PRECISIONS = ("fp32", "bf16", "fp16")


def settings(precision, optimizer="adamw", rate=3e-3):
    return SimpleNamespace(
        optimizer=optimizer, learning_rate=rate, weight_decay=0.01, warmup=0.1, max_grad_norm=1.0, precision=precision
    )


@pytest.fixture(scope="module")
def data(encoder):
    return {task: split(encoder, task) for task in TASKS}


def made(encoder, data, dropout=0.1):
    module = encoder.build()
    heads = {t: make_head(d.type, module, encoder.hidden_size, d.labels, dropout, i) for i, (t, d) in enumerate(data.items())}
    return MultiTaskModel(module, heads)


def trained(encoder, data, device, chosen, *, epochs=2, dropout=0.1, **options):
    """A model trained on all tasks, its weights on the CPU, and what `train` says."""
    model = made(encoder, data, dropout)
    plan = plan_epochs({task: d.lengths for task, d in data.items()}, epochs=epochs, batch_size=4, accumulation=2, seed=0)
    said = train(model, data, plan, Dev(data["pair"], "accuracy"), chosen, device=device, seed=5, **options)
    return {name: value.cpu() for name, value in model.state_dict().items()}, said


class Kept:
    """Keeps what a training was at a step, through JSON as on disk, and stops it there."""

    def __init__(self, stop=0):
        self.stop, self.steps, self.kept = stop, 0, None

    def load(self):
        return self.kept

    def step(self, capture):
        self.steps += 1
        if self.steps == self.stop:
            found = capture()
            self.kept = Checkpoint(found.tensors, json.loads(json.dumps(found.values)))
            raise Interrupted


def same(a, b):
    return [name for name in a if not torch.equal(a[name], b[name])] == []


@pytest.mark.parametrize("optimizer", ["adamw", "adamax"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_stopped_training_goes_on_with_the_same_bytes(device, encoder, data, precision, optimizer):
    chosen = settings(precision, optimizer)
    straight, said = trained(encoder, data, device, chosen)
    again, _ = trained(encoder, data, device, chosen)
    assert same(straight, again), "the same training twice gives different bytes"
    for stop in (3, 20):  # in the first epoch, and in the second, once there are best weights
        keeper = Kept(stop)
        with pytest.raises(Interrupted):
            trained(encoder, data, device, chosen, keeper=keeper)
        torch.rand(7, device=device)  # whatever else draws from the device's generator
        keeper.stop = 0
        resumed, told = trained(encoder, data, device, chosen, keeper=keeper)
        assert told == said
        assert same(straight, resumed)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_weights_that_are_cast_together_change_no_bit(device, encoder, data, monkeypatch, precision):
    together, _ = trained(encoder, data, device, settings(precision), epochs=1)
    monkeypatch.setattr(training, "cast_weights", lambda model, dtype: {})
    alone, _ = trained(encoder, data, device, settings(precision), epochs=1)
    assert same(together, alone)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_it_learns_in_every_format(device, encoder, data, precision):
    model = made(encoder, data)
    plan = plan_epochs({task: d.lengths for task, d in data.items()}, epochs=6, batch_size=4, accumulation=1, seed=0)
    losses: list[float] = []
    progress = Progress(step=lambda done, total, loss: losses.append(loss))
    dev = Dev(split(encoder, "pair", "dev"), "accuracy")
    said = train(model, data, plan, dev, settings(precision), device=device, seed=5, progress=progress)
    assert said.score > 0.85
    assert len(losses) == said.steps
    assert sum(losses[-20:]) < sum(losses[:20]) / 2
    assert {value.dtype for value in model.state_dict().values() if value.is_floating_point()} == {torch.float32}
    assert evaluate(model, dev, device, precision) == said.score


def test_float32_is_trained_as_on_a_cpu(device, encoder, data):
    """Without dropout, whose patterns are a device's own."""
    models = [made(encoder, data).state_dict()]
    for where in ("cpu", device):
        model = made(encoder, data, dropout=0.0)
        for part in model.modules():
            if isinstance(part, torch.nn.Dropout):
                part.p = 0.0
        plan = plan_epochs({task: d.lengths for task, d in data.items()}, epochs=1, batch_size=4, accumulation=2, seed=0)
        train(model, data, plan, Dev(data["pair"], "accuracy"), settings("fp32", rate=1e-3), device=where, seed=5)
        models.append(model.cpu().state_dict())
    start, here, there = (torch.cat([value.flatten() for name, value in model.items()]) for model in models)
    assert (here - there).norm() < 0.02 * (here - start).norm()


def test_it_leaves_the_generators_of_the_process_alone(gpu, encoder, data):
    before = torch.get_rng_state()
    trained(encoder, data, gpu, settings("bf16"), epochs=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_training_on_a_cpu_at_the_same_time_changes_nothing(gpu, encoder, data):
    alone, _ = trained(encoder, data, gpu, settings("bf16"))
    other = threading.Thread(target=trained, args=(encoder, data, "cpu", settings("fp32")))
    other.start()
    beside, _ = trained(encoder, data, gpu, settings("bf16"))
    other.join()
    assert same(alone, beside)


def test_a_diverging_training_is_told(device, encoder, data):
    with pytest.raises(TrainingDiverged, match="not finite at step"):
        trained(encoder, data, device, settings("bf16", rate=1e30))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_memory_that_does_not_suffice_halves_the_batches(gpu, wide, precision):
    """Of a step that needs more than torch may take: the weights come out as with all the memory, up to rounding."""
    data = {"long": long_texts(wide, 64)}
    plan = plan_epochs({"long": data["long"].lengths}, epochs=1, batch_size=64, accumulation=1, seed=0)

    def train_one(parts):
        model = made(wide, data, dropout=0.0).to(gpu)
        for part in model.modules():
            if isinstance(part, torch.nn.Dropout):
                part.p = 0.0
        progress = Progress(smaller=parts.append)
        told = train(model, data, plan, Dev(data["long"], "accuracy"), settings(precision), device=gpu, seed=5, progress=progress)
        return {name: value.cpu() for name, value in model.state_dict().items()}, told

    torch.cuda.reset_peak_memory_stats(gpu)
    held = torch.cuda.memory_allocated(gpu)
    whole, _ = train_one([])
    needed = torch.cuda.max_memory_allocated(gpu) - held
    parts: list[int] = []
    with memory(gpu, int(0.7 * needed)):
        small, said = train_one(parts)
    assert said.parts == parts[-1] >= 2
    change = {name: (whole[name] - small[name]).abs().max().item() for name in whole if not name.endswith("key.bias")}
    assert max(change.values()) < (1e-4 if precision == "fp32" else 0.01), change
