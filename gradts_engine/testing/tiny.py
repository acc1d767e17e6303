"""Tiny random encoders that behave as real ones do."""

from __future__ import annotations

import string
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

FAMILIES = (
    "albert",
    "bert",
    "camembert",
    "deberta-v2",
    "distilbert",
    "electra",
    "modernbert",
    "mpnet",
    "roberta",
    "xlm-roberta",
)
"""The `model_type`s that `tiny_encoder` can write."""

_ROBERTA_LIKE = ("camembert", "mpnet", "roberta", "xlm-roberta")
_SEGMENTS = ("albert", "bert", "deberta-v2", "electra")
_EXTRA: dict[str, dict[str, Any]] = {
    "albert": {"embedding_size": 16},
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 8},
    "electra": {"embedding_size": 16},
    "modernbert": {"global_attn_every_n_layers": 2, "local_attention": 16},
}


def tiny_encoder(folder: Path, model_type: str = "bert", *, words: Sequence[str] = (), seed: int = 0, **config: Any) -> Path:
    """Write a random encoder (2 layers of 4 heads, hidden size 32) and its fast tokenizer to `folder`, and return it.

    Any text of ASCII letters, digits and punctuation can be tokenised, by syllables; each of `words` is a token of its own.
    `config` overrides the model's configuration. The same arguments give the same weights; torch's random state is untouched.
    """
    import torch
    import transformers

    tokenizer = _tokenizer(model_type, words)
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 32, "intermediate_size": 64}
    # Wide weights: attention and gradients of a model this small would else be almost the same everywhere.
    common = {"vocab_size": len(tokenizer), "max_position_embeddings": 256, "initializer_range": 0.2}
    special = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "bos", "eos", "cls", "sep")}
    settings = transformers.AutoConfig.for_model(model_type, **(sizes | common | special | _EXTRA.get(model_type, {}) | config))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model = transformers.AutoModel.from_config(settings)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _tokenizer(model_type: str, words: Sequence[str]) -> Any:
    """Lower-casing word pieces, with the family's special tokens, pair format and inputs."""
    import tokenizers
    import transformers

    if model_type in _ROBERTA_LIKE:
        cls, pad, sep, unk, mask = special = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
    else:
        pad, unk, cls, sep, mask = special = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    syllables = [a + b for a, b in product("bdfklmnprst", "aeiou")]
    pieces = [*string.ascii_lowercase, *string.digits, *syllables]
    vocab = dict.fromkeys([*special, *words, *string.punctuation, *pieces, *(f"##{piece}" for piece in pieces)])
    model = tokenizers.models.WordPiece({token: i for i, token in enumerate(vocab)}, unk_token=unk)
    backend = tokenizers.Tokenizer(model)
    backend.normalizer = tokenizers.normalizers.BertNormalizer()
    backend.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    backend.decoder = tokenizers.decoders.WordPiece()
    segment = 1 if model_type in _SEGMENTS else 0
    middle = f"{sep} {sep}" if model_type in _ROBERTA_LIKE else f"{sep}"
    backend.post_processor = tokenizers.processors.TemplateProcessing(
        single=f"{cls} $A {sep}",
        pair=f"{cls} $A {middle} $B:{segment} {sep}:{segment}",
        special_tokens=[(token, backend.token_to_id(token)) for token in (cls, sep)],
    )
    segments = ["token_type_ids"] if model_type in _SEGMENTS else []
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_input_names=["input_ids", *segments, "attention_mask"],
        model_max_length=128,
        bos_token=cls,
        cls_token=cls,
        eos_token=sep,
        mask_token=mask,
        pad_token=pad,
        sep_token=sep,
        unk_token=unk,
    )
