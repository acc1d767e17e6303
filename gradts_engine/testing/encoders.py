"""What an encoder has to keep to, and a proof of where its heads are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from transformers import AutoTokenizer

from gradts_engine.contracts import EncoderSpec, HeadSites, Instance, Projection
from gradts_engine.learning.batches import Encoded, encode
from gradts_engine.learning.encoders import Encoder, load_encoder
from gradts_engine.learning.export import export_model, load_model
from gradts_engine.learning.model import MultiTaskModel, make_head
from gradts_engine.learning.task_types import Classification
from gradts_engine.scoring.importance import instance_importance

KINDS = ("query", "key", "value")


class _Products(TorchFunctionMode):
    """Collects what enters the products of attention: queries, keys, values and weights, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.matmul, torch.bmm, Tensor.matmul, functional.scaled_dot_product_attention):
            tensors = args[:3] if func is functional.scaled_dot_product_attention else args[:2]
            self.seen += [tensor for tensor in tensors if isinstance(tensor, Tensor)]
        return func(*args, **(kwargs or {}))


def _place(seen: Sequence[Tensor], heads: Tensor, *, turned: bool) -> int | None:
    """Where `heads` [B, H, T, d] first entered a product: transposed, scaled, or repeated for several query heads each.
    `turned`: only the first token is compared, since rotary positions turn all others."""
    batch, count, tokens, size = heads.shape
    a = heads[:, :, :1] if turned else heads
    for place, tensor in enumerate(seen):
        for found in (tensor, tensor.transpose(-1, -2)):
            if found.shape[-2:] != (tokens, size) or found.numel() % heads.numel():
                continue
            b = found.reshape(batch, count, -1, tokens, size)[:, :, 0]  # [B, H * group, T, d] -> [B, H, T, d]
            b = b[:, :, :1] if turned else b
            if torch.allclose(a / a.norm(), b / b.norm(), atol=1e-6):
                return place
    return None


def check_head_sites(module: nn.Module, sites: HeadSites, inputs: dict[str, Tensor]) -> None:
    """Prove `sites` against a forward pass: what the projections give, cut into heads, is what enters attention as its queries,
    keys and values, layer after layer. Raises AssertionError with the first projection that does not."""
    outputs: dict[str, list[Tensor]] = defaultdict(list)
    names = {projection.module for layer in sites.layers for projection in layer.values()}
    hooks = [
        module.get_submodule(name).register_forward_hook(lambda _, __, out, name=name: outputs[name].append(out))
        for name in names
    ]
    try:
        with torch.no_grad(), _Products() as products:
            module(**inputs)
    finally:
        for hook in hooks:
            hook.remove()
    places: list[int] = []
    for number, layer in enumerate(sites.layers):
        for kind in (kind for kind in KINDS if kind in layer):
            places.append(_enters(products.seen, layer[kind], outputs, f"layer {number}, {kind}"))
    assert len(set(places)) == len(places), "two projections are the same part of attention: are key and value the same rows?"
    assert places == sorted(places), "the layers are not in the order of the forward pass, or query, key and value are swapped"
    calls = Counter(name for layer in sites.layers for name in {projection.module for projection in layer.values()})
    once = {name: len(found) for name, found in outputs.items()} == calls
    assert sites.batched is once, f"batched = {sites.batched}, but the projections are {'' if once else 'not '}called once a site"


def _enters(seen: Sequence[Tensor], site: Projection, outputs: dict[str, list[Tensor]], where: str) -> int:
    assert outputs[site.module], f"{where}: {site.module} takes no part in a forward pass"
    out = outputs[site.module][site.call][..., site.start : site.stop]
    assert out.shape[-1] == site.stop - site.start, f"{where}: {site.module} has no rows {site.start} to {site.stop}"
    assert out.shape[-1] % site.heads == 0, f"{where}: {out.shape[-1]} rows cannot be cut into {site.heads} heads"
    heads = out.view(*out.shape[:2], site.heads, -1).transpose(1, 2)  # [B, T, H * d] -> [B, H, T, d]
    place = _place(seen, heads, turned=False)
    if place is None and "value" not in where:
        place = _place(seen, heads, turned=True)
    assert place is not None, f"{where}: {site.heads} heads of {site.module}[{site.start}:{site.stop}] do not enter attention"
    return place


