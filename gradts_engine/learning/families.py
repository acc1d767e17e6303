"""What GradTS knows of each encoder family, in one table: where its heads are, and which task heads transformers gives it.
Read from transformers 5; `tests/unit/learning/test_families.py` proves every entry against the model itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from gradts_engine.contracts import HeadSites, Projection

Config = Any
"""A transformers configuration (the package has no types that mypy could check)."""


@dataclass(frozen=True)
class Family:
    """`attention` lists the attention modules in the order of the forward pass; `projections` are the linear modules in them, a
    single name where query, key and value are the rows of one. `sentence_head` names the dense and output layers of the
    family's AutoModelForSequenceClassification, `token_head` the output layer of AutoModelForTokenClassification, `span_head`
    that of AutoModelForQuestionAnswering; they are None where that class computes something else than our heads. `settings` are
    configuration values that make it the same. `apart` names the module after a layer's attention from which on every token goes
    its own way, all of whose inputs are states [B, T, D]; None where there is no such module."""

    attention: Callable[[Config], Sequence[str]]
    projections: tuple[str, ...] = ("query", "key", "value")
    sentence_head: tuple[str, str] | None = None
    token_head: str | None = "classifier"
    span_head: str | None = "qa_outputs"
    settings: Mapping[str, str] = field(default_factory=dict)
    apart: str | None = None


def _stack(pattern: str) -> Callable[[Config], Sequence[str]]:
    return lambda config: [pattern.format(layer) for layer in range(config.num_hidden_layers)]


def _albert(config: Config) -> Sequence[str]:
    """Layers share the weights of their group; a group may hold several inner layers, each run once a layer."""
    return [
        # The group as AlbertTransformer.forward computes it.
        f"encoder.albert_layer_groups.{int(layer / (config.num_hidden_layers / config.num_hidden_groups))}"
        f".albert_layers.{inner}.attention"
        for layer in range(config.num_hidden_layers)
        for inner in range(config.inner_group_num)
    ]


_BERT = Family(_stack("encoder.layer.{}.attention.self"), apart="encoder.layer.{}.attention.output")
_ROBERTA = replace(_BERT, sentence_head=("classifier.dense", "classifier.out_proj"))

FAMILIES: Mapping[str, Family] = {
    "albert": Family(_albert, sentence_head=("albert.pooler", "classifier")),
    "bert": replace(_BERT, sentence_head=("bert.pooler.dense", "classifier")),
    "camembert": _ROBERTA,
    "deberta-v2": replace(
        _BERT,
        projections=("query_proj", "key_proj", "value_proj"),
        sentence_head=("pooler.dense", "classifier"),
        settings={"pooler_hidden_act": "tanh"},
    ),
    # Its sentence head has a ReLU where ours has tanh.
    "distilbert": Family(
        _stack("transformer.layer.{}.attention"),
        projections=("q_lin", "k_lin", "v_lin"),
        apart="transformer.layer.{}.sa_layer_norm",
    ),
    # Its sentence head has a GELU.
    "electra": _BERT,
    # All its heads have a GELU and a normalisation.
    "modernbert": Family(_stack("layers.{}.attn"), projections=("Wqkv",), token_head=None, span_head=None),
    "mpnet": replace(
        _ROBERTA,
        attention=_stack("encoder.layer.{}.attention.attn"),
        projections=("q", "k", "v"),
        apart="encoder.layer.{}.attention.LayerNorm",
    ),
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
}
"""By `model_type`."""


def positions(module: nn.Module) -> int | None:
    """Tokens of the longest input that a model has position embeddings for; None where it has none, since any length will do."""
    for name, part in module.named_modules():
        if name.endswith("position_embeddings") and isinstance(part, nn.Embedding):
            # Those that know padding (RoBERTa, MPNet) count from the position after it.
            return part.num_embeddings - (0 if part.padding_idx is None else part.padding_idx + 1)
    return None


def of_transformers(module: nn.Module) -> bool:
    """Whether a model is transformers' own, of which we know how it computes; a plugin's may do otherwise with the same parts."""
    return type(module).__module__.startswith("transformers.")


@contextmanager
def first_token_alone(module: nn.Module) -> Iterator[None]:
    """While entered, a model's last hidden states are those of the first token, [B, 1, D], and the rest of the last layer, which
    nobody reads, is not computed; a model of a family that cannot do without gives all states, [B, T, D]."""
    config: Config = getattr(module, "config", None)
    family = FAMILIES.get(getattr(config, "model_type", ""))
    # a plugin's module may read other tokens behind the states of one of transformers' own
    if family is None or family.apart is None or not of_transformers(module):
        yield
        return
    last = module.get_submodule(family.apart.format(config.num_hidden_layers - 1))
    hook = last.register_forward_pre_hook(lambda _, states: tuple(state[:, :1] for state in states))
    try:
        yield
    finally:
        hook.remove()


def head_sites(module: nn.Module, config: Config) -> HeadSites:
    """The projections of every layer of a model of a known family; sizes come from the modules, head counts from `config`."""
    family = FAMILIES[config.model_type]
    calls: Counter[str] = Counter()
    layers = []
    for attention in family.attention(config):
        names = [f"{attention}.{name}" for name in family.projections]
        fused = len(names) == 1
        layer = {}
        for i, kind in enumerate(("query", "key", "value")):
            name = names[0] if fused else names[i]
            linear: Any = module.get_submodule(name)
            rows = linear.out_features // (3 if fused else 1)
            start = i * rows if fused else 0
            layer[kind] = Projection(name, start, start + rows, config.num_attention_heads, calls[attention])
        calls[attention] += 1
        layers.append(layer)
    # DeBERTa with shared attention keys sends its relative position embeddings, which have no batch axis, through the query and
    # key projections too; without, they have projections of their own.
    shared = getattr(config, "relative_attention", False) and getattr(config, "share_att_key", False)
    return HeadSites(tuple(layers), batched=not shared)
