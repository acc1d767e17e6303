"""Encoders and exported models that are damaged anywhere."""

import torch

from gradts_engine.contracts import EncoderSpec
from gradts_engine.errors import GradTSError
from gradts_engine.exported import load_model
from gradts_engine.learning.encoders import load_encoder
from gradts_engine.learning.export import export_model
from gradts_engine.learning.task_types import SentenceHead
from gradts_engine.testing import tiny_encoder
from tests.unit.fuzz.damage import damages, effort, told


@effort(60, 300)
def test_encoder_folders(tmp_path, inputs):
    """An encoder that loads is known by its content: no damage hides behind the digest of the original."""
    folder = tiny_encoder(tmp_path / "tiny")
    original = load_encoder(EncoderSpec(name="tiny", source=lambda: str(folder)))
    before = original.build().state_dict()
    for path in damages(folder, inputs, "encoder"):
        try:
            encoder = load_encoder(EncoderSpec(name="tiny", source=lambda path=path: str(path.parent)))
            module = encoder.build()
            encoder.head_sites(module)
        except GradTSError as error:
            told(error)
            continue
        if encoder.digest == original.digest:
            after = module.state_dict()
            assert before.keys() == after.keys()
            assert all(torch.equal(before[name], after[name]) for name in before)


@effort(40, 300)
def test_exported_models(tmp_path, inputs):
    """A folder that somebody else has touched loads, or is refused in a line."""
    encoder = load_encoder(EncoderSpec(name="tiny", source=lambda: str(tiny_encoder(tmp_path / "tiny"))))
    module = encoder.build()
    head = SentenceHead(encoder.hidden_size, 2, 0.0)
    for parameter in head.parameters():
        torch.nn.init.constant_(parameter, 0.125)
    options = {"word_level": False, "labels": ["a", "b"], "max_length": 16, "card": "# x"}
    export_model(encoder, module, head, task="classification", folder=tmp_path / "model", **options)
    for path in damages(tmp_path / "model", inputs, "model"):
        try:
            assert isinstance(load_model(path.parent), torch.nn.Module)
        except GradTSError as error:
            told(error)
