"""Every entry of the table of families, proved against the model itself."""

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from gradts_engine.contracts import EncoderSpec
from gradts_engine.learning import families
from gradts_engine.learning.encoders import Encoder, load_encoder
from gradts_engine.testing import FAMILIES, tiny_encoder

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


class Products(TorchFunctionMode):
    """Collects what enters the products of attention: queries, keys, values and weights, in order."""

    def __init__(self) -> None:
        self.seen: list[Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.matmul, torch.bmm, functional.scaled_dot_product_attention):
            tensors = args[:3] if func is functional.scaled_dot_product_attention else args[:2]
            self.seen += [tensor for tensor in tensors if isinstance(tensor, Tensor)]
        return func(*args, **(kwargs or {}))


def first_place(seen: list[Tensor], heads: Tensor, first_token: bool) -> int:
    """Where `heads` [B, H, T, d] first entered a product, transposed or scaled as it may be."""
    flat = heads.flatten(0, 1)
    for place, tensor in enumerate(seen):
        for found in (tensor, tensor.transpose(-1, -2)):
            if found.shape[-2:] == flat.shape[-2:] and found.numel() == flat.numel():
                a, b = found.reshape(flat.shape), flat
                a, b = (a[:, :1], b[:, :1]) if first_token else (a, b)
                if torch.allclose(a / a.norm(), b / b.norm(), atol=1e-6):
                    return place
    raise AssertionError("these heads did not enter attention")


@pytest.mark.parametrize(("family", "config"), VARIANTS)
def test_head_sites_are_what_reaches_attention(family: str, config: dict[str, Any], tmp_path: Path) -> None:
    encoder = tiny(tmp_path, family, config)
    module = encoder.build()
    sites = encoder.head_sites(module)
    outputs: dict[str, list[Tensor]] = defaultdict(list)
    for name in {projection.module for layer in sites.layers for projection in layer.values()}:
        module.get_submodule(name).register_forward_hook(lambda m, i, out, name=name: outputs[name].append(out))
    inputs = encoder.tokenizer(["a kilo of tomatoes", "bread"], padding=True, return_tensors="pt")
    with torch.no_grad(), Products() as products:
        module(**inputs)

    places = []
    for layer in sites.layers:
        for kind in ("query", "key", "value"):
            site = layer[kind]
            assert site.heads == encoder.config.num_attention_heads
            out = outputs[site.module][site.call][..., site.start : site.stop]
            heads = out.view(*out.shape[:2], site.heads, -1).transpose(1, 2)  # [B, T, H * d] -> [B, H, T, d]
            # Rotary positions turn the queries and keys of all tokens but the first.
            turned = family == "modernbert" and kind != "value"
            places.append(first_place(products.seen, heads, first_token=turned))
    assert places == sorted(places)
    assert len(set(places)) == len(places)

    layers_of = Counter(name for layer in sites.layers for name in {projection.module for projection in layer.values()})
    calls = {name: len(outs) for name, outs in outputs.items()}
    assert sites.batched is (calls == layers_of)
    assert sites.batched is not bool(config.get("share_att_key"))


def test_layers_that_share_weights_are_told_apart_by_call(tmp_path: Path) -> None:
    encoder = tiny(tmp_path, "albert", {"num_hidden_layers": 4, "num_hidden_groups": 2})
    keys = [layer["key"] for layer in encoder.head_sites(encoder.build()).layers]
    assert [(key.module.split(".")[2], key.call) for key in keys] == [("0", 0), ("0", 1), ("1", 0), ("1", 1)]


def test_every_known_family_is_tested() -> None:
    assert tuple(families.FAMILIES) == FAMILIES
