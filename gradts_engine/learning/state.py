"""Everything that a training is at a step, as values that can be kept and gone on with."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from gradts_engine.learning.batches import Plan, Step
from gradts_engine.learning.model import MultiTaskModel


@dataclass(frozen=True)
class Checkpoint:
    """A training between two steps: tensors on the CPU by name, and JSON values."""

    tensors: Mapping[str, Tensor]
    values: Mapping[str, Any]


class Keeper(Protocol):
    """Where checkpoints of one training go; what it does must not change the training."""

    def load(self) -> Checkpoint | None:
        """The latest checkpoint, if there is one."""

    def step(self, capture: Callable[[], Checkpoint]) -> None:
        """Called between any two steps: may keep what `capture` returns, and may raise to stop the training."""


class NoKeeper:
    """Keeps nothing."""

    def load(self) -> None:
        """There is never anything."""

    def step(self, capture: Callable[[], Checkpoint]) -> None:
        """Every checkpoint is passed over."""


class TrainingState:
    """What changes in a training. The data it goes through need not be kept: the plan is a function of the settings, and `done`,
    the number of optimiser steps, is the place in it.

    `scores` has the dev score after each epoch, `best` the weights of the best one; `parts` is into how many parts a micro-batch
    is cut so that it fits into the memory.
    """

    def __init__(
        self,
        model: MultiTaskModel,
        optimizer: torch.optim.Optimizer,
        scheduler: torch.optim.lr_scheduler.LRScheduler,
        scaler: torch.amp.GradScaler,
        device: str,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.scaler = scaler
        self.device = device
        self.done = 0
        self.parts = 1
        self.scores: list[float] = []
        self.best: dict[str, Tensor] = {}

    def remaining(self, plan: Plan) -> Iterator[tuple[int, list[Step]]]:
        """The epochs, counted from 1, that have no score yet, with the steps that are still to be done."""
        end = 0
        for epoch, steps in enumerate(plan, 1):
            end += len(steps)
            if epoch > len(self.scores):
                yield epoch, list(steps[len(steps) - (end - self.done) :]) if self.done < end else []

    def end_epoch(self, score: float) -> None:
        """Note an epoch's dev score, and keep its weights if it is the best so far."""
        self.scores.append(score)
        if best_epoch(self.scores) == len(self.scores) - 1:
            self.best = {name: value.detach().to("cpu", copy=True) for name, value in self.model.state_dict().items()}

    def capture(self) -> Checkpoint:
        """The present state. Its tensors are copies on the CPU."""
        optimizer = self.optimizer.state_dict()
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"best.{name}": value for name, value in self.best.items()}
        numbers: dict[str, Any] = {}
        for index, state in optimizer["state"].items():
            for name, value in state.items():
                (tensors if isinstance(value, Tensor) else numbers)[f"optimizer.{index}.{name}"] = value
        randomness, random_values = _random_state(self.device)
        tensors |= randomness
        values = {
            "done": self.done,
            "parts": self.parts,
            "scores": self.scores,
            "optimizer": numbers,
            "groups": optimizer["param_groups"],
            "scheduler": {k: v for k, v in self.scheduler.state_dict().items() if k != "lr_lambdas"},
            "scaler": self.scaler.state_dict(),
            "random": random_values,
        }
        return Checkpoint({name: value.detach().to("cpu", copy=True).contiguous() for name, value in tensors.items()}, values)

    def restore(self, kept: Checkpoint) -> None:
        """Go back to a state that was captured from a training of the same model, settings and plan."""
        values, tensors = kept.values, kept.tensors
        self.done, self.parts, self.scores = values["done"], values["parts"], list(values["scores"])
        self.best = _below("best.", tensors)
        self.model.load_state_dict(_below("model.", tensors))
        state: dict[int, dict[str, Any]] = {}
        for key, value in (_below("optimizer.", tensors) | _below("optimizer.", values["optimizer"])).items():
            index, name = key.split(".", 1)
            state.setdefault(int(index), {})[name] = value
        self.optimizer.load_state_dict({"state": state, "param_groups": values["groups"]})
        self.scheduler.load_state_dict(values["scheduler"] | {"lr_lambdas": [None] * len(values["groups"])})
        self.scaler.load_state_dict(values["scaler"])
        _restore_random_state(self.device, tensors, values["random"])


def best_epoch(scores: Sequence[float]) -> int:
    """The first of the epochs with the highest score, from 0; the last where none has one (NaN)."""
    known = [score for score in scores if not math.isnan(score)]
    return scores.index(max(known)) if known else len(scores) - 1


def _below(prefix: str, mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in mapping.items() if name.startswith(prefix)}


def _random_state(device: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The generators of Python, numpy, torch's CPU and the device."""
    _, keys, *rest = np.random.get_state(legacy=True)
    tensors = {"random.numpy": torch.from_numpy(np.asarray(keys).copy()), "random.cpu": torch.get_rng_state()}
    if device.startswith("cuda"):
        tensors["random.device"] = torch.cuda.get_rng_state(device)
    return tensors, {"python": random.getstate(), "numpy": rest}


def _restore_random_state(device: str, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    """Of the device alone. Trainings on GPUs share the process's generators with each other and draw nothing from them."""
    if device.startswith("cuda"):
        torch.cuda.set_rng_state(tensors["random.device"], device)
        return
    version, internal, gauss = values["python"]
    random.setstate((version, tuple(internal), gauss))
    np.random.set_state(("MT19937", tensors["random.numpy"].numpy(), *values["numpy"]))
    torch.set_rng_state(tensors["random.cpu"])
