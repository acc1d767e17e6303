"""Head importance against the published code's numbers, on the same weights and instances.

Both compute in float32. The last of its seven digits depends on the order of sums, so on the kernel of attention and on padding;
normalising an instance's matrix divides by its range, which is a fraction of its values, so there the same rounding counts for
more: the published numbers themselves are this far from what float64 gives.
"""

import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import MODEL_MAPPING, AutoConfig

from gradts_engine.contracts import HeadAxis, HeadSites
from gradts_engine.learning.batches import Encoded
from gradts_engine.learning.encoders import load_pretrained
from gradts_engine.learning.families import head_sites
from gradts_engine.learning.model import MultiTaskModel
from gradts_engine.scoring.importance import instance_importance
from gradts_engine.scoring.normalise import normalise, task_importance

RAW = 1e-6
"""Of the largest value."""
RAW_IN_BATCHES = 2e-6
INSTANCE = 5e-6
"""Largest seen: 3.7e-6 (tiny_bert_seqlab, output axis); most are below 1e-6."""
TASK = 2e-6
"""The published code adds up instances in float32; that alone is up to 1.8e-6 from what its own raw values give in float64."""

AXES: list[tuple[HeadAxis, str]] = [("input", ""), ("output", "_out")]
on_both_axes = pytest.mark.parametrize(("axis", "suffix"), AXES)


@dataclass
class Case:
    """A case of the published code as our model and data, and what that code made of them."""

    model: MultiTaskModel
    data: Encoded
    sites: HeadSites
    expected: dict[str, np.ndarray]

    def raw(self, axis: HeadAxis, **options: Any) -> np.ndarray:
        return instance_importance(self.model, self.data, self.sites, axis=axis, **options)

    def some(self) -> "Case":
        """A few of the instances, of all lengths: enough for a second look."""
        total = len(self.data)
        rows = np.linspace(0, total - 1, 8).astype(int)
        expected = {name: values[rows] for name, values in self.expected.items() if len(values) == total}
        return Case(self.model, self.data.take(rows), self.sites, expected)


Load = Callable[[Path, Literal["eager", "sdpa"]], Case]


def checkpoint(case: Path, name: str) -> Path:
    """A folder beside the case, or the model inside an installed package (`PACKAGE VERSION (where from), FOLDER`)."""
    if name.startswith(".."):
        return case / name
    package, _, folder = name.rpartition(", ")[2].partition("/")
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        pytest.skip(f"{package} is not installed")
    return Path(found.submodule_search_locations[0]) / folder


@pytest.fixture
def load(read_inputs: Callable[..., Encoded]) -> Load:
    def load(folder: Path, attention: Literal["eager", "sdpa"]) -> Case:
        settings = json.loads((folder / "settings.json").read_bytes())
        source = checkpoint(folder, settings["checkpoint"])
        config = AutoConfig.from_pretrained(source)
        encoder, _ = load_pretrained(MODEL_MAPPING[type(config)], source)
        encoder.set_attn_implementation(attention)
        # The published code makes whole numbers of the labels of a regression, unless it was changed to leave them.
        labels = "labels_reference" if "labels_reference" in (settings["regression_labels"] or "") else "labels"
        data = read_inputs(folder, settings["loss"], settings["n_class"], labels)
        head = data.type.head(config.hidden_size, data.labels, dropout=0.0)
        weights = load_file(folder / "head.safetensors")
        head.load_state_dict({name.replace("classifier.", "out.").replace("pooler.", ""): w for name, w in weights.items()})
        model = MultiTaskModel(encoder, {data.task: head}).eval()
        return Case(model, data, head_sites(encoder, config), dict(np.load(folder / "outputs.npz")))

    return load


def distance(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference, as a share of the largest value."""
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def difference(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference of matrices that are normalised to [0, 1]."""
    return float(np.abs(found - expected).max())


@on_both_axes
def test_one_instance_at_a_time(load: Load, importance_case: Path, axis: HeadAxis, suffix: str) -> None:
    case = load(importance_case, "eager")
    raw = case.raw(axis, batch_tokens=1)
    assert distance(raw, case.expected["raw" + suffix]) < RAW
    assert difference(normalise(raw), case.expected["ins" + suffix]) < INSTANCE
    assert difference(task_importance([raw]), case.expected["task" + suffix]) < TASK


@on_both_axes
def test_in_padded_batches(load: Load, importance_case: Path, axis: HeadAxis, suffix: str) -> None:
    """As GradTS runs: another attention kernel, instances of several lengths together."""
    case = load(importance_case, "sdpa").some()
    raw = case.raw(axis, batch_tokens=10_000)
    assert distance(raw, case.expected["raw" + suffix]) < RAW_IN_BATCHES
    assert difference(normalise(raw), case.expected["ins" + suffix]) < INSTANCE


@on_both_axes
def test_each_projection_alone(load: Load, importance_case: Path, axis: HeadAxis, suffix: str) -> None:
    case = load(importance_case, "eager").some()
    for projection in ("query", "key", "value"):
        raw = case.raw(axis, projections=(projection,))
        assert distance(raw, case.expected[projection[0] + (suffix or "_in")]) < RAW_IN_BATCHES, projection


def test_loss(load: Load, importance_case: Path) -> None:
    case = load(importance_case, "eager").some()
    inputs, targets = case.data.batch(range(len(case.data)))
    with torch.inference_mode():
        sums, counts = case.data.type.loss(case.model(case.data.task, inputs), targets)
    np.testing.assert_allclose(sums / counts, case.expected["loss"], rtol=1e-6, atol=1e-6)


@on_both_axes
def test_what_is_left_is_rounding_theirs_as_much_as_ours(load: Load, importance_case: Path, axis: HeadAxis, suffix: str) -> None:
    case = load(importance_case, "eager").some()
    ours = case.raw(axis, batch_tokens=1)
    case.model.double()
    truth = case.raw(axis, batch_tokens=1)
    theirs_off = difference(case.expected["ins" + suffix], normalise(truth))
    ours_off = difference(normalise(ours), normalise(truth))
    assert distance(case.expected["raw" + suffix], truth) < RAW
    assert theirs_off < INSTANCE
    assert ours_off < 3 * theirs_off
    assert theirs_off < 3 * ours_off


@on_both_axes
def test_gradients_of_whole_batches_are_something_else(load: Load, batched_case: Path, axis: HeadAxis, suffix: str) -> None:
    """The published code at batch size 8 takes the size of the mean gradient, where instances cancel out; we take the mean of
    their sizes, which is never smaller."""
    case = load(batched_case, "eager")
    batches = case.expected["raw" + suffix]
    raw = case.raw(axis)
    means = raw.reshape(len(batches), -1, *raw.shape[1:]).mean(1)
    assert (batches <= means * (1 + RAW)).all()
    assert distance(means, batches) > 0.1
    assert difference(task_importance([raw]), case.expected["task" + suffix]) > 0.01
