"""Decoder-only models as encoders. They read from left to right, so only the last token has seen the whole text: it is pooled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gradts_engine.contracts import EncoderSpec, HeadSites, Projection
from gradts_engine.hooks.specs import hookimpl

if TYPE_CHECKING:
    from torch import nn

MODELS = {
    "qwen2.5-0.5b": ("Qwen/Qwen2.5-0.5B", "24 layers x 2 key-value heads (14 query heads), multilingual"),
    "smollm2-135m": ("HuggingFaceTB/SmolLM2-135M", "30 layers x 3 key-value heads (9 query heads), English"),
}


def build(source: str) -> nn.Module:
    """The model without its language-model head. The state of the first token, which stands for no text, becomes that of the
    last one: sentence heads pool the first token."""
    import torch
    from transformers import AutoModel

    model: Any = AutoModel.from_pretrained(source, local_files_only=True, trust_remote_code=False, use_safetensors=True)

    def pool(module: Any, args: Any, inputs: dict[str, Any], output: Any) -> Any:
        states = output.last_hidden_state
        mask = inputs["attention_mask"]
        last = mask.shape[1] - 1 - mask.flip(1).argmax(1)  # also where it is padded on the left
        pooled = states[torch.arange(len(states), device=states.device), last]
        output.last_hidden_state = torch.cat([pooled.unsqueeze(1), states[:, 1:]], 1)
        return output

    model.config.use_cache = False
    model.register_forward_hook(pool, with_kwargs=True)
    built: nn.Module = model
    return built


def tokenizer(given: Any) -> Any:
    """A first token that stands for no text, and one to pad with, also where the model has none of its own."""
    from tokenizers import processors

    first = given.bos_token or given.eos_token
    given.pad_token = given.pad_token or given.eos_token
    token = (first, given.convert_tokens_to_ids(first))
    given.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A", pair=f"{first} $A $B:0", special_tokens=[token]
    )
    given.padding_side = given.truncation_side = "right"
    given.init_kwargs["padding_side"] = "right"  # some tokenizer classes look there when they are loaded
    given.model_input_names = ["input_ids", "attention_mask"]
    return given


def head_sites(module: nn.Module) -> HeadSites:
    """Queries, keys and values of each layer. With grouped-query attention several query heads share a key-value head; importance
    is that of the key-value heads, and a run that asks for queries too is refused, since the two cannot be added up."""
    config: Any = module.config
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads, "v_proj": config.num_key_value_heads}
    layers = []
    for layer in range(config.num_hidden_layers):
        found = {}
        for kind, name in (("query", "q_proj"), ("key", "k_proj"), ("value", "v_proj")):
            path = f"layers.{layer}.self_attn.{name}"
            rows: Any = module.get_submodule(path).out_features
            found[kind] = Projection(path, 0, rows, heads[name])
        layers.append(found)
    return HeadSites(tuple(layers))


def decoder(name: str, source: str, description: str = "") -> EncoderSpec:
    """A model with the layers of Llama (Llama, Mistral, Qwen, SmolLM ...) under a name: for a plugin of your own."""
    return EncoderSpec(
        name=name,
        source=lambda: source,
        model=build,
        tokenizer=tokenizer,
        head_sites=head_sites,
        description=description,
        version=2,  # since words are split as in running text
    )


@hookimpl
def gradts_encoders() -> Sequence[EncoderSpec]:
    """Small models of the Hugging Face Hub."""
    return [decoder(name, source, description) for name, (source, description) in MODELS.items()]
