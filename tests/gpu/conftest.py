"""Tests of what only a GPU can show, each in a second or two; without one they are skipped.

GRADTS_TEST_DEVICE names another device: with `cpu` the tests themselves can be tried where there is no GPU.
"""

import os

import pytest
import torch

from gradts_engine.contracts import EncoderSpec
from gradts_engine.learning.encoders import Encoder, load_encoder
from gradts_engine.testing import TOY_WORDS, tiny_encoder


@pytest.fixture(scope="session")
def device() -> str:
    """The first GPU."""
    name = os.environ.get("GRADTS_TEST_DEVICE", "cuda:0")
    if name.startswith("cuda") and not torch.cuda.is_available():
        pytest.skip("no GPU that torch can use")
    return name


@pytest.fixture(scope="session")
def gpu(device: str) -> str:
    """The first GPU, for what a CPU has no counterpart of."""
    if device == "cpu":
        pytest.skip("of GPUs alone")
    return device


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """A tiny BERT, with dropout, that knows the words of the toy tasks."""
    folder = str(tiny_encoder(tmp_path_factory.mktemp("tiny"), words=TOY_WORDS))
    return load_encoder(EncoderSpec(name="tiny", source=lambda: folder))


@pytest.fixture(scope="session")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """One whose batches take megabytes."""
    sizes = {"hidden_size": 256, "num_attention_heads": 8, "intermediate_size": 1024, "num_hidden_layers": 3}
    folder = str(tiny_encoder(tmp_path_factory.mktemp("wide"), initializer_range=0.05, **sizes))
    return load_encoder(EncoderSpec(name="wide", source=lambda: folder))
