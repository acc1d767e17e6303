"""Small models and data to train, and what is compared of them."""

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gradts_engine.errors import Interrupted
from gradts_engine.learning.batches import Encoded, Plan, plan_epochs
from gradts_engine.learning.model import MultiTaskModel
from gradts_engine.learning.state import Checkpoint
from gradts_engine.learning.training import Trained

TEXTS = [
    "rain",
    "rain in spain",
    "stays mainly in the plain",
    "where is it",
    "on the plain on the plain",
    "and that plain",
    "no",
    "a b",
]
DEFAULT_SEED = 7


@dataclass(frozen=True)
class Settings:
    optimizer: str = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 0.1
    warmup: float = 0.3
    max_grad_norm: float = 0.5
    precision: str = "auto"


Run = Callable[..., Trained]


def plan_of(data: Mapping[str, Encoded], *tasks: str, **options: int) -> Plan:
    defaults = {"epochs": 2, "batch_size": 4, "accumulation": 2, "seed": 0}
    return plan_epochs({task: data[task].lengths for task in tasks}, **defaults | options)


def weights(model: MultiTaskModel) -> dict[str, Tensor]:
    return copy.deepcopy(model.state_dict())


def assert_same(a: Mapping[str, Tensor], b: Mapping[str, Tensor], atol: float = 0.0) -> None:
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=0, atol=atol, msg=lambda text, name=name: f"{name}: {text}")


def differ(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> bool:
    return any(not torch.equal(a[name], b[name]) for name in a)


class Kept:
    """A keeper in memory. Its checkpoints pass through JSON, as those on disk do; it stops the training after step `stop`."""

    def __init__(self, stop: int | None = None) -> None:
        self.stop = stop
        self.kept: Checkpoint | None = None
        self.steps = 0

    def load(self) -> Checkpoint | None:
        return self.kept

    def step(self, capture: Callable[[], Checkpoint]) -> None:
        self.steps += 1
        if self.steps == self.stop:
            checkpoint = capture()
            self.kept = Checkpoint(checkpoint.tensors, json.loads(json.dumps(checkpoint.values)))
            raise Interrupted


def quiet(model: MultiTaskModel) -> None:
    """Without dropout, of which smaller batches would draw another pattern."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
