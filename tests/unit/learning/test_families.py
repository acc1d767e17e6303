"""Every entry of the table of families, proved against the model itself."""

from pathlib import Path
from typing import Any

import pytest

from gradts_engine.contracts import EncoderSpec
from gradts_engine.learning import families
from gradts_engine.learning.encoders import Encoder, load_encoder
from gradts_engine.testing import FAMILIES, check_head_sites, tiny_encoder

VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((family, {}) for family in FAMILIES),
    ("albert", {"num_hidden_layers": 4, "num_hidden_groups": 2}),
    ("albert", {"inner_group_num": 2}),
    ("bert", {"num_attention_heads": 2, "num_hidden_layers": 3}),
    ("deberta-v2", {"share_att_key": True}),
    ("deberta-v2", {"relative_attention": False}),
    ("deberta-v2", {"conv_kernel_size": 3, "norm_rel_ebd": "layer_norm"}),
]


def tiny(folder: Path, family: str, config: dict[str, Any]) -> Encoder:
    return load_encoder(EncoderSpec(name="tiny", source=lambda: str(tiny_encoder(folder, family, **config))))


@pytest.mark.parametrize(("family", "config"), VARIANTS)
def test_head_sites_are_what_reaches_attention(family: str, config: dict[str, Any], tmp_path: Path) -> None:
    encoder = tiny(tmp_path, family, config)
    module = encoder.build()
    sites = encoder.head_sites(module)
    check_head_sites(module, sites, encoder.tokenizer(["a kilo of tomatoes", "bread"], padding=True, return_tensors="pt"))
    assert {site.heads for layer in sites.layers for site in layer.values()} == {encoder.config.num_attention_heads}
    assert sites.batched is not bool(config.get("share_att_key"))


def test_layers_that_share_weights_are_told_apart_by_call(tmp_path: Path) -> None:
    encoder = tiny(tmp_path, "albert", {"num_hidden_layers": 4, "num_hidden_groups": 2})
    keys = [layer["key"] for layer in encoder.head_sites(encoder.build()).layers]
    assert [(key.module.split(".")[2], key.call) for key in keys] == [("0", 0), ("0", 1), ("1", 0), ("1", 1)]


def test_every_known_family_is_tested() -> None:
    assert tuple(families.FAMILIES) == FAMILIES
