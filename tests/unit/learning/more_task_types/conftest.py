"""Tiny encoders."""

import pytest

from gradts_engine.contracts import EncoderSpec
from gradts_engine.learning.encoders import Encoder, load_encoder
from gradts_engine.testing import tiny_encoder
from tests.unit.learning.more_task_types.made import WORDS


@pytest.fixture(scope="module", params=["bert", "roberta"])
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    folder = tiny_encoder(tmp_path_factory.mktemp("encoder"), request.param, words=WORDS)
    return load_encoder(EncoderSpec(name="tiny", source=lambda: str(folder)))
