"""The loop and the published optimiser against whole trainings of the published code, batch by batch."""

import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import BertModel

from gradts_engine.learning.batches import Batch, Encoded
from gradts_engine.learning.encoders import load_pretrained
from gradts_engine.learning.model import MultiTaskModel
from gradts_engine.learning.optimizers import schedule
from gradts_engine.learning.training import Dev, train
from gradts_engine.learning.watch import Progress


def build(folder: Path, data: list[Encoded]) -> MultiTaskModel:
    """Our model before its training. The published sentence tasks have one dense layer in common."""
    encoder, _ = load_pretrained(BertModel, folder.parent / "model_tiny_bert")
    size = encoder.config.hidden_size
    heads = {split.task: split.type.head(size, split.labels, dropout=0.0) for split in data}
    shared = nn.Linear(size, size)
    for head in heads.values():
        if hasattr(head, "dense"):
            head.dense = shared
    model = MultiTaskModel(encoder, heads)
    model.load_state_dict(published_weights(folder / "weights_start.safetensors", model))
    return model


def published_weights(path: Path, model: MultiTaskModel) -> dict[str, Tensor]:
    """By our names. `bert.pooler` is in the file but is not part of the published network either."""
    theirs = load_file(path)

    def name(ours: str) -> str:
        if ours.startswith("encoder."):
            return f"bert.{ours.removeprefix('encoder.')}"
        _, place, layer = ours.split(".", 2)
        return ours.replace(f"heads.{place}.dense", "pooler.dense") if "dense" in layer else f"scoring_list.{place}.{layer[4:]}"

    return {ours: theirs[name(ours)] for ours in model.state_dict()}


def steps_of(log: list[Any]) -> list[list[Any]]:
    """The log's micro-batches, by optimiser step."""
    ends = [place + 1 for place, entry in enumerate(log) if "optimizer_step" in entry]
    return [log[a:b] for a, b in itertools.pairwise([0, *ends])]


@pytest.fixture
def norms(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Gradient norms before clipping, as the loop finds them."""
    seen: list[float] = []
    clip = torch.nn.utils.clip_grad_norm_

    def clip_and_note(*args: Any) -> Tensor:
        norm = clip(*args)
        seen.append(norm.item())
        return norm

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", clip_and_note)
    return seen


def test_training(training_case: Path, read_inputs: Callable[..., Encoded], norms: list[float]) -> None:
    published = json.loads((training_case / "trajectory.json").read_bytes())
    tasks = published["tasks"]
    data = [read_inputs(training_case / f"task{i}", task["loss"], task["n_class"]) for i, task in enumerate(tasks)]
    steps = steps_of(published["log"])
    assert len(steps) == published["t_total"]
    # A single evaluation at the end: the last weights are then the best ones.
    plan = [[[Batch(data[entry["task"]].task, entry["uids"]) for entry in step] for step in steps]]
    settings = SimpleNamespace(
        optimizer="adamax",
        learning_rate=published["learning_rate"],
        weight_decay=published["weight_decay_on_weights"],
        warmup=published["warmup"],
        max_grad_norm=published["global_grad_clipping"],
        precision="fp32",
    )
    losses: list[float] = []
    progress = Progress(step=lambda done, total, loss: losses.append(loss))
    model = build(training_case, data)
    splits = {split.task: split for split in data}
    train(model, splits, plan, Dev(data[0], "mcc"), settings, device="cpu", seed=0, progress=progress)

    rates = [settings.learning_rate * schedule(step / len(steps), settings.warmup) for step in range(len(steps))]
    assert rates == pytest.approx([step[-1]["lr"] for step in steps], rel=1e-12)
    assert losses == pytest.approx([math.fsum(entry["loss"] for entry in step) / len(step) for step in steps], rel=1e-5)
    assert norms == pytest.approx([step[-1]["grad_norm_before_clip"] for step in steps], rel=1e-5)
    expected = published_weights(training_case / "weights_end.safetensors", model)
    for name, weight in model.state_dict().items():
        # A key's bias shifts all scores of a token alike: its true gradient is zero, and Adamax blows up the rounding.
        bound = 1e-5 if name.endswith("key.bias") else 1e-6
        torch.testing.assert_close(weight, expected[name], rtol=0, atol=bound, msg=lambda text, name=name: f"{name}: {text}")
