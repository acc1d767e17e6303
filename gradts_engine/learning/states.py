"""States of an encoder for what a task labels: whole instances, or single words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from gradts_engine.learning.batches import Encoded, token_batches
from gradts_engine.learning.embedding import BATCH_TOKENS
from gradts_engine.learning.task_types.reading import IGNORED


@dataclass(frozen=True)
class States:
    """`values` float32 [n, D] and `targets` [n] or [n, C]: class indices, numbers, or 0 and 1 a class; `rows` [n] says which
    instance of the split each is of."""

    values: np.ndarray
    targets: np.ndarray
    rows: np.ndarray


@torch.inference_mode()
def labelled_states(encoder: nn.Module, data: Encoded, device: str) -> States:
    """State of everything that has a label: of an instance, the mean over its tokens; of a word, its first token's.

    A state is the mean over the upper half of the layers, the last included: what a probe finds in one layer alone depends on
    which. `encoder` takes `output_hidden_states`, as the models of transformers do. Raises ValueError for a task whose instances
    are several sequences, or are not labelled by classes or numbers.
    """
    if data.sequences != 1 or data.instances:
        raise ValueError(f"{data.task}: its labels are no classes or numbers of a text or word")
    encoder.to(device).eval()
    values: list[np.ndarray] = []
    targets: list[np.ndarray] = []
    places: list[np.ndarray] = []
    for rows in token_batches(data.lengths, BATCH_TOKENS):
        inputs, goal = data.batch(rows, device)
        layers = encoder(**inputs, output_hidden_states=True).hidden_states  # 1 + L, each [B, T, D]
        upper = torch.stack(layers[1 + (len(layers) - 1) // 2 :]).float().mean(0)
        if data.type.word_level:
            labelled = goal != IGNORED  # [B, T]
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
