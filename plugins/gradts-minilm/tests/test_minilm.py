import shutil
import sys
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

import gradts_minilm
import pytest
import torch

from gradts_engine.errors import UsageError
from gradts_engine.hooks.specs import GROUP
from gradts_engine.learning.encoders import load_encoder

(SPEC,) = gradts_minilm.gradts_encoders()


def test_loads_without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*args: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr("socket.socket.connect", no_network)
    monkeypatch.setattr("socket.getaddrinfo", no_network)
    encoder = load_encoder(SPEC)
    module = encoder.build()
    sites = encoder.head_sites(module)
    assert [layer["key"].heads for layer in sites.layers] == [12] * 6
    assert encoder.hidden_size == 384
    inputs = encoder.tokenizer("Which tasks help?", return_tensors="pt")
    with torch.no_grad():
        states = module(**inputs).last_hidden_state
    assert states.shape == (1, inputs["input_ids"].shape[1], 384)
    assert gradts_minilm.PACKAGE not in sys.modules


def test_one_flipped_bit_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(SPEC.source(), folder)
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(1_000_000)
        byte = file.read(1)[0]
        file.seek(1_000_000)
        file.write(bytes([byte ^ 1]))
    with pytest.raises(UsageError, match=r"model\.safetensors is not the expected file \(SHA-256 expected 53aa5117"):
        load_encoder(replace(SPEC, source=lambda: str(folder)))


def test_registered_by_entry_point() -> None:
    (point,) = entry_points(group=GROUP, name="minilm")
    assert point.load() is gradts_minilm
