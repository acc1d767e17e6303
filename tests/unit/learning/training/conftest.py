"""Models and data that are trained in a blink."""

from collections.abc import Mapping
from typing import Any

import pytest

from gradts_engine.contracts import EncoderSpec, Instance
from gradts_engine.learning.batches import Encoded, Plan, encode
from gradts_engine.learning.encoders import Encoder, load_encoder
from gradts_engine.learning.model import MultiTaskModel, initialise_head
from gradts_engine.learning.task_types import Classification, Regression, TokenClassification
from gradts_engine.learning.training import Dev, Trained, train
from gradts_engine.testing import tiny_encoder
from tests.unit.learning.training.toy import DEFAULT_SEED, TEXTS, Run, Settings


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


@pytest.fixture
def run(model: MultiTaskModel, data: Mapping[str, Encoded]) -> Run:
    def run(plan: Plan, settings: Any = None, dev: Dev | None = None, **options: Any) -> Trained:
        dev = dev or Dev(data["classes"], "accuracy")
        return train(model, data, plan, dev, settings or Settings(), **{"device": "cpu", "seed": DEFAULT_SEED} | options)

    return run
