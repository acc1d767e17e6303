"""Heads: from the encoder's hidden states [B, T, D] to the logits of a task."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SentenceHead(nn.Module):
    """Dropout, dense + tanh on the first token's state, dropout, linear: [B, T, D] to [B, C]."""

    first_token = True

    def __init__(self, hidden_size: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.dense = nn.utils.skip_init(nn.Linear, hidden_size, hidden_size)
        self.out = nn.utils.skip_init(nn.Linear, hidden_size, outputs)
        self.dropout = nn.Dropout(dropout)
        self.problem_type: str | None = None  # as transformers calls it, which takes a loss after it

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits [B, C] of hidden states [B, T, D]."""
        pooled = torch.tanh(self.dense(self.dropout(hidden[:, 0])))
        logits: Tensor = self.out(self.dropout(pooled))
        return logits


class TokenHead(nn.Module):
    """Dropout, linear: [B, T, D] to [B, T, C]."""

    def __init__(self, hidden_size: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.out = nn.utils.skip_init(nn.Linear, hidden_size, outputs)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits [B, T, C] of hidden states [B, T, D]."""
        logits: Tensor = self.out(self.dropout(hidden))
        return logits


class SpanHead(TokenHead):
    """Two outputs a token, how well an answer starts and ends with it: [B, T, D] to [B, T, 2]."""


class MaskedHead(nn.Module):
    """Dropout, dense, GELU, normalisation, and the product with the encoder's own embeddings of the vocabulary: [B, T, D] to
    [B, T, V]. The embeddings stay the encoder's: they are no parameters of the head."""

    def __init__(self, embeddings: nn.Embedding, hidden_size: int, dropout: float) -> None:
        super().__init__()
        self.embeddings = (embeddings,)  # in a tuple, since a module that is an attribute would become part of the head
        self.dense = nn.utils.skip_init(nn.Linear, hidden_size, embeddings.embedding_dim)
        self.bias = nn.Parameter(torch.empty(embeddings.num_embeddings))
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits [B, T, V] of hidden states [B, T, D]."""
        weight = self.embeddings[0].weight
        states = nn.functional.gelu(self.dense(self.dropout(hidden)))
        return nn.functional.linear(nn.functional.layer_norm(states, states.shape[-1:]), weight, self.bias)