class EncoderContract:
    """Subclass with `spec`. Its encoder is loaded, so give one that is local and small."""

    spec: EncoderSpec
    texts: Sequence[str] = ("a kilo of ripe tomatoes, and nothing else", "bread", "where to now")

    @cached_property
    def encoder(self) -> Encoder:
        """Loaded once a test."""
        return load_encoder(self.spec)

    def test_it_loads_the_same_every_time(self) -> None:
        """Same digest, same weights, and no random number drawn."""
        encoder, again = self.encoder, load_encoder(self.spec)
        before = torch.get_rng_state()
        one, two = encoder.build(), again.build()
        assert encoder.digest == again.digest
        assert torch.equal(before, torch.get_rng_state()), "build() moves torch's random state, so a run cannot be repeated"
        assert not one.training, "build() leaves the module in training mode"
        for (name, a), b in zip(one.state_dict().items(), two.state_dict().values(), strict=True):
            assert torch.equal(a, b), f"two calls of build() give different weights for {name}"
            assert not a.is_floating_point() or a.dtype == torch.float32, f"{name} is {a.dtype}, expected float32"

    def test_states_have_the_hidden_size_and_ignore_padding(self) -> None:
        """`last_hidden_state` is [B, T, D], and padding changes nothing of what comes before it."""
        module = self.encoder.build()
        data = self._data()
        with torch.no_grad():
            batch = module(**data.batch(range(len(data)))[0]).last_hidden_state
            for i, length in enumerate(data.lengths):
                alone = module(**data.batch([i])[0]).last_hidden_state
                assert alone.shape == (1, length, self.encoder.hidden_size)
                close = torch.allclose(batch[i, :length], alone[0], rtol=1e-3, atol=1e-4)
                assert close, f"the states of {self.texts[i]!r} change with what it is padded to"

    def test_words_can_be_told_apart(self) -> None:
        """Token tasks need to know which word a token comes from."""
        encoding = self.encoder.tokenizer_for(True)([["ripe", "tomatoes"]], is_split_into_words=True)
        assert {0, 1} <= set(encoding.word_ids(0)), "the tokenizer does not say which word a token is of"

    def test_head_sites_are_what_enters_attention(self) -> None:
        """Keys and values as a forward pass computes them are those of the head sites."""
        module = self.encoder.build()
        sites = self.encoder.head_sites(module)
        assert sites.layers, "no layers"
        shapes = {tuple(layer[kind].heads for kind in ("key", "value")) for layer in sites.layers}
        assert len(shapes) == 1, f"layers differ in their numbers of heads: {shapes}"
        (key, value) = shapes.pop()
        assert key == value, f"{key} key heads but {value} value heads"
        check_head_sites(module, sites, self._data().batch(range(len(self.texts)))[0])

    def test_importance_does_not_depend_on_the_batch(self) -> None:
        """Each instance has an importance of its own, whatever it is batched with."""
        data = self._data()
        module = self.encoder.build()
        head = make_head(data.type, module, self.encoder.hidden_size, data.labels, dropout=0.0, seed=1)
        model, sites = MultiTaskModel(module, {"task": head}), self.encoder.head_sites(module)
        together = instance_importance(model, data, sites, batch_tokens=10_000)
        alone = instance_importance(model, data, sites, batch_tokens=1)
        assert together.shape == (len(data), len(sites.layers), sites.layers[0]["key"].heads)
        np.testing.assert_allclose(together, alone, rtol=1e-3, atol=1e-5 * alone.max())
        assert (alone > 0).any(), "no head has a gradient"

    def test_a_final_model_is_read_back(self, tmp_path: Path) -> None:
        """What a run exports has everything to build the tuned encoder again: its weights, its configuration, its tokenizer."""
        module, folder = self.encoder.build(), tmp_path / "final"
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.mul_(0.9)  # as a training does: no longer the weights of the source
        head = make_head(Classification(), module, self.encoder.hidden_size, ("a", "b"), dropout=0.0, seed=1)
        model = MultiTaskModel(module, {"task": head}).eval()
        options: dict[str, Any] = {"task": "classification", "word_level": False, "labels": ("a", "b"), "max_length": 32}
        export_model(self.encoder, module, head, folder=folder, card="# A model", **options)
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        loaded = load_model(folder, {self.spec.name: self.spec})
        data = self._data()
        with torch.no_grad():
            for i, text in enumerate(self.texts):
                ours, theirs = data.batch([i])[0], tokenizer(text, truncation=True, return_tensors="pt")
                assert torch.equal(ours["input_ids"], theirs["input_ids"]), "the tokenizer, loaded again, is another one"
                assert torch.allclose(loaded(**theirs).logits, model("task", ours), rtol=1e-4, atol=1e-5), "other logits"

    def _data(self) -> Encoded:
        instances = [Instance(i, (text,), "ab"[i % 2]) for i, text in enumerate(self.texts)]
        return encode("task", Classification(), ("a", "b"), instances, self.encoder.tokenizer_for(False), 32)
