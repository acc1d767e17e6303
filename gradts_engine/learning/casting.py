"""Casts that autocast makes one at a time, or back and forth.

Under autocast each linear layer casts its weight and its bias by itself, and their gradients on the way back: 150 of the 850
calls of a step with a 6-layer encoder; where batches are small, a GPU waits for calls. Sums with what is still in float32 are in
float32, so that every linear layer casts its input, and its gradient back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from gradts_engine.learning.families import of_transformers
from gradts_engine.learning.model import MultiTaskModel


class _Cast(torch.autograd.Function):
    """Weights as another number format; their gradients as the one that the weights have."""

    @staticmethod
    def forward(ctx: Any, dtype: torch.dtype, *weights: Tensor) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        return tuple(_copied(weights, dtype))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        there = iter(_copied([g for g in gradients if g is not None], torch.float32))
        return None, *(None if g is None else next(there) for g in gradients)


def _copied(tensors: Sequence[Tensor], dtype: torch.dtype) -> list[Tensor]:
    found = [torch.empty_like(tensor, dtype=dtype) for tensor in tensors]
    if found:
        torch._foreach_copy_(found, list(tensors))
    return found


def cast_weights(model: MultiTaskModel, dtype: torch.dtype | None, *, frozen: bool = False) -> dict[str, Tensor]:
    """Weights of the encoder's linear layers in a short format, by their names in `model`: for `torch.func.functional_call`,
    which then computes what autocast does, to the last bit. Gradients arrive at the weights themselves; or else they are those
    that are `frozen`, which autocast would cast again for each batch. Without a format, none.

    Leaves to autocast what may use its weights in another way: encoders that are not transformers' own, weights that are shared,
    and those that are no float32.
    """
    if dtype is None or not of_transformers(model.encoder):
        return {}
    uses = Counter(id(weight) for _, weight in model.named_parameters(remove_duplicate=False))
    weights = {
        f"encoder.{name}.{kind}": weight
        for name, module in model.encoder.named_modules()
        if type(module) is nn.Linear
        for kind, weight in module.named_parameters(recurse=False)
        if uses[id(weight)] == 1 and weight.requires_grad is not frozen and weight.dtype is torch.float32
    }
    if not weights:
        return {}
    cast: tuple[Tensor, ...] = _Cast.apply(dtype, *weights.values())  # type: ignore[no-untyped-call] # of torch's
    return dict(zip(weights, cast, strict=True))


@contextmanager
def short_states(model: MultiTaskModel, dtype: torch.dtype | None, device: str) -> Iterator[None]:
    """While entered, norms of a transformers encoder give states in a short format in passes that have a gradient on a CPU, as do
    sums after them.

    Norms compute in float32 whatever they are given. Without a format nothing changes; nor on a GPU, where norms give float32.
    """
    asked = dtype is not None and device == "cpu" and of_transformers(model.encoder)
    norms = [module for module in model.encoder.modules() if asked and isinstance(module, nn.LayerNorm)]
    hooks = [
        norm.register_forward_hook(lambda norm, _, states: states.to(dtype) if torch.is_grad_enabled() else states)
        for norm in norms
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
