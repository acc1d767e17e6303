"""Training where memory is short."""

import math
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from gradts_engine.errors import Interrupted, RunError
from gradts_engine.learning import memory
from gradts_engine.learning.model import MultiTaskModel
from gradts_engine.learning.training import Dev, evaluate
from gradts_engine.learning.watch import Progress
from tests.unit.learning.training.toy import Kept, Settings, assert_same, differ, plan_of, quiet, weights


class Small:
    """A model whose device has room for so many instances at a time."""

    def __init__(self, model: MultiTaskModel, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
        forward = model.forward

        def limited(task: str, inputs: Mapping[str, Tensor]) -> Tensor:
            rows = len(inputs["input_ids"])
            if torch.is_grad_enabled() and rows > room:
                raise torch.OutOfMemoryError("simulated")
            return forward(task, inputs)

        monkeypatch.setattr(model, "forward", limited)


def test_out_of_memory_judges_in_smaller_batches(model, data, monkeypatch):
    dev = Dev(data["numbers"], "pearson")
    score, forward, seen = evaluate(model, dev, "cpu"), model.forward, []

    def limited(task: str, inputs: Mapping[str, Tensor]) -> Tensor:
        seen.append(len(inputs["input_ids"]))
        if seen[-1] > room:
            raise torch.OutOfMemoryError("simulated")
        return forward(task, inputs)

    monkeypatch.setattr(model, "forward", limited)
    room = 3
    assert evaluate(model, dev, "cpu") == pytest.approx(score, abs=1e-5)
    assert max(seen[-3:]) <= room
    room = 0
    monkeypatch.setattr(memory, "WAITS", (0.0, 0.0))
    with pytest.raises(RunError, match="out of memory on cpu with one instance"):
        evaluate(model, dev, "cpu")


@pytest.mark.parametrize(("room", "parts"), [(4, 1), (3, 2), (2, 2), (1, 4)])
def test_out_of_memory_makes_smaller_batches_of_the_same_step(run, model, data, monkeypatch, room, parts):
    """Steps of mixed tasks, token tasks too, where the parts of a batch have different numbers of words."""
    quiet(model)
    start, plan = weights(model), plan_of(data, "classes", "numbers", "words", batch_size=4)
    settings = Settings(learning_rate=1e-2)
    whole = run(plan, settings)
    expected = weights(model)
    assert differ(expected, start)
    model.load_state_dict(start)
    Small(model, room, monkeypatch)
    told: list[int] = []
    trained = run(plan, settings, progress=Progress(smaller=told.append))
    assert (trained.parts, told) == (parts, [2, 4][: int(math.log2(parts))])
    assert trained.steps == whole.steps
    found = weights(model)
    for name in list(
        found
    ):  # attention does not depend on the key's bias: its gradient is rounding error, which Adam makes large
        if name.endswith("key.bias"):
            del found[name]
    assert_same(found, expected, atol=2e-5)


def test_a_training_that_goes_on_remembers_how_little_memory_there_is(run, model, data, monkeypatch):
    Small(model, 2, monkeypatch)
    keeper, told = Kept(2), []
    start = weights(model)
    with pytest.raises(Interrupted):
        run(plan_of(data, "classes"), keeper=keeper, progress=Progress(smaller=told.append))
    model.load_state_dict(start)
    assert run(plan_of(data, "classes"), keeper=keeper, progress=Progress(smaller=told.append)).parts == 2
    assert told == [2]


def test_too_little_memory_for_one_instance(run, model, data, monkeypatch):
    Small(model, 0, monkeypatch)
    monkeypatch.setattr(memory, "WAITS", (0.0, 0.0))
    with pytest.raises(RunError, match=r"^out of memory on cpu with one instance: lower "):
        run(plan_of(data, "classes"))
