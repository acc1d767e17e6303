"""Mean encoder states: the plainest answer to "which tasks have similar texts?", kept as a baseline."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from gradts_engine.learning.batches import Encoded, token_batches

BATCH_TOKENS = 4000
"""Padded tokens in a batch."""


@torch.inference_mode()
def mean_state(encoder: nn.Module, data: Encoded, device: str) -> np.ndarray:
    """Mean over instances of the mean of an instance's last hidden states, float32 [D]."""
    encoder.to(device).eval()
    total: Any = 0.0
    count = 0
    for rows in token_batches(data.lengths, BATCH_TOKENS):
        inputs, _ = data.batch(rows, device)
        hidden = encoder(**inputs).last_hidden_state  # [B, T, D]
        mask = inputs["attention_mask"].unsqueeze(-1).to(hidden.dtype)
        total = total + ((hidden * mask).sum(1) / mask.sum(1)).double().sum(0)
        count += len(hidden)
    mean: np.ndarray = (total / count).float().cpu().numpy()
    return mean
