"""Which of several candidates answers a query best?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from gradts_engine.contracts import Instance, Label, Text, Tokens
from gradts_engine.learning.task_types.heads import SentenceHead
from gradts_engine.learning.task_types.reading import sentence, several


class Ranking:
    """The best of the candidates for a query: each is read together with the query and gets a score, and the loss is the
    cross-entropy over the scores of one query's candidates (Burges et al., ICML 2005; MT-DNN's pairwise ranking of QNLI)."""

    word_level = False

    def read_text(self, values: Sequence[Any]) -> Text:
        """A query, and a list of two candidates or more."""
        query, candidates = values
        texts = (sentence(query), *map(sentence, several(candidates, "candidates are {}, expected a list of texts")))
        if len(texts) < 3:
            raise ValueError(f"{len(texts) - 1} candidates, expected at least 2")
        return texts

    def read_label(self, value: Any, text: Text) -> Label:
        """The position of the best candidate from 0, or a list with a score a candidate, of which the first highest counts."""
        if isinstance(value, Sequence) and not isinstance(value, str):
            finite = all(isinstance(score, int | float) and abs(score) < math.inf for score in value)
            if len(value) != len(text) - 1 or not finite:
                raise ValueError(f"label {value!r} is not a finite number for each of {len(text) - 1} candidates")
            value = int(np.argmax(value))
        if isinstance(value, str) and value.isdecimal():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 0 <= value < len(text) - 1:
            raise ValueError(f"label {value!r} is not the position of one of {len(text) - 1} candidates, from 0")
        return str(value)

    def no_label(self, text: Text) -> Label:
        """What stands for the label of a row that is only predicted."""
        return "0"

    def classes(self, label: Label) -> Iterable[str]:
        """None: candidates have no names."""
        return ()

    def sequences(self, text: Text) -> int:
        """One for each candidate."""
        return len(text) - 1

    def tokenise(self, instance: Instance, labels: Sequence[str], tokenizer: Any, max_length: int, sequences: int) -> Tokens:
        """Query and candidate, candidate by candidate; the first one again in place of those that this query lacks."""
        query, *candidates = instance.text
        count = len(candidates)
        candidates += candidates[:1] * (sequences - count)
        encoding = tokenizer([query] * sequences, candidates, truncation=True, max_length=max_length)
        target = np.array([int(str(instance.label)), count], np.int64)
        return Tokens(encoding.data, target, any(e.overflowing for e in encoding.encodings))

    def collate(self, targets: Sequence[np.ndarray], length: int) -> Tensor:
        """[B, 2]: the best candidate's position, and how many there are."""
        return torch.from_numpy(np.stack(targets))

    def head(self, hidden_size: int, labels: Sequence[str], dropout: float) -> nn.Module:
        """One score a candidate."""
        return SentenceHead(hidden_size, 1, dropout)

    def loss(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy over a query's candidates [B], one output each; `logits` [B * candidates, 1]."""
        loss = functional.cross_entropy(self._scores(logits, targets), targets[:, 0], reduction="none")
        return loss, torch.ones_like(loss)

    def predict(self, logits: Tensor, targets: Tensor, labels: Sequence[str]) -> list[Label]:
        """The candidate with the highest score."""
        return [str(best) for best in self._scores(logits, targets).argmax(1).tolist()]

    def gold(self, targets: Tensor, labels: Sequence[str]) -> list[Label]:
        """The best candidate."""
        return [str(best) for best in targets[:, 0].tolist()]

    def _scores(self, logits: Tensor, targets: Tensor) -> Tensor:
        """[B, candidates], -inf where there is no candidate."""
        scores = logits.float().view(len(targets), -1)
        absent = torch.arange(scores.shape[1], device=scores.device) >= targets[:, 1:]
        return scores.masked_fill(absent, -torch.inf)
