"""One shared encoder with a head for every task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from gradts_engine.contracts import OwnHead, PlainHead, TaskType
from gradts_engine.learning import families
from gradts_engine.learning.randomness import own_randomness


class MultiTaskModel(nn.Module):
    """`encoder` is any module whose output has `last_hidden_state` [B, T, D]; `heads` maps a task's name to its head."""

    def __init__(self, encoder: nn.Module, heads: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.encoder = encoder
        # A list, since task names may hold dots, which nn.ModuleDict refuses.
        self.heads = nn.ModuleList(heads.values())
        self.tasks = tuple(heads)

    def head(self, task: str) -> nn.Module:
        """The head of one task."""
        return self.heads[self.tasks.index(task)]

    def states(self, task: str, inputs: Mapping[str, Tensor]) -> Tensor:
        """Last hidden states as the head of a task takes them: [B, T, D], or [B, 1, D] where it reads the first token alone."""
        with families.first_token_alone(self.encoder) if getattr(self.head(task), "first_token", False) else nullcontext():
            states: Tensor = self.encoder(**inputs).last_hidden_state
        return states

    def forward(self, task: str, inputs: Mapping[str, Tensor]) -> Tensor:
        """Logits of one task for a batch of its inputs."""
        logits: Tensor = self.head(task)(self.states(task, inputs))
        return logits


def make_head(
    task_type: TaskType, encoder: nn.Module, hidden_size: int, labels: Sequence[str], dropout: float, seed: int
) -> nn.Module:
    """A task type's head for an encoder, its weights a function of `seed`."""
    with own_randomness(seed):
        if isinstance(task_type, OwnHead):
            head = task_type.head_on(encoder, hidden_size, labels, dropout)
        elif isinstance(task_type, PlainHead):
            head = task_type.head(hidden_size, labels, dropout)
        else:
            raise TypeError(f"task type {type(task_type).__name__} has neither head nor head_on")
    return initialise_head(head, seed)


def initialise_head(head: nn.Module, seed: int) -> nn.Module:
    """Normal weights with deviation 0.02 and zero biases, as BERT's heads start; a function of `seed` alone, drawn from a
    generator of its own, so that trainings in several threads do not disturb each other."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.zero_() if parameter.ndim < 2 else parameter.normal_(0.0, 0.02, generator=generator)
    return head
