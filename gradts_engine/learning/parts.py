"""A training that ends before its time, and what its optimiser knew by then."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace

from torch import Tensor

from gradts_engine.learning.batches import Encoded, Plan
from gradts_engine.learning.model import MultiTaskModel
from gradts_engine.learning.optimizers import Settings
from gradts_engine.learning.state import Checkpoint, Keeper
from gradts_engine.learning.training import Dev, train
from gradts_engine.learning.watch import Progress

SQUARES = {"exp_avg_sq": 1, "norm": 2}
"""What an optimiser keeps of the size of gradients, and the power that makes it a square: AdamW's, Adamax's."""


class Reached(Exception):
    """The step that a training was to come to."""

    def __init__(self, state: Checkpoint) -> None:
        self.state = state


class Until:
    """A keeper that ends a training after so many steps; what it keeps on the way is up to `keeper`."""

    def __init__(self, keeper: Keeper, steps: int) -> None:
        self.keeper = keeper
        self.left = steps

    def load(self) -> Checkpoint | None:
        """The latest checkpoint, if there is one."""
        if kept := self.keeper.load():
            self.left -= int(kept.values["done"])
        return kept

    def step(self, capture: Callable[[], Checkpoint]) -> None:
        """Raises `Reached`."""
        self.left -= 1
        if self.left <= 0:
            raise Reached(capture())
        self.keeper.step(capture)


def train_part(
    model: MultiTaskModel,
    data: Encoded,
    plan: Plan,
    settings: Settings,
    *,
    steps: int,
    device: str,
    seed: int,
    progress: Progress,
    keeper: Keeper,
) -> Mapping[str, Tensor]:
    """Train `model` for the first `steps` (1 or more) of a plan, as a whole training would begin; the squares of each weight
    matrix's gradients that its optimiser has seen, by name. Nothing is judged on the way, so no dev split is needed."""
    whole = [list(itertools.chain.from_iterable(plan))]
    told = replace(
        progress,
        step=lambda done, total, loss: progress.step(done, steps, loss),
        resumed=lambda done, total, scores: progress.resumed(done, steps, scores),
    )
    until, dev = Until(keeper, steps), Dev(data, "")
    try:
        train(model, {data.task: data}, whole, dev, settings, device=device, seed=seed, progress=told, keeper=until)
    except Reached as reached:
        kept = reached.state.tensors
    else:
        raise AssertionError(f"{steps} steps of a training that has fewer")
    matrices = [name for name, parameter in model.named_parameters() if parameter.ndim > 1]  # as `make_optimizer` has them
    return {
        name: kept[place] ** power
        for at, name in enumerate(matrices)
        for kind, power in SQUARES.items()
        if (place := f"optimizer.{at}.{kind}") in kept
    }
