"""One model with data."""

from typing import Any

import pytest

from gradts_engine.contracts import EncoderSpec, HeadSites
from gradts_engine.learning.batches import Encoded
from gradts_engine.learning.encoders import load_encoder
from gradts_engine.learning.model import MultiTaskModel, initialise_head
from gradts_engine.testing import tiny_encoder
from tests.unit.scoring.texts import encoded


@pytest.fixture
def bert(tmp_path: Any) -> tuple[MultiTaskModel, Encoded, HeadSites]:
    folder = tiny_encoder(tmp_path, words=["tomatoes"])
    encoder = load_encoder(EncoderSpec(name="tiny", source=lambda: str(folder)))
    module = encoder.build()
    data = encoded(encoder, "single")
    head = initialise_head(data.type.head(encoder.hidden_size, data.labels, dropout=0.5), seed=1)
    return MultiTaskModel(module, {"task": head}), data, encoder.head_sites(module)
