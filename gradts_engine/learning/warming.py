"""A head fitted to the states of an encoder that stays as it is, for a task that the encoder was not trained on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from gradts_engine.learning.batches import Encoded, token_batches
from gradts_engine.learning.embedding import BATCH_TOKENS
from gradts_engine.learning.model import MultiTaskModel

RATE = 3e-3
"""Learning rate of Adam, of which each step sees all rows: heads are small, and their states are known."""
STEPS, PATIENCE = 300, 10
"""Steps at most, and without a lower loss of the rows that are not fitted."""


class Seen(NamedTuple):
    """A batch as a head takes it."""

    states: Tensor
    targets: Tensor


def warm_head(model: MultiTaskModel, data: Encoded, device: str, seed: int) -> int:
    """Fit the head of `data`'s task to two thirds of its rows, drawn by `seed`; how many steps it took.

    It stops where the loss of the other third is lowest: of a head that knows its rows by heart, nothing is left to learn for
    the encoder. Its dropout is off, and the encoder stays as it is.
    """
    head = model.head(data.task)
    model.to(device).eval()
    order = np.random.default_rng(seed).permutation(len(data))
    fitted, others = (_seen(model, data, rows, device) for rows in np.split(order, [max(1, len(order) * 2 // 3)]))
    others = others or fitted
    optimizer = torch.optim.Adam(head.parameters(), lr=RATE)
    best, lowest, at = _weights(head), _loss(head, data, others), 0
    for step in range(1, STEPS + 1):
        optimizer.zero_grad()
        _loss(head, data, fitted, backward=True)
        optimizer.step()
        loss = _loss(head, data, others)
        if loss < lowest:
            best, lowest, at = _weights(head), loss, step
        elif step - at >= PATIENCE:
            break
    head.load_state_dict(best)
    head.zero_grad(set_to_none=True)
    return at


@torch.no_grad()
def _seen(model: MultiTaskModel, data: Encoded, rows: np.ndarray, device: str) -> list[Seen]:
    found = []
    for batch in token_batches(data.lengths[rows], BATCH_TOKENS):
        inputs, targets = data.batch(rows[batch], device)
        found.append(Seen(model.states(data.task, inputs), targets))
    return found


def _loss(head: nn.Module, data: Encoded, seen: list[Seen], backward: bool = False) -> float:
    """The loss of all outputs, and its gradients where these are asked for."""
    sums, counts = 0.0, 0.0
    for batch in seen:
        with torch.set_grad_enabled(backward):
            loss, count = data.type.loss(head(batch.states), batch.targets)
            total = loss.sum()
        if backward:
            total.backward()  # Adam does not mind what a loss is divided by
        sums, counts = sums + total.item(), counts + float(count.sum())
    return sums / max(counts, 1.0)


def _weights(head: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in head.state_dict().items()}
