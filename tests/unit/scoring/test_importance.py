"""Importance from one batched pass equals a plain loop: one instance at a time, `loss.backward()`, the weights' own gradients."""

import copy
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor, nn

from gradts_engine.contracts import EncoderSpec, HeadAxis, HeadSites, Instance
from gradts_engine.errors import RunError, TrainingDiverged
from gradts_engine.learning.batches import Encoded, encode
from gradts_engine.learning.encoders import Encoder, load_encoder
from gradts_engine.learning.memory import WAITS
from gradts_engine.learning.model import MultiTaskModel, initialise_head
from gradts_engine.learning.task_types import Classification, Regression, TokenClassification
from gradts_engine.scoring import importance
from gradts_engine.scoring.importance import GradientPass, instance_importance
from gradts_engine.scoring.normalise import normalise, task_importance
from gradts_engine.testing import FAMILIES, tiny_encoder

VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((family, {}) for family in FAMILIES),
    ("albert", {"num_hidden_layers": 4, "num_hidden_groups": 2}),
    ("albert", {"inner_group_num": 2}),
    ("deberta-v2", {"share_att_key": True}),
]
PROJECTIONS = ("query", "key", "value")

TEXTS = [
    "bread",
    "a kilo of ripe tomatoes, and nothing else",
    "she sells sea shells by the sea shore; the shells she sells are sea shells for sure",
    "where to",
    "no: it rained all day",
]
INSTANCES: Mapping[str, tuple[Any, list[Instance]]] = {
    "single": (Classification(), [Instance(i, (text,), "abc"[i % 3]) for i, text in enumerate(TEXTS)]),
    "pair": (Classification(), [Instance(i, (text, TEXTS[-i]), "abc"[i % 2]) for i, text in enumerate(TEXTS)]),
    "number": (Regression(), [Instance(i, (text,), i - 1.5) for i, text in enumerate(TEXTS)]),
    "words": (
        TokenClassification(),
        [Instance(i, (*words,), tuple("abc"[len(word) % 3] for word in words)) for i, words in enumerate(map(str.split, TEXTS))],
    ),
}


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


def encoded(encoder: Encoder, kind: str) -> Encoded:
    task_type, instances = INSTANCES[kind]
    tokenizer = encoder.tokenizer_for(task_type.word_level)
    return encode("task", task_type, () if kind == "number" else ("a", "b", "c"), instances, tokenizer, 40)


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


@pytest.fixture
def bert(tmp_path: Any) -> tuple[MultiTaskModel, Encoded, HeadSites]:
    folder = tiny_encoder(tmp_path, words=["tomatoes"])
    encoder = load_encoder(EncoderSpec(name="tiny", source=lambda: str(folder)))
    module = encoder.build()
    data = encoded(encoder, "single")
    head = initialise_head(data.type.head(encoder.hidden_size, data.labels, dropout=0.5), seed=1)
    return MultiTaskModel(module, {"task": head}), data, encoder.head_sites(module)


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


# --- batches ---------------------------------------------------------------------------------------------------------


def test_any_rows_in_any_order(bert) -> None:
    model, data, sites = bert
    passing = GradientPass(model, data, sites, batch_tokens=1)
    whole = passing.importance()
    assert np.array_equal(passing.importance([3, 0, 4]), whole[[3, 0, 4]])


def test_the_probe_counts_what_a_batch_keeps(bert, monkeypatch) -> None:
    """It leaves out the weights, so twice the memory is twice the tokens, and asks no clock, so that it always says the same."""
    monkeypatch.setattr(importance, "LEAST", 1)
    monkeypatch.setattr(importance, "MOST", 10**9)
    monkeypatch.setattr(importance, "INSTANCES", 10**9)
    found = []
    for memory in (10**8, 10**8, 2 * 10**8):
        monkeypatch.setattr(importance, "MEMORY", memory)
        found.append(GradientPass(*bert).batch_tokens)
    assert found[0] == found[1] > 100
    assert found[2] == pytest.approx(2 * found[0], rel=1e-3)
    model = bert[0]
    per_token = 10**8 / found[0]
    states = 4 * model.encoder.config.hidden_size
    assert 10 * states < per_token < 200 * states  # 2 layers, each with some 20 arrays of the size of its states
    assert all(p.requires_grad for p in model.parameters())


