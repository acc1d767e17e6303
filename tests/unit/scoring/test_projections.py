"""Projected gradients from one batched pass equal those of a plain loop: `loss.backward()`, one instance at a time."""

import copy
import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cosine_similarity

from gradts_engine.config import TrainingSettings
from gradts_engine.contracts import EncoderSpec, Instance
from gradts_engine.learning.batches import encode, plan_epochs
from gradts_engine.learning.encoders import load_encoder
from gradts_engine.learning.model import MultiTaskModel, make_head
from gradts_engine.learning.parts import train_part
from gradts_engine.learning.state import NoKeeper
from gradts_engine.learning.task_types import Classification, Ranking, TokenClassification
from gradts_engine.learning.watch import Progress
from gradts_engine.scoring.importance import InstancePass
from gradts_engine.scoring.projections import (
    SIZE,
    ProjectedGradients,
    alignment,
    factors_of,
    layers_of,
    scaled,
    sides_of,
)
from gradts_engine.testing import tiny_encoder

TEXTS = ("bread", "a kilo of ripe tomatoes", "she sells sea shells by the sea shore, for sure", "where to", "no: it rained")
KINDS = {
    "texts": (Classification(), [Instance(i, (text,), "abc"[i % 3]) for i, text in enumerate(TEXTS)]),
    "words": (
        TokenClassification(),
        [Instance(i, (*words,), tuple("abc"[len(w) % 3] for w in words)) for i, words in enumerate(map(str.split, TEXTS))],
    ),
    "several texts": (Ranking(), [Instance(i, (text, *TEXTS[:2]), "1") for i, text in enumerate(TEXTS)]),
}
SHARED = {"deberta-v2": {"pos_key_proj", "pos_query_proj"}}
"""Layers that see relative positions."""


def subject(folder, family="bert", kind="texts", **config):
    """A model with data, in float64, so that only a wrong formula can make a difference."""
    encoder = load_encoder(EncoderSpec(name="tiny", source=lambda: str(tiny_encoder(folder, family, **config))))
    task_type, instances = KINDS[kind]
    data = encode("task", task_type, ("a", "b", "c"), instances, encoder.tokenizer_for(task_type.word_level), 40)
    module = encoder.build()
    head = make_head(task_type, module, encoder.hidden_size, data.labels, 0.5, seed=1)
    return MultiTaskModel(module, {"task": head}).double().eval(), data


def gradients(model, data):
    """The whole gradient of each weight, [n, out, in] by name."""
    found = {}
    for i in range(len(data)):
        inputs, targets = data.batch([i])
        model.zero_grad()
        sums, counts = data.type.loss(model("task", inputs), targets)
        (sums / counts).sum().backward()
        for name, module in model.encoder.named_modules():
            if isinstance(module, torch.nn.Linear) and module.weight.grad is not None:
                found.setdefault(name, []).append(module.weight.grad.clone())
    return {name: torch.stack(of) for name, of in found.items()}


@pytest.mark.parametrize(
    ("family", "kind"),
    [
        ("bert", "texts"),
        ("bert", "words"),
        ("bert", "several texts"),
        ("albert", "words"),
        ("distilbert", "texts"),
        ("modernbert", "words"),
        ("deberta-v2", "texts"),
    ],
)
def test_equals_the_projected_gradients_of_single_instances(tmp_path, family, kind):
    model, data = subject(tmp_path, family, kind)
    expected = gradients(model, data)
    layers = layers_of(model, data)
    shared = SHARED.get(family, set())
    assert {*layers} == {name for name in expected if name.rpartition(".")[2] not in shared}
    sides = sides_of(model.encoder, layers, seed=3)
    found = InstancePass(model, data, ProjectedGradients(model.encoder, sides, "cpu"), batch_tokens=60).collect()
    assert found.shape == (len(data), len(layers), SIZE, SIZE)
    for at, (name, (left, right)) in enumerate(sides.items()):
        whole = left.double() @ expected[name] @ right.double().T
        np.testing.assert_allclose(found[:, at], whole, rtol=1e-4, atol=1e-5 * whole.abs().max())


def whole_sides(model, layers):
    """Projections that leave a gradient as it is."""
    shapes = {name: model.encoder.get_parameter(f"{name}.weight").shape for name in layers}
    return {name: (torch.eye(out), torch.eye(into)) for name, (out, into) in shapes.items() if out == into}


def collected(model, data, sides):
    return torch.from_numpy(InstancePass(model, data, ProjectedGradients(model.encoder, sides, "cpu")).collect())


