"""Every entry of the table of families, proved against the model itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gradts_engine.contracts import EncoderSpec
from gradts_engine.learning import families
from gradts_engine.learning.encoders import Encoder, load_encoder
from gradts_engine.learning.model import MultiTaskModel, initialise_head
from gradts_engine.learning.task_types import SentenceHead
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


@pytest.mark.parametrize(("family", "config"), VARIANTS)
def test_a_head_that_reads_the_first_token_gets_it_alone(family: str, config: dict[str, Any], tmp_path: Path) -> None:
    """The same logits and the same gradients, without the states that nobody reads."""
    encoder = tiny(tmp_path, family, config)
    head = initialise_head(SentenceHead(encoder.hidden_size, 2, 0.0), seed=1)
    model = MultiTaskModel(encoder.build(), {"task": head})
    inputs = encoder.tokenizer(["a kilo of tomatoes", "bread"], padding=True, return_tensors="pt")

    seen: list[torch.Size] = []
    head.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape))
    found, gradients = logits_and_gradients(model, lambda: model("task", inputs))
    expected, others = logits_and_gradients(model, lambda: head(model.encoder(**inputs).last_hidden_state))

    tokens = inputs["input_ids"].shape[1]
    assert [shape[1] for shape in seen] == [1 if families.FAMILIES[family].apart else tokens, tokens]
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradients, others)


def logits_and_gradients(model: nn.Module, forward: Callable[[], Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    model.zero_grad()
    logits = forward()
    logits.square().sum().backward()
    return logits.detach(), {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
