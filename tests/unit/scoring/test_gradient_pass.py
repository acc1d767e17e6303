"""The gradient pass: batches, memory, several devices, short formats."""

import copy
import gc
import time
import weakref
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from gradts_engine.errors import RunError
from gradts_engine.learning.memory import WAITS
from gradts_engine.learning.model import MultiTaskModel
from gradts_engine.scoring import importance
from gradts_engine.scoring.importance import GradientPass, instance_importance

# --- batches ---------------------------------------------------------------------------------------------------------


def test_any_rows_in_any_order(bert) -> None:
    model, data, sites = bert
    passing = GradientPass(model, data, sites, batch_tokens=1)
    whole = passing.importance()
    assert np.array_equal(passing.importance([3, 0, 4]), whole[[3, 0, 4]])


def test_the_probe_counts_what_a_batch_keeps(bert, monkeypatch) -> None:
    """It leaves out the weights, so twice the memory is twice the tokens, and asks no clock, so that it always says the same."""
    monkeypatch.setattr(importance, "LEAST", 1)
    monkeypatch.setattr(importance, "MOST", 10**9)
    monkeypatch.setattr(importance, "INSTANCES", 10**9)
    found = []
    for memory in (10**8, 10**8, 2 * 10**8):
        monkeypatch.setattr(importance, "MEMORY", memory)
        found.append(GradientPass(*bert).batch_tokens)
    assert found[0] == found[1] > 100
    assert found[2] == pytest.approx(2 * found[0], rel=1e-3)
    model = bert[0]
    per_token = 10**8 / found[0]
    states = 4 * model.encoder.config.hidden_size
    assert 10 * states < per_token < 200 * states  # 2 layers, each with some 20 arrays of the size of its states
    assert all(p.requires_grad for p in model.parameters())


def test_a_pass_holds_on_to_nothing(bert) -> None:
    """A worker scores one task after the other: a model that stays would fill its device."""
    model, data, sites = copy.deepcopy(bert)
    left = [weakref.ref(parameter) for parameter in model.parameters()]
    GradientPass(model, data, sites).importance([0])
    del model
    gc.collect()
    assert not [parameter for parameter in left if parameter() is not None]


def test_the_probes_choice_is_bounded(bert, monkeypatch) -> None:
    monkeypatch.setattr(importance, "MEMORY", 1)
    assert GradientPass(*bert).batch_tokens == importance.LEAST
    monkeypatch.setattr(importance, "MEMORY", 10**15)
    monkeypatch.setattr(importance, "INSTANCES", 100)
    assert GradientPass(*bert).batch_tokens == int(100 * bert[1].lengths.mean()) > importance.LEAST
    monkeypatch.setattr(importance, "INSTANCES", 10**9)
    assert GradientPass(*bert).batch_tokens == importance.MOST


def test_out_of_memory_halves_batches_and_goes_on(bert, monkeypatch) -> None:
    """The device takes 60 padded tokens at a time; what it has computed before is not computed again."""
    model, data, sites = bert
    seen: list[int] = []
    forward = type(model).forward

    def limited(self: MultiTaskModel, task: str, inputs: Mapping[str, Tensor]) -> Tensor:
        logits = forward(self, task, inputs)
        if inputs["input_ids"].numel() > 60:  # after the hooks have seen the batch, as in a backward pass that fails
            raise torch.OutOfMemoryError("simulated")
        seen.append(len(inputs["input_ids"]))
        return logits

    whole = instance_importance(model, data, sites, batch_tokens=1)
    passing = GradientPass(model, data, sites, batch_tokens=1000)
    monkeypatch.setattr(type(model), "forward", limited)
    np.testing.assert_allclose(passing.importance(), whole, rtol=0, atol=1e-6 * whole.max())
    assert sum(seen) == len(data)
    assert max(seen) > 1
    assert passing.batch_tokens < 120


def test_memory_for_not_even_one_instance(bert, monkeypatch) -> None:
    def never(self: MultiTaskModel, task: str, inputs: Mapping[str, Tensor]) -> Tensor:
        raise torch.OutOfMemoryError("simulated")

    passing = GradientPass(*bert, batch_tokens=1000)
    passing.patience.waits = iter([0.0, 0.0])
    monkeypatch.setattr(MultiTaskModel, "forward", never)
    with pytest.raises(RunError, match=r"out of memory on cpu with one instance: lower \[data\] max_length"):
        passing.importance()