def test_the_probes_choice_is_bounded(bert, monkeypatch) -> None:
    monkeypatch.setattr(importance, "MEMORY", 1)
    assert GradientPass(*bert).batch_tokens == importance.LEAST
    monkeypatch.setattr(importance, "MEMORY", 10**15)
    monkeypatch.setattr(importance, "INSTANCES", 100)
    assert GradientPass(*bert).batch_tokens == int(100 * bert[1].lengths.mean()) > importance.LEAST
    monkeypatch.setattr(importance, "INSTANCES", 10**9)
    assert GradientPass(*bert).batch_tokens == importance.MOST


def test_out_of_memory_halves_batches_and_goes_on(bert, monkeypatch) -> None:
    """The device takes 60 padded tokens at a time; what it has computed before is not computed again."""
    model, data, sites = bert
    seen: list[int] = []
    forward = type(model).forward

    def limited(self: MultiTaskModel, task: str, inputs: Mapping[str, Tensor]) -> Tensor:
        logits = forward(self, task, inputs)
        if inputs["input_ids"].numel() > 60:  # after the hooks have seen the batch, as in a backward pass that fails
            raise torch.OutOfMemoryError("simulated")
        seen.append(len(inputs["input_ids"]))
        return logits

    whole = instance_importance(model, data, sites, batch_tokens=1)
    passing = GradientPass(model, data, sites, batch_tokens=1000)
    monkeypatch.setattr(type(model), "forward", limited)
    np.testing.assert_allclose(passing.importance(), whole, rtol=0, atol=1e-6 * whole.max())
    assert sum(seen) == len(data)
    assert max(seen) > 1
    assert passing.batch_tokens < 120


def test_memory_for_not_even_one_instance(bert, monkeypatch) -> None:
    def never(self: MultiTaskModel, task: str, inputs: Mapping[str, Tensor]) -> Tensor:
        raise torch.OutOfMemoryError("simulated")

    passing = GradientPass(*bert, batch_tokens=1000)
    passing.patience.waits = iter([0.0, 0.0])
    monkeypatch.setattr(MultiTaskModel, "forward", never)
    with pytest.raises(RunError, match=r"out of memory on cpu with one instance: lower \[data\] max_length"):
        passing.importance()


def test_memory_that_others_let_go_of_is_waited_for(bert, monkeypatch) -> None:
    forward, busy = MultiTaskModel.forward, iter([True] * 3)

    def late(self: MultiTaskModel, task: str, inputs: Mapping[str, Tensor]) -> Tensor:
        if next(busy, False):
            raise torch.OutOfMemoryError("simulated")
        return forward(self, task, inputs)

    whole = instance_importance(*bert, batch_tokens=1)
    passing = GradientPass(*bert, batch_tokens=5)
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    monkeypatch.setattr(MultiTaskModel, "forward", late)
    np.testing.assert_allclose(passing.importance(), whole, rtol=0, atol=1e-6 * whole.max())
    assert waited == list(WAITS[:3])
    assert passing.batch_tokens == 5  # no smaller than before


def test_nothing_is_fetched_from_the_device_between_batches(bert, monkeypatch) -> None:
    """Each of these would have a GPU finish all it was given before it gets the next batch."""
    calls: list[str] = []

    def spied(name: str) -> Any:
        original = getattr(Tensor, name)
        return lambda self, *args, **options: calls.append(name) or original(self, *args, **options)

    passing = GradientPass(*bert, batch_tokens=20)
    for name in ("cpu", "item", "tolist", "nonzero", "__float__", "__int__"):
        monkeypatch.setattr(Tensor, name, spied(name))
    batches: list[int] = []
    passing.importance(progress=lambda done, total: batches.append(done))
    assert len(batches) > 2
    assert calls == ["cpu"]


def test_bfloat16_changes_importance_a_little(bert) -> None:
    exact, short = (instance_importance(*bert, precision=precision) for precision in ("fp32", "bf16"))
    error = np.abs(short - exact).max() / exact.max()
    assert 1e-5 < error < 0.05


# --- normalisation ---------------------------------------------------------------------------------------------------

MATRICES = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(2, 12)),
    elements=st.floats(1e-6, 1e3),
    unique=True,
)


