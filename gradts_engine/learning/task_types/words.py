"""A label for every word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from gradts_engine.contracts import Label, Text
from gradts_engine.learning.classes import is_missing
from gradts_engine.learning.task_types.heads import TokenHead
from gradts_engine.learning.task_types.reading import IGNORED, UNKNOWN, class_name, labels_of_words, names_of, pad_tokens, words


class TokenClassification:
    """One class for every word, read off its first sub-word; cross-entropy, averaged over an instance's words."""

    word_level = True

    def read_text(self, values: Sequence[Any]) -> Text:
        """A list of words, none empty, or a string with blanks between them."""
        (value,) = values
        text = words(value, "text is {}, expected a list of words")
        if not text:
            raise ValueError("text is empty")
        if not all(isinstance(word, str) and word for word in text):
            raise ValueError("a word is empty or not a string")
        return text

    def read_label(self, value: Any, text: Text) -> Label:
        """As many class names as words, "" for a word without a label."""
        names = tuple("" if is_missing(name) else class_name(name) for name in labels_of_words(value))
        if len(names) != len(text):
            raise ValueError(f"{len(text)} words but {len(names)} labels")
        return names

    def no_label(self, text: Text) -> Label:
        """What stands for the label of a row that is only predicted."""
        return ("",) * len(text)

    def classes(self, label: Label) -> Iterable[str]:
        """The classes of its words that have one."""
        return [name for name in names_of(label) if name]

    def targets(self, label: Label, labels: Sequence[str], word_ids: Sequence[int | None]) -> np.ndarray:
        """[T]: a class index at each word's first sub-word, `IGNORED` elsewhere."""
        names = names_of(label)
        index = {name: i for i, name in enumerate(labels)}
        out = np.full(len(word_ids), IGNORED, np.int64)
        before: int | None = None
        for t, word in enumerate(word_ids):
            if word is not None and word != before:
                out[t] = index.get(names[word], UNKNOWN)
            before = word
        return out

    def collate(self, targets: Sequence[np.ndarray], length: int) -> Tensor:
        """[B, T], padded with `IGNORED`."""
        return torch.from_numpy(pad_tokens(targets, length, IGNORED))

    def head(self, hidden_size: int, labels: Sequence[str], dropout: float) -> nn.Module:
        """One output a class and token."""
        return TokenHead(hidden_size, len(labels), dropout)

    def loss(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy summed over an instance's words [B], and how many words there are [B], at least 1; words without a label
        do not count."""
        targets = targets.masked_fill(targets == UNKNOWN, IGNORED)
        loss = functional.cross_entropy(logits.float().transpose(1, 2), targets, ignore_index=IGNORED, reduction="none")
        return loss.sum(1), (targets != IGNORED).sum(1).clamp(min=1).to(loss.dtype)

    def predict(self, logits: Tensor, targets: Tensor, labels: Sequence[str]) -> list[Label]:
        """The class with the highest logit for every word that was not truncated."""
        return self.gold(torch.where(targets == IGNORED, IGNORED, logits.argmax(-1)), labels)

    def gold(self, targets: Tensor, labels: Sequence[str]) -> list[Label]:
        """The true classes."""
        return [tuple("" if i == UNKNOWN else labels[i] for i in row if i != IGNORED) for row in targets.tolist()]
