"""States of an encoder for what a task labels: whole instances, or single words."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from gradts_engine.contracts import PlainInputs, TaskType
from gradts_engine.learning.batches import Encoded, token_batches
from gradts_engine.learning.embedding import BATCH_TOKENS
from gradts_engine.learning.task_types.reading import IGNORED, UNKNOWN

MOST = 1000
"""Labelled words, or texts, whose states are taken: enough for a probe of some hundred dimensions, which grows with both."""


@dataclass(frozen=True)
class States:
    """`values` float32 [n, D] and `targets` [n] or [n, C]: class indices, numbers, or 0 and 1 a class; `rows` [n] says which
    instance of the split each is of."""

    values: np.ndarray
    targets: np.ndarray
    rows: np.ndarray


def why_unprobed(task_type: TaskType) -> str:
    """Why there are no states for a type's labels; empty where there are."""
    return "" if isinstance(task_type, PlainInputs) else "its labels are no classes or numbers of a text or a word"


@torch.inference_mode()
def labelled_states(
    encoder: nn.Module,
    data: Encoded,
    device: str,
    most: int = MOST,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> States:
    """State of what has a label, `most` of them or fewer: of an instance, the mean over its tokens; of a word, its first token's.

    A state is the mean over the upper half of the layers, the last included: what a probe finds in one layer alone depends on
    which. `encoder` takes `output_hidden_states`, as the models of transformers do. Where there are more labels than `most`,
    whole instances are left out, evenly spread over the split. There are none for a type of which `why_unprobed` says so.
    `progress` is told before each batch how many instances are done, of how many; what it raises ends the pass.
    """
    if why_unprobed(data.type):
        width = int(encoder.config.hidden_size)  # type: ignore[union-attr, arg-type] # of transformers' models
        return States(np.empty((0, width), np.float32), np.empty(0, np.int64), np.empty(0, np.int64))
    encoder.to(device).eval()
    values: list[np.ndarray] = []
    targets: list[np.ndarray] = []
    places: list[np.ndarray] = []
    kept, done = _spread(data, most), 0
    for batch in token_batches(data.lengths[kept], BATCH_TOKENS):
        progress(done, len(kept))
        rows, done = kept[batch], done + len(batch)
        inputs, goal = data.batch(rows, device)
        layers = encoder(**inputs, output_hidden_states=True).hidden_states  # 1 + L, each [B, T, D]
        upper = torch.stack(layers[1 + (len(layers) - 1) // 2 :]).float().mean(0)
        if data.type.word_level:
            labelled = (goal != IGNORED) & (goal != UNKNOWN)  # [B, T]
            values.append(upper[labelled].cpu().numpy())
            targets.append(goal[labelled].cpu().numpy())
            places.append(np.repeat(rows, labelled.sum(1).cpu().numpy()))
        else:
            mask = inputs["attention_mask"].unsqueeze(-1).to(upper.dtype)
            values.append(((upper * mask).sum(1) / mask.sum(1)).cpu().numpy())
            targets.append(goal.cpu().numpy())
            places.append(rows)
    where = np.concatenate(places)
    order = np.argsort(where, kind="stable")  # batches are by length
    return States(np.concatenate(values)[order], np.concatenate(targets)[order], where[order])


def _spread(data: Encoded, most: int) -> np.ndarray:
    """Positions of instances with at most `most` labels together, one at least, evenly spread."""
    labels = np.array([(t != IGNORED).sum() if data.type.word_level else 1 for t in data.targets])
    step = max(1, math.ceil(labels.sum() / most))
    while labels[::step].sum() > most and step < len(labels):
        step += 1
    return np.arange(0, len(labels), step)
