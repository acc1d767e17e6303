"""Dropout and attention on a CPU, against torch's own."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from gradts_engine.learning.model import MultiTaskModel, initialise_head
from gradts_engine.learning.quick import ATTENTION, attention, drop, quick_dropout
from gradts_engine.learning.task_types import SentenceHead
from gradts_engine.testing import FAMILIES
from tests.unit.learning.test_families import tiny

NOTHING = 1e-9
"""A share of units so small that none is dropped, though there is dropout."""


@given(st.sampled_from([0.05, 0.1, 0.25, 0.5, 0.9]), st.sampled_from([torch.float32, torch.bfloat16]), st.integers(0, 2**31))
def test_a_share_is_zero_and_the_others_are_larger(share, dtype, seed):
    torch.manual_seed(seed)
    found = drop(torch.ones(101, 307, dtype=dtype), share)
    assert found.dtype is dtype
    (kept,) = found[found != 0].unique().tolist()
    assert kept == pytest.approx(1 / (1 - share), rel=4e-3 if dtype is torch.bfloat16 else 1e-4)
    expected, deviation = share * found.numel(), math.sqrt(share * (1 - share) * found.numel())
    assert abs(int((found == 0).sum()) - expected) < 6 * deviation


def test_units_are_dropped_independently():
    """Of neighbours, of those in a word of 64 bits, and of two draws: correlations of a million units are chance, 0.001."""
    torch.manual_seed(1)
    first, second = (drop(torch.ones(2**20), 0.3).numpy() for _ in range(2))
    for distance in (1, 2, 3, 4, 8, 384):
        assert abs(np.corrcoef(first[distance:], first[:-distance])[0, 1]) < 0.006
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.006


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 5), (0, 4)])
def test_what_is_dropped_is_a_function_of_the_generator_and_has_no_gradient(shape):
    states = torch.randn(shape, requires_grad=True)
    torch.manual_seed(3)
    found = drop(states, 0.5)
    state = torch.get_rng_state()
    drop(states, 0.5)
    torch.manual_seed(3)
    assert torch.equal(drop(states, 0.5), found)
    assert torch.equal(torch.get_rng_state(), state)
    (gradient,) = torch.autograd.grad(found.sum(), states)
    assert torch.equal(gradient, torch.where(found == 0, 0.0, 2.0))


@pytest.mark.parametrize("share", [0.0, NOTHING, 1.0])
def test_all_or_nothing(share):
    assert torch.equal(drop(torch.ones(100), share), torch.full((100,), float(share < 1)))


def made(folder: Path, family: str, share: float) -> tuple[MultiTaskModel, dict[str, torch.Tensor]]:
    """A model whose every dropout is of that share, and texts of different lengths."""
    names = (
        "hidden_dropout_prob",
        "attention_probs_dropout_prob",
        "dropout",
        "attention_dropout",
        "mlp_dropout",
        "embedding_dropout",
    )
    encoder = tiny(folder, family, dict.fromkeys(names, share))
    head = initialise_head(SentenceHead(encoder.hidden_size, 2, share), seed=1)
    texts = ["a kilo of tomatoes and a loaf of bread", "bread"]
    return MultiTaskModel(encoder.build(), {"task": head}).train(), encoder.tokenizer(texts, padding=True, return_tensors="pt")


def passed(model: MultiTaskModel, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Logits, and gradients of all weights."""
    model.zero_grad()
    logits = model("task", inputs)
    logits.square().sum().backward()
    return logits.detach(), {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("family", FAMILIES)
def test_where_nothing_is_dropped_every_family_computes_what_it_does_otherwise(family, tmp_path):
    """Logits and gradients in training, with padding; and the model is afterwards as it was."""
    model, inputs = made(tmp_path, family, NOTHING)
    before = model.encoder.config._attn_implementation
    expected = passed(model, inputs)
    with quick_dropout(model, "cpu"):
        assert model.encoder.config._attn_implementation == (ATTENTION if before == "sdpa" else before)
        found = passed(model, inputs)
    torch.testing.assert_close(found, expected)
    assert model.encoder.config._attn_implementation == before
    assert not any("forward" in vars(module) for module in model.modules())


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention_drops_its_share_of_weights(masked, dtype):
    """Seen through values that are a unit matrix: each weight is that of a softmax or zero, of hidden tokens always."""
    torch.manual_seed(5)
    query, key = (torch.randn(8, 6, 40, 40, dtype=dtype) for _ in range(2))
    value = torch.eye(40, dtype=dtype).expand_as(key)
    seen = torch.ones(8, 1, 40, 40, dtype=torch.bool)
    seen[:, :, :, 30:] = not masked
    module = nn.Module()
    module.is_causal = False
    found, _ = attention(module, query, key, value, seen if masked else None, dropout=0.2, scaling=0.3)
    scores = (0.3 * query.double() @ key.double().transpose(-1, -2)).masked_fill(~seen, -torch.inf)
    expected = (scores.softmax(-1) / 0.8).transpose(1, 2).broadcast_to(found.shape)
    kept = found != 0
    assert not kept[..., 30:].any() or not masked
    assert float(kept[..., :30].double().mean()) == pytest.approx(0.8, abs=0.01)
    torch.testing.assert_close(
        found.double()[kept],
        expected[kept],
        **({"rtol": 0.1, "atol": 0.002} if dtype is torch.bfloat16 else {"rtol": 1e-4, "atol": 1e-6}),
    )


@pytest.mark.parametrize("masked", [False, True])
def test_the_slow_backward_pass_of_torch_in_a_short_format_is_not_used(masked):
    """What is computed in its place is as near to float32; what has no backward pass is left to torch."""
    torch.manual_seed(2)
    exact = torch.randn(3, 4, 2, 9, 8).unbind()
    seen = (torch.arange(9) < 7).expand(4, 1, 9, 9) if masked else None
    module = nn.Module()
    module.is_causal = False
    kernels: list[str] = []

    class Listening(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            kernels.append(function.name())
            return function(*args, **(kwargs or {}))

    def gradients(dtype: torch.dtype) -> list[torch.Tensor]:
        inputs = [tensor.to(dtype).requires_grad_() for tensor in exact]
        found, _ = attention(module, *inputs, seen)
        return [found.detach(), *torch.autograd.grad(found.float().square().sum(), inputs)]

    expected = gradients(torch.float32)
    with Listening():
        found = gradients(torch.bfloat16)
    assert not [name for name in kernels if "flash" in name]
    for short, whole in zip(found, expected, strict=True):
        assert float((short.float() - whole).norm() / whole.norm()) < 0.02
    with Listening(), torch.no_grad():
        attention(module, *(tensor.bfloat16() for tensor in exact), seen)
    assert [name for name in kernels if "flash" in name]


@pytest.mark.parametrize("special", [{"is_causal": True}, {"position_bias": torch.ones(1, 2, 5, 5)}, {"dropout": 0.0}])
def test_what_is_not_plain_attention_with_dropout_is_left_to_transformers(special):
    query, key, value = torch.randn(3, 4, 2, 5, 8)
    module = nn.Module()
    module.is_causal = False
    given = {"dropout": 0.3, **special}
    torch.manual_seed(1)
    expected, _ = sdpa_attention_forward(module, query, key, value, None, **given)
    torch.manual_seed(1)
    found, _ = attention(module, query, key, value, None, **given)
    assert torch.equal(found, expected)


def test_a_gpu_and_encoders_of_others_keep_what_they_have(tmp_path):
    model, _ = made(tmp_path, "bert", 0.1)
    with quick_dropout(model, "cuda:0"):
        assert model.encoder.config._attn_implementation == "sdpa"
        assert not any("forward" in vars(module) for module in model.modules())
    inner = model.encoder
    model.encoder = nn.Sequential(inner)
    with quick_dropout(model, "cpu"):
        assert inner.config._attn_implementation == "sdpa"
