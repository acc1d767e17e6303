"""T5 (Raffel et al., JMLR 2020): the encoder half, an example of heads that are no slices of a BERT."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gradts_engine.contracts import EncoderSpec, HeadSites, Projection
from gradts_engine.hooks.specs import hookimpl

if TYPE_CHECKING:
    from torch import nn

MODELS = {
    "t5-small": ("google-t5/t5-small", "6 layers x 8 heads, English"),
    "t5-base": ("google-t5/t5-base", "12 layers x 12 heads, English"),
    "flan-t5-base": ("google/flan-t5-base", "12 layers x 12 heads, English, instruction-tuned"),
}


def build(source: str) -> nn.Module:
    """The encoder alone; the decoder's weights are not read."""
    from transformers import T5EncoderModel

    model: nn.Module = T5EncoderModel.from_pretrained(
        source, local_files_only=True, trust_remote_code=False, use_safetensors=True
    )
    return model


def head_sites(module: nn.Module) -> HeadSites:
    """A layer's queries, keys and values; `num_heads * d_kv` rows, which need not be the hidden size."""
    config: Any = module.config
    layers = []
    for layer in range(config.num_layers):
        attention = f"encoder.block.{layer}.layer.0.SelfAttention"
        rows = config.num_heads * config.d_kv
        names = {"query": "q", "key": "k", "value": "v"}
        layers.append({kind: Projection(f"{attention}.{name}", 0, rows, config.num_heads) for kind, name in names.items()})
    return HeadSites(tuple(layers))


def t5(name: str, source: str, description: str = "") -> EncoderSpec:
    """A T5 under a name: for a plugin of your own that registers another one."""
    return EncoderSpec(name=name, source=lambda: source, model=build, head_sites=head_sites, description=description)


@hookimpl
def gradts_encoders() -> Sequence[EncoderSpec]:
    """T5s of the Hugging Face Hub."""
    return [t5(name, source, description) for name, (source, description) in MODELS.items()]
