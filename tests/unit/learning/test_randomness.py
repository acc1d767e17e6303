"""Plugins that seed or draw what the whole process shares: nobody else's results change, nor do theirs."""

import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import Tensor, nn

from gradts_engine.contracts import EncoderSpec
from gradts_engine.learning.encoders import build_with, load_encoder
from gradts_engine.learning.model import make_head
from gradts_engine.testing import tiny_encoder


def draws() -> list[float]:
    """What the process's generators give next."""
    return [random.random(), float(np.random.rand()), float(torch.rand(()))]


class Noise(nn.Module):
    """What comes of drawing from each, before and after seeding all of them."""

    def __init__(self) -> None:
        super().__init__()
        before = draws()
        transformers.set_seed(0)
        self.register_buffer("noise", torch.tensor([*before, *draws()]))


class NoisyType:
    def head(self, hidden_size: int, labels: Any, dropout: float) -> nn.Module:
        return Noise()


class NoisyTypeOnEncoder:
    def head_on(self, encoder: nn.Module, hidden_size: int, labels: Any, dropout: float) -> nn.Module:
        return build_with(lambda _: Noise(), Path())  # one in the other


def tokenizer_noise(folder: Path) -> Tensor:
    found = []

    def tokenizer(theirs: Any) -> Any:
        found.append(Noise().noise)
        return theirs

    assert load_encoder(EncoderSpec(name="tiny", source=lambda: str(folder), tokenizer=tokenizer)).tokenizer
    return found[0]


BUILDERS: dict[str, Callable[[Path], Any]] = {
    "encoder": lambda folder: build_with(lambda _: Noise(), folder).noise,
    "tokenizer": tokenizer_noise,
    "head": lambda folder: make_head(NoisyType(), nn.Identity(), 4, (), 0.0, seed=2**40).noise,
    "head on an encoder": lambda folder: make_head(NoisyTypeOnEncoder(), nn.Identity(), 4, (), 0.0, seed=1).noise,
}


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
def test_builders_neither_change_nor_see_what_others_draw(
    build: Callable[[Path], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeded: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)  # what all GPUs are seeded with
    folder = tiny_encoder(tmp_path)
    random.seed(1), np.random.seed(1), torch.default_generator.manual_seed(1)
    undisturbed = [draws(), draws()]
    random.seed(1), np.random.seed(1), torch.default_generator.manual_seed(1)
    first = draws()
    one = build(folder)
    assert [first, draws()] == undisturbed
    assert torch.equal(one, build(folder))
    assert seeded == []


def test_other_threads_may_seed_gpus_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    seeded: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)

    def build(_: str) -> nn.Module:
        torch.manual_seed(1)
        other = threading.Thread(target=torch.manual_seed, args=[2])
        other.start()
        other.join()
        return nn.Identity()

    build_with(build, Path())
    torch.manual_seed(3)
    assert seeded == [2, 3]
