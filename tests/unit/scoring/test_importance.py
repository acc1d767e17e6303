"""Importance from one batched pass equals a plain loop: one instance at a time, `loss.backward()`, the weights' own gradients."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from gradts_engine.contracts import EncoderSpec, HeadAxis, HeadSites
from gradts_engine.errors import TrainingDiverged
from gradts_engine.learning.batches import Encoded
from gradts_engine.learning.encoders import Encoder, load_encoder
from gradts_engine.learning.model import MultiTaskModel, initialise_head
from gradts_engine.scoring.importance import instance_importance
from gradts_engine.testing import FAMILIES, tiny_encoder
from tests.unit.scoring.texts import INSTANCES, TEXTS, encoded

VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((family, {}) for family in FAMILIES),
    ("albert", {"num_hidden_layers": 4, "num_hidden_groups": 2}),
    ("albert", {"inner_group_num": 2}),
    ("deberta-v2", {"share_att_key": True}),
]
PROJECTIONS = ("query", "key", "value")


@dataclass
class Subject:
    """A model with data, and the gradient of each instance for each projection: `gradients[i][layer][name]`, `[out, in]`."""

    model: MultiTaskModel
    data: Encoded
    sites: HeadSites
    gradients: list[list[dict[str, Tensor]]]

    def expected(self, i: int, projections: Sequence[str], axis: HeadAxis) -> list[list[float]]:
        """Importance [L, H] of one instance, head by head, as the definition reads."""
        rows = []
        for layer, found in zip(self.gradients[i], self.sites.layers, strict=True):
            heads = found["key"].heads
            pieces = [layer[name].chunk(heads, 0 if axis == "output" else 1) for name in projections]
            rows.append([sum(float(piece[head].abs().mean()) for piece in pieces) for head in range(heads)])
        return rows


def unshared(encoder: nn.Module) -> Any:
    """A copy in which every layer has weights of its own, whose gradients are then those of one layer."""
    encoder = copy.deepcopy(encoder)
    config: Any = encoder.config
    if config.model_type == "albert":
        groups, layers = encoder.encoder.albert_layer_groups, config.num_hidden_layers
        copies = [copy.deepcopy(groups[layer * len(groups) // layers]) for layer in range(layers)]
        encoder.encoder.albert_layer_groups = nn.ModuleList(copies)
        config.num_hidden_groups = layers
    return encoder


def gradient(encoder: Any, sites: HeadSites, layer: int, name: str) -> Tensor:
    """Of a projection's weights in an unshared encoder, [out, in]."""
    site = sites.layers[layer][name]
    path = site.module
    if encoder.config.model_type == "albert":
        group, inner = divmod(layer, encoder.config.inner_group_num)
        path = f"encoder.albert_layer_groups.{group}.albert_layers.{inner}.attention.{name}"
    return encoder.get_submodule(path).weight.grad[site.start : site.stop].clone()


@pytest.fixture(scope="session", params=VARIANTS, ids=lambda variant: "-".join(map(str, [variant[0], *variant[1]])))
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    family, config = request.param
    folder = tiny_encoder(tmp_path_factory.mktemp("encoder"), family, **config)
    return load_encoder(EncoderSpec(name="tiny", source=lambda: str(folder)))


@pytest.fixture(scope="module", params=INSTANCES)
def subject(request: pytest.FixtureRequest, encoder: Encoder) -> Subject:
    """In float64, so that only a wrong formula can make a difference."""
    data = encoded(encoder, request.param)
    module = encoder.build().double()
    sites = encoder.head_sites(module)
    head = initialise_head(data.type.head(encoder.hidden_size, data.labels, dropout=0.5), seed=1).double()
    alone = MultiTaskModel(unshared(module), {"task": head}).eval()
    gradients = []
    for i in range(len(data)):
        inputs, targets = data.batch([i])
        alone.zero_grad()
        sums, counts = data.type.loss(alone("task", inputs), targets)
        (sums / counts).backward()
        layers = range(len(sites.layers))
        gradients.append([{name: gradient(alone.encoder, sites, layer, name) for name in PROJECTIONS} for layer in layers])
    return Subject(MultiTaskModel(module, {"task": head}), data, sites, gradients)


@settings(max_examples=6, deadline=None)
@given(
    rows=st.lists(st.integers(0, len(TEXTS) - 1), min_size=1, max_size=7),
    projections=st.lists(st.sampled_from(PROJECTIONS), min_size=1, unique=True),
    axis=st.sampled_from(["output", "input"]),
    batch_tokens=st.integers(1, 200),
)
def test_equals_gradients_of_single_instances(
    subject: Subject, rows: list[int], projections: list[str], axis: HeadAxis, batch_tokens: int
) -> None:
    """Whatever an instance is padded to and batched with."""
    subject.model.train()  # the pass switches dropout off by itself
    raw = instance_importance(
        subject.model, subject.data.take(rows), subject.sites, projections=projections, axis=axis, batch_tokens=batch_tokens
    )
    expected = np.array([subject.expected(i, projections, axis) for i in rows])
    np.testing.assert_allclose(raw, expected, rtol=1e-5, atol=1e-6 * expected.max())


# --- one encoder is enough for the rest ------------------------------------------------------------------------------


def test_defaults_are_the_methods(bert: tuple[MultiTaskModel, Encoded, HeadSites]) -> None:
    assert np.array_equal(instance_importance(*bert), instance_importance(*bert, projections=("key", "value"), axis="output"))


def test_order_of_the_data_and_progress(bert: tuple[MultiTaskModel, Encoded, HeadSites]) -> None:
    """Batches are of similar length, the results in the order of the data."""
    model, data, sites = bert
    seen: list[tuple[int, int]] = []
    raw = instance_importance(model, data, sites, batch_tokens=1, progress=lambda done, total: seen.append((done, total)))
    assert raw.dtype == np.float32
    assert raw.shape == (len(TEXTS), 2, 4)
    assert seen == [(done, len(TEXTS)) for done in range(1, len(TEXTS) + 1)]
    backwards = instance_importance(model, data.take(range(len(data))[::-1]), sites, batch_tokens=1)
    assert np.array_equal(backwards[::-1], raw)


@pytest.mark.parametrize("broken", [False, True])
def test_leaves_the_model_as_it_was(bert: tuple[MultiTaskModel, Encoded, HeadSites], broken: bool) -> None:
    """Weights untouched and trainable, without gradients or hooks, in eval mode; also where the caller stops the pass."""
    model, data, sites = bert
    before = copy.deepcopy(model.state_dict())

    def progress(done: int, total: int) -> None:
        if broken:
            raise KeyboardInterrupt

    try:
        instance_importance(model, data, sites, batch_tokens=1, progress=progress)
    except KeyboardInterrupt:
        assert broken
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks or module.training for module in model.modules())


def test_a_gradient_that_is_not_finite_names_its_instance(bert: tuple[MultiTaskModel, Encoded, HeadSites]) -> None:
    """The first of them, if there are several."""
    model, data, sites = bert
    (place,) = (i for i, text in enumerate(TEXTS) if "tomatoes" in text)
    ids = [values.tolist() for values in data.inputs["input_ids"]]
    its_own = next(token for token in ids[place] if sum(token in values for values in ids) == 1)
    for token, first in ((its_own, place), (ids[0][0], 0)):
        model.encoder.get_submodule("embeddings.word_embeddings").weight.data[token] = torch.nan
        with pytest.raises(TrainingDiverged, match=f"train instance {first} of task is not finite"):
            instance_importance(model, data, sites)
