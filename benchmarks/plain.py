"""A training loop as one would write it down, for the benchmarks to compare with."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from benchmarks.device import device
from gradts_engine.learning.batches import Encoded
from gradts_engine.learning.model import MultiTaskModel

BATCH = 8
LEARNING_RATE = 5e-5


def logits(model: MultiTaskModel, task: str, inputs: Mapping[str, Tensor]) -> Tensor:
    """The encoder as it comes, and the head on its last states."""
    found: Tensor = model.head(task)(model.encoder(**inputs).last_hidden_state)
    return found


def train(model: MultiTaskModel, data: Encoded, epochs: int, seed: int, learning_rate: float = LEARNING_RATE) -> None:
    """torch's AdamW as it comes, linear decay, clipped gradients, shuffled batches padded to their longest."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model.to(device()).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
    steps = epochs * -(-len(data) // BATCH)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    for _ in range(epochs):
        order = rng.permutation(len(data))
        for start in range(0, len(order), BATCH):
            inputs, targets = data.batch(order[start : start + BATCH], device())
            sums, counts = data.type.loss(logits(model, data.task, inputs), targets)
            loss = sums.sum() / counts.sum()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            if not np.isfinite(loss.item()):
                raise FloatingPointError("the loss is not finite")