@given(MATRICES)
def test_normalised_importance(raw: np.ndarray) -> None:
    """Head by head as the definition reads; a matrix by itself or among others."""
    found = normalise(raw)
    assert found.dtype == np.float32
    for matrix, scaled in zip(raw, found, strict=True):
        shares = [[value / sum(row) for value in row] for row in matrix.tolist()]
        low, high = min(map(min, shares)), max(map(max, shares))
        if high - low > 1e-9:
            expected = [[(share - low) / (high - low) for share in row] for row in shares]
            np.testing.assert_allclose(scaled, expected, rtol=1e-6, atol=1e-6)
            assert (scaled.min(), scaled.max()) == (0.0, 1.0)
            assert np.array_equal(normalise(matrix), scaled)


@given(MATRICES, st.data())
def test_the_size_of_a_layers_gradients_does_not_matter(raw: np.ndarray, draw: st.DataObject) -> None:
    """Powers of two, so that nothing is rounded."""
    powers = draw.draw(hnp.arrays(np.int64, (*raw.shape[:2], 1), elements=st.integers(-20, 20)))
    assert np.array_equal(normalise(raw * 2.0**powers), normalise(raw), equal_nan=True)


@pytest.mark.parametrize(
    "matrix",
    [
        np.zeros((2, 3)),
        np.full((2, 3), 0.25),
        [[1.0, 2.0, np.nan], [1.0, 2.0, 3.0]],
        [[1.0, 2.0, np.inf], [1.0, 2.0, 3.0]],
        [[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]],
    ],
    ids=["zero", "constant", "nan", "infinite", "a layer without gradient"],
)
def test_what_has_no_ranking_is_nan(matrix: Any) -> None:
    """And leaves its neighbours alone."""
    good = np.arange(6.0).reshape(2, 3)
    found = normalise([good, matrix])
    assert np.isnan(found[1]).all()
    assert np.array_equal(found[0], normalise(good))
    assert np.isfinite(found[0]).all()


def test_a_tasks_importance_is_the_mean_of_raw_normalised() -> None:
    raw = np.array([[[1, 3], [2, 2]], [[5, 3], [8, 4]]], np.float32)
    # mean [[3, 3], [5, 3]]; shares [[1/2, 1/2], [5/8, 3/8]]
    assert task_importance([raw]).tolist() == [[0.5, 0.5], [1.0, 0.0]]


def test_a_tasks_mean_loses_nothing_among_many_instances() -> None:
    """float32 would leave 2**24 where it is, whatever is added."""
    raw = np.ones((1001, 1, 3), np.float32)
    raw[0] = [[2**24, 2**24 + 2, 2**24 + 4]]
    raw[1:, :, 0] = 0.001
    mean = raw.astype(np.float64).mean(0)
    assert np.array_equal(task_importance([raw]), normalise(mean))
    assert not np.array_equal(task_importance([raw]), normalise(raw[0]))


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 9), st.just(2), st.just(3)), elements=st.floats(0.5, 2, width=32)),
    st.integers(1, 9),
)
def test_a_tasks_importance_from_pieces(raw: np.ndarray, size: int) -> None:
    """float32 summed in float64 is exact here, whatever the pieces."""
    pieces = [raw[i : i + size] for i in range(0, len(raw), size)]
    assert np.array_equal(task_importance(pieces), task_importance([raw]), equal_nan=True)


# --- several devices in one process ----------------------------------------------------------------------------------


def test_float32_stays_exact_until_the_last_pass_has_ended() -> None:
    """Passes on two devices overlap: the first to end must not give the other one TF32, nor the last keep it from the rest."""
    flags, exact = torch.backends.cuda.matmul, importance._EXACT
    before = flags.allow_tf32
    try:
        for wanted in (True, False):
            flags.allow_tf32 = wanted
            exact.__enter__()
            exact.__enter__()
            exact.__exit__()
            assert not flags.allow_tf32
            exact.__exit__()
            assert flags.allow_tf32 == wanted
    finally:
        flags.allow_tf32 = before


def test_memory_that_torch_keeps_for_itself_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a training, torch's cache holds most of a GPU: 1 GB is left to others, 60 of its 70 are in no tensor."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10**9, 80 * 10**9))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 70 * 10**9)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 10 * 10**9)
    assert importance.free_memory("cuda:1") == 61 * 10**9


def test_products_are_exact_while_a_pass_computes(bert, monkeypatch: pytest.MonkeyPatch) -> None:
    flags, seen = torch.backends.cuda.matmul, []
    monkeypatch.setattr(flags, "allow_tf32", True)
    instance_importance(*bert, batch_tokens=20, progress=lambda done, total: seen.append(flags.allow_tf32))
    assert seen
    assert not any(seen)
    assert flags.allow_tf32
