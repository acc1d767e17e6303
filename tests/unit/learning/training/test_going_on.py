"""A training that goes on from a checkpoint is the one that was never stopped."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gradts_engine.errors import Interrupted
from gradts_engine.learning import state
from gradts_engine.learning.watch import Progress
from tests.unit.learning.training.toy import Kept, Settings, assert_same, plan_of, weights

# --- going on ---------------------------------------------------------------------------------------------------------


def disturb() -> None:
    """What another training in this process would do to the generators."""
    random.random()
    np.random.rand()
    torch.rand(3)


@pytest.mark.parametrize(("optimizer", "precision"), [("adamw", "fp32"), ("adamax", "fp32"), ("adamw", "bf16")])
def test_a_training_goes_on_from_any_step_as_if_it_had_never_stopped(run, model, data, optimizer, precision):
    plan = plan_of(data, "classes", "numbers", "words", epochs=3)
    settings, start = Settings(optimizer=optimizer, precision=precision), weights(model)
    scores: list[tuple[int, float]] = []
    expected = run(plan, settings, progress=Progress(epoch=lambda *score: scores.append(score)))
    end, total = weights(model), sum(map(len, plan))
    for stop in range(1, total + 1):
        keeper = Kept(stop)
        model.load_state_dict(start)
        with pytest.raises(Interrupted):
            run(plan, settings, keeper=keeper)
        disturb()
        model.load_state_dict(start)
        told: list[tuple[int, float]] = []
        began: list[tuple[int, int]] = []

        def resumed(done: int, total: int, kept: Sequence[float], told: Any = told, began: Any = began) -> None:
            began.append((done, total))
            told += enumerate(kept, 1)

        progress = Progress(epoch=lambda *score, told=told: told.append(score), resumed=resumed)
        assert run(plan, settings, keeper=keeper, progress=progress) == expected
        assert began == [(stop, total)]
        assert told == scores
        assert_same(weights(model), end)


def test_a_checkpoint_is_a_copy(run, model, data):
    keeper = Kept(2)
    with pytest.raises(Interrupted):
        run(plan_of(data, "classes"), keeper=keeper)
    before = {name: tensor.clone() for name, tensor in keeper.kept.tensors.items()}
    run(plan_of(data, "classes"), keeper=Kept())
    assert_same(keeper.kept.tensors, before)


# --- memory -----------------------------------------------------------------------------------------------------------


def test_going_on_with_a_training_on_a_gpu_moves_no_generator_but_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings on other devices of the process would lose their place. (The GPU is played by a list.)"""
    restored: list[tuple[Tensor, str]] = []
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda value, device: restored.append((value, device)))
    tensors, values = state._random_state("cpu")
    tensors["random.device"] = torch.arange(4, dtype=torch.uint8)
    before = (random.random(), np.random.random(), torch.rand(1).item())  # so that all have moved on
    kept = (random.getstate(), np.random.get_state(legacy=True)[1].copy(), torch.get_rng_state())
    state._restore_random_state("cuda:1", tensors, values)
    assert restored == [(tensors["random.device"], "cuda:1")]
    assert random.getstate() == kept[0]
    np.testing.assert_array_equal(np.random.get_state(legacy=True)[1], kept[1])
    assert torch.equal(torch.get_rng_state(), kept[2])
    state._restore_random_state("cpu", tensors, values)
    assert (random.random(), np.random.random(), torch.rand(1).item()) == before