def test_alignment_is_what_a_small_step_takes_off_the_loss(tmp_path):
    """Against the loss itself, before and after a step along the mean of another data set's unit gradients."""
    model, data = subject(tmp_path)
    held, others = data.take([0, 1]), data.take([1, 2, 3])
    sides = whole_sides(model, layers_of(model, data))
    mean, of_each = collected(model, held, sides).mean(0), collected(model, others, sides)
    unit = of_each / of_each.flatten(1).norm(dim=1)[:, None, None, None]
    losses = []
    for step in (-0.03, 0.03):  # a loss is a float32
        moved = copy.deepcopy(model)
        with torch.no_grad():
            for name, along in zip(sides, unit.mean(0), strict=True):
                moved.encoder.get_parameter(f"{name}.weight").sub_(step * along)
        passing = InstancePass(moved, held, ProjectedGradients(moved.encoder, {}, "cpu"), batch_tokens=99)
        losses.append(passing.loss())
    assert alignment(mean, of_each) == pytest.approx((losses[0] - losses[1]) / 0.06, rel=0.02)


def test_instances_without_a_gradient_take_nothing_off():
    of_each = torch.zeros(2, 1, 2, 2)
    of_each[0, 0, 0, 0] = 5.0
    assert alignment(torch.ones(1, 2, 2), of_each) == 0.5


def test_projections_are_a_function_of_seed_and_layer_and_keep_inner_products_on_average(tmp_path):
    model, data = subject(tmp_path)
    layers = layers_of(model, data)
    of_each = gradients(model, data)
    exact = sum(float((of_each[name][0] * of_each[name][1]).sum()) for name in layers)
    found = []
    for seed in range(60):
        sides = sides_of(model.encoder, layers, seed)
        pair = [
            torch.stack([left.double() @ of_each[n][i] @ right.double().T for n, (left, right) in sides.items()]) for i in (0, 1)
        ]
        found.append(float((pair[0] * pair[1]).sum()))
    assert np.mean(found) == pytest.approx(exact, abs=4 * np.std(found) / math.sqrt(len(found)))
    again = sides_of(model.encoder, reversed(layers), 59)
    assert all(torch.equal(again[name][0], sides[name][0]) and torch.equal(again[name][1], sides[name][1]) for name in layers)


def test_squares_of_rank_one_are_scaled_exactly_and_others_nearly():
    draw = torch.Generator().manual_seed(0)
    rows, columns = torch.rand(6, 1, generator=draw) + 0.1, torch.rand(1, 9, generator=draw) + 0.1
    left, right = factors_of(rows * columns)
    torch.testing.assert_close(left[:, None] * right[None], rows * columns)
    one, other = scaled({"a": (torch.eye(6), torch.eye(9)), "b": (torch.eye(6), torch.eye(9))}, {"a": (left, right)}).values()
    torch.testing.assert_close(one[0].diag()[:, None] * one[1].diag(), 1 / (rows * columns).sqrt())
    assert torch.equal(other[0], torch.eye(6))
    assert factors_of(torch.zeros(2, 3))[0].tolist() == [1.0, 1.0]
    empty = torch.ones(3, 3)
    empty[1] = 0.0
    assert 1 / factors_of(empty)[0].sqrt().min() < 1e4  # a weight without a gradient so far


def test_scaling_by_rows_and_columns_is_close_to_that_of_each_weight(tmp_path):
    """Cosines of gradients that are scaled either way, of a small model in training: .97; with no scale at all .72 to .79."""
    model, data = subject(tmp_path)
    model.float()
    settings = TrainingSettings(epochs=12, batch_size=2, learning_rate=1e-3, precision="fp32")
    plan = plan_epochs({"task": data.lengths}, epochs=12, batch_size=2, accumulation=1, seed=0)
    squares = train_part(model, data, plan, settings, steps=18, device="cpu", seed=0, progress=Progress(), keeper=NoKeeper())
    of_each = gradients(model.eval(), data)
    scale = {name: (squares[f"encoder.{name}.weight"], factors_of(squares[f"encoder.{name}.weight"])) for name in of_each}
    ways = {
        "each": lambda gradient, seen, rows, columns: gradient / (seen.sqrt() + 1e-8),
        "rows and columns": lambda gradient, seen, rows, columns: gradient / (rows[:, None] * columns).sqrt(),
        "none": lambda gradient, *_: gradient,
    }
    found = {
        way: torch.cat([scaled_by(of_each[name], seen, *both).flatten(1) for name, (seen, both) in scale.items()], 1)
        for way, scaled_by in ways.items()
    }
    assert cosine_similarity(found["each"], found["rows and columns"]).min() > 0.95
    assert cosine_similarity(found["each"], found["none"]).max() < 0.85