def test_memory_that_others_let_go_of_is_waited_for(bert, monkeypatch) -> None:
    forward, busy = MultiTaskModel.forward, iter([True] * 3)

    def late(self: MultiTaskModel, task: str, inputs: Mapping[str, Tensor]) -> Tensor:
        if next(busy, False):
            raise torch.OutOfMemoryError("simulated")
        return forward(self, task, inputs)

    whole = instance_importance(*bert, batch_tokens=1)
    passing = GradientPass(*bert, batch_tokens=5)
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    monkeypatch.setattr(MultiTaskModel, "forward", late)
    np.testing.assert_allclose(passing.importance(), whole, rtol=0, atol=1e-6 * whole.max())
    assert waited == list(WAITS[:3])
    assert passing.batch_tokens == 5  # no smaller than before


def test_nothing_is_fetched_from_the_device_between_batches(bert, monkeypatch) -> None:
    """Each of these would have a GPU finish all it was given before it gets the next batch."""
    calls: list[str] = []

    def spied(name: str) -> Any:
        original = getattr(Tensor, name)
        return lambda self, *args, **options: calls.append(name) or original(self, *args, **options)

    passing = GradientPass(*bert, batch_tokens=20)
    for name in ("cpu", "item", "tolist", "nonzero", "__float__", "__int__"):
        monkeypatch.setattr(Tensor, name, spied(name))
    batches: list[int] = []
    passing.importance(progress=lambda done, total: batches.append(done))
    assert len(batches) > 2
    assert calls == ["cpu"]


def test_bfloat16_changes_importance_a_little(bert) -> None:
    exact, short = (instance_importance(*bert, precision=precision) for precision in ("fp32", "bf16"))
    error = np.abs(short - exact).max() / exact.max()
    assert 1e-5 < error < 0.05


def test_in_bfloat16_a_pass_casts_its_weights_once_and_has_the_same_batches(bert) -> None:
    casts: list[int] = []

    class Counting(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            if function is torch.ops.aten._foreach_copy_.default:
                casts.append(len(args[1]))
            elif function is torch.ops.aten._to_copy.default:
                assert not isinstance(args[0], torch.nn.Parameter), "a weight by itself"
            return function(*args, **(kwargs or {}))

    model, data, sites = bert
    model.heads.to(torch.bfloat16)  # what autocast has nothing to cast of
    short = GradientPass(model, data, sites, batch_tokens=20, precision="bf16")
    with Counting():
        short.importance()
    assert casts == [2 * sum(type(module) is torch.nn.Linear for module in model.encoder.modules())]
    assert short.weights == {}
    probed = [GradientPass(model.float(), data, sites, precision=precision).batch_tokens for precision in ("fp32", "bf16")]
    assert len({*probed}) == 1


# --- several devices in one process ----------------------------------------------------------------------------------


def test_float32_stays_exact_until_the_last_pass_has_ended() -> None:
    """Passes on two devices overlap: the first to end must not give the other one TF32, nor the last keep it from the rest."""
    flags, exact = torch.backends.cuda.matmul, importance._EXACT
    before = flags.allow_tf32
    try:
        for wanted in (True, False):
            flags.allow_tf32 = wanted
            exact.__enter__()
            exact.__enter__()
            exact.__exit__()
            assert not flags.allow_tf32
            exact.__exit__()
            assert flags.allow_tf32 == wanted
    finally:
        flags.allow_tf32 = before


def test_memory_that_torch_keeps_for_itself_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a training, torch's cache holds most of a GPU: 1 GB is left to others, 60 of its 70 are in no tensor."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10**9, 80 * 10**9))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 70 * 10**9)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 10 * 10**9)
    assert importance.free_memory("cuda:1") == 61 * 10**9


def test_products_are_exact_while_a_pass_computes(bert) -> None:
    flags, seen = torch.backends.cuda.matmul, []
    before, flags.allow_tf32 = flags.allow_tf32, True
    try:
        instance_importance(*bert, batch_tokens=20, progress=lambda done, total: seen.append(flags.allow_tf32))
        assert seen
        assert not any(seen)
        assert flags.allow_tf32
    finally:
        flags.allow_tf32 = before
