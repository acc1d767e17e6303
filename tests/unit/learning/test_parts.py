"""A training that ends early is the beginning of the whole one; a head that is fitted to an encoder leaves it as it is."""

import copy

import pytest
import torch

from gradts_engine.config import TrainingSettings
from gradts_engine.contracts import EncoderSpec
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.learning.batches import encode, plan_epochs
from gradts_engine.learning.data import read_task
from gradts_engine.learning.encoders import load_encoder
from gradts_engine.learning.model import MultiTaskModel, make_head
from gradts_engine.learning.parts import SQUARES, train_part
from gradts_engine.learning.state import NoKeeper
from gradts_engine.learning.training import Dev, train
from gradts_engine.learning.warming import STEPS, warm_head
from gradts_engine.learning.watch import Progress
from gradts_engine.testing.tiny import tiny_encoder
from gradts_engine.testing.toy import TOY_WORDS, toy_tasks

TASKS = {spec.name: spec for spec in toy_tasks()}
STEP = 4


class Broken(Exception):
    """A kill."""


class Watching(NoKeeper):
    """Remembers the state after a step, and may be killed there; goes on from `kept`."""

    def __init__(self, at, kept=None, kill=False):
        self.at, self.kept, self.kill, self.done = at, kept, kill, 0

    def load(self):
        self.done = self.kept.values["done"] if self.kept else 0
        return self.kept

    def step(self, capture):
        self.done += 1
        if self.done == self.at:
            self.kept = capture()
            if self.kill:
                raise Broken


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    folder = str(tiny_encoder(tmp_path_factory.mktemp("tiny"), words=TOY_WORDS))
    return load_encoder(EncoderSpec(name="tiny", source=lambda: folder))


@pytest.fixture
def subject(encoder):
    def made(name="mood"):
        spec = TASKS[name]
        kind = load_catalog().task_types[spec.type].load()
        data = read_task(spec, kind, "", {}, "stop", 0)
        split = encode(name, kind, data.labels, data.splits["train"], encoder.tokenizer_for(kind.word_level), 32)
        module = encoder.build()
        return MultiTaskModel(module, {name: make_head(kind, module, encoder.hidden_size, data.labels, 0.1, 1)}), split

    return made


def part(model, data, optimizer, keeper):
    settings = TrainingSettings(epochs=2, batch_size=4, learning_rate=0.003, precision="fp32", optimizer=optimizer)
    plan = plan_epochs({data.task: data.lengths}, epochs=2, batch_size=4, accumulation=1, seed=2)
    options = {"device": "cpu", "seed": 3, "progress": Progress()}
    return settings, plan, train_part(model, data, plan, settings, steps=STEP, keeper=keeper, **options)


@pytest.mark.parametrize("optimizer", ["adamw", "adamax"])
def test_a_part_is_the_beginning_of_the_whole_whether_it_was_killed_or_not(subject, optimizer):
    model, data = subject()
    settings, plan, squares = part(model, data, optimizer, NoKeeper())

    whole, _ = subject()
    watching = Watching(STEP)
    train(whole, {data.task: data}, plan, Dev(data, "accuracy"), settings, device="cpu", seed=3, keeper=watching)
    words = "encoder.embeddings.word_embeddings.weight"  # of the words that occur alone, while it lasts
    for name, value in model.state_dict().items():
        if name != words:
            assert torch.equal(value, watching.kept.tensors[f"model.{name}"]), name
    names = [name for name, p in whole.named_parameters() if p.ndim > 1]
    (kind,) = (kind for kind in SQUARES if f"optimizer.1.{kind}" in watching.kept.tensors)
    for at, name in enumerate(names):
        if name in squares and name != words:
            assert torch.equal(squares[name], watching.kept.tensors[f"optimizer.{at}.{kind}"] ** SQUARES[kind]), name
    assert {n for n in names if ".attention." in n or ".output." in n} <= squares.keys()

    killed, _ = subject()
    keeper = Watching(STEP - 1, kill=True)
    with pytest.raises(Broken):
        part(killed, data, optimizer, keeper)
    again, _ = subject()
    _, _, after = part(again, data, optimizer, Watching(-1, keeper.kept))
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in model.state_dict().items())
    assert all(torch.equal(value, after[name]) for name, value in squares.items())


@pytest.mark.parametrize("task", ["tags", "stars"])
def test_a_head_is_fitted_and_the_encoder_left_as_it_is(subject, task):
    model, data = subject(task)
    before = copy.deepcopy(model)

    def loss(of):
        inputs, targets = data.batch(range(len(data)))
        with torch.no_grad():
            sums, counts = data.type.loss(of(task, inputs), targets)
        return float(sums.sum() / counts.sum())

    steps = warm_head(model, data, "cpu", seed=1)
    assert 0 < steps <= STEPS
    assert loss(model.eval()) < loss(before.eval())
    assert all(torch.equal(a, b) for a, b in zip(model.encoder.parameters(), before.encoder.parameters(), strict=True))
    again = copy.deepcopy(before)
    assert warm_head(again, data, "cpu", seed=1) == steps
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


def test_a_head_does_not_learn_by_heart_what_says_nothing(subject):
    """Labels that texts tell nothing of: the other third of the rows ends it before the loss of the fitted rows is gone."""
    model, data = subject("mood")
    shuffled = torch.randperm(len(data), generator=torch.Generator().manual_seed(0)).tolist()
    data.targets[:] = [data.targets[i] for i in shuffled]
    assert warm_head(model, data, "cpu", seed=1) < 60
    inputs, targets = data.batch(range(len(data)))
    with torch.no_grad():
        assert float(data.type.loss(model("mood", inputs), targets)[0].mean()) > 0.5


def test_a_head_of_one_row_is_fitted_to_it(subject):
    model, data = subject("mood")
    assert warm_head(model, data.take([0]), "cpu", seed=1) > 0
