"""Dropout and attention on a CPU, where torch's cost more than they need to.

torch draws 32 random bits for each unit, one unit after the other: an eighth of a training step. Here they are 16, for four units
at a time. Attention with dropout has no fast kernel on a CPU: torch computes it in float32, and looks for rows that see nothing.
Without dropout there is one, whose backward pass takes five times as long in bfloat16 as in float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gradts_engine.learning.families import of_transformers
from gradts_engine.learning.model import MultiTaskModel

ATTENTION = "gradts"
"""The name of `attention` in transformers."""

LEVELS = 2**16
"""Of a unit's random number."""


def drop(states: Tensor, share: float) -> Tensor:
    """States of which a `share` (to 16 bits) is zero, the others larger, so that the mean stays. Draws from torch's generator."""
    dropped = round(share * LEVELS)
    if dropped in (0, LEVELS):
        return nn.functional.dropout(states, share)
    bits = torch.empty(-(-states.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    numbers = bits.view(torch.int16)[: states.numel()].view(states.shape)
    kept = torch.ge(numbers, dropped - LEVELS // 2, out=torch.empty(states.shape, dtype=states.dtype))
    return states * kept.mul_(LEVELS / (LEVELS - dropped))


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """What transformers' `sdpa_attention_forward` computes, [B, T, H, D] from [B, H, T, D]: by products and a softmax where there
    is dropout, or a backward pass in a short format. The rest is left to it, as is what is no plain attention between all tokens,
    or between those that a mask [B, 1, T, T] lets see each other.

    A token that sees none, as padding may, gets the mean of all, where torch gives it zeros: nobody reads either.
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    causal = attention_mask is None and (getattr(module, "is_causal", True) if is_causal is None else is_causal)
    special = any(others.get(name) is not None for name in ("position_bias", "cache", "softcap"))
    slow = dropout or (torch.is_grad_enabled() and query.dtype in (torch.bfloat16, torch.float16))
    if not slow or causal or special or query.shape[1] != key.shape[1]:
        others["is_causal"] = is_causal
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **others)  # type: ignore[no-any-return]
    scores = query * (query.shape[-1] ** -0.5 if scaling is None else scaling) @ key.transpose(-1, -2)
    if attention_mask is not None:
        if attention_mask.dtype is torch.bool:
            hidden = torch.zeros(attention_mask.shape, dtype=scores.dtype)
            attention_mask = hidden.masked_fill_(~attention_mask, torch.finfo(scores.dtype).min)
        scores = scores + attention_mask
    return (drop(scores.softmax(-1), dropout) @ value).transpose(1, 2).contiguous(), None


@contextmanager
def quick_dropout(model: MultiTaskModel, device: str) -> Iterator[None]:
    """While entered, the dropout layers of `model` use `drop`, and its encoder `attention`; on a GPU nothing changes."""
    layers = [module for module in model.modules() if type(module) is nn.Dropout] if device == "cpu" else []
    for layer in layers:
        layer.forward = partial(_forward, layer)  # type: ignore[method-assign]
    try:
        with quick_attention(model.encoder, device):
            yield
    finally:
        for layer in layers:
            del layer.forward


def _forward(layer: nn.Dropout, states: Tensor) -> Tensor:
    return drop(states, layer.p) if layer.training else states


@contextmanager
def quick_attention(encoder: Any, device: str) -> Iterator[None]:
    """While entered, a transformers encoder on a CPU that computes attention by torch's function does it by `attention`."""
    if device != "cpu" or not of_transformers(encoder) or encoder.config._attn_implementation != "sdpa":
        yield
        return
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(ATTENTION, attention)
    AttentionMaskInterface.register(ATTENTION, sdpa_mask)
    encoder.set_attn_implementation(ATTENTION)
    try:
        yield
    finally:
        encoder.set_attn_implementation("sdpa")
