"""The task types that come with the engine. The contract, with shapes, is `gradts_engine.contracts.TaskType`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from gradts_engine.contracts import Label, Text

IGNORED = -100
"""Target of a token that carries no label: special tokens, padding, later sub-words of a word."""


class SentenceHead(nn.Module):
    """Dropout, dense + tanh on the first token's state, dropout, linear: [B, T, D] to [B, C]."""

    def __init__(self, hidden_size: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.dense = nn.utils.skip_init(nn.Linear, hidden_size, hidden_size)
        self.out = nn.utils.skip_init(nn.Linear, hidden_size, outputs)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits [B, C] of hidden states [B, T, D]."""
        pooled = torch.tanh(self.dense(self.dropout(hidden[:, 0])))
        return self.out(self.dropout(pooled))  # type: ignore[no-any-return]


class TokenHead(nn.Module):
    """Dropout, linear: [B, T, D] to [B, T, C]."""

    def __init__(self, hidden_size: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.out = nn.utils.skip_init(nn.Linear, hidden_size, outputs)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits [B, T, C] of hidden states [B, T, D]."""
        return self.out(self.dropout(hidden))  # type: ignore[no-any-return]


def _sentence(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"text is {type(value).__name__}, expected a string")
    if not value.strip():
        raise ValueError("text is empty")
    return value


def _class_name(value: Any) -> str:
    """Class names are strings; integers and booleans of a data file become their JSON spelling."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | np.integer):
        return str(value)
    if not isinstance(value, str) or not value:
        raise ValueError(f"label {value!r} is not a class name (a string or an integer)")
    return value


class Classification:
    """One class for a sentence or a pair of sentences; cross-entropy."""

    word_level = False

    def read_text(self, values: Sequence[Any]) -> Text:
        """One or two strings, none empty."""
        return tuple(_sentence(value) for value in values)

    def read_label(self, value: Any, text: Text) -> Label:
        """A class name."""
        return _class_name(value)

    def classes(self, label: Label) -> Iterable[str]:
        """The class itself."""
        return (str(label),)

    def targets(self, label: Label, labels: Sequence[str], word_ids: Sequence[int | None]) -> np.ndarray:
        """Index of the class, a scalar."""
        return np.asarray(labels.index(str(label)), np.int64)

    def collate(self, targets: Sequence[np.ndarray], length: int) -> Tensor:
        """[B]."""
        return torch.from_numpy(np.stack(targets))

    def head(self, hidden_size: int, labels: Sequence[str], dropout: float) -> nn.Module:
        """One output a class."""
        return SentenceHead(hidden_size, len(labels), dropout)

    def loss(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy [B], one output each."""
        loss = functional.cross_entropy(logits.float(), targets, reduction="none")
        return loss, torch.ones_like(loss)

    def predict(self, logits: Tensor, targets: Tensor, labels: Sequence[str]) -> list[Label]:
        """The class with the highest logit."""
        return [labels[i] for i in logits.argmax(-1).tolist()]

    def gold(self, targets: Tensor, labels: Sequence[str]) -> list[Label]:
        """The true class."""
        return [labels[i] for i in targets.tolist()]


class Regression(Classification):
    """One number for a sentence or a pair of sentences; squared error. Labels stay floats (the published code truncates them)."""

    def read_label(self, value: Any, text: Text) -> Label:
        """A finite number."""
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"label {value!r} is not a number") from None
        if isinstance(value, bool) or not math.isfinite(number):
            raise ValueError(f"label {value!r} is not a finite number")
        return number

    def classes(self, label: Label) -> Iterable[str]:
        """None."""
        return ()

    def targets(self, label: Label, labels: Sequence[str], word_ids: Sequence[int | None]) -> np.ndarray:
        """The number, a scalar."""
        return np.asarray(label, np.float32)

    def head(self, hidden_size: int, labels: Sequence[str], dropout: float) -> nn.Module:
        """One output."""
        return SentenceHead(hidden_size, 1, dropout)

    def loss(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Squared error [B], one output each."""
        loss = functional.mse_loss(logits.float()[:, 0], targets, reduction="none")
        return loss, torch.ones_like(loss)

    def predict(self, logits: Tensor, targets: Tensor, labels: Sequence[str]) -> list[Label]:
        """The output itself."""
        return list(logits[:, 0].float().tolist())

    def gold(self, targets: Tensor, labels: Sequence[str]) -> list[Label]:
        """The true number."""
        return list(targets.tolist())


class TokenClassification:
    """One class for every word, read off its first sub-word; cross-entropy, averaged over an instance's words."""

    word_level = True

    def read_text(self, values: Sequence[Any]) -> Text:
        """A list of words, none empty."""
        (words,) = values
        if isinstance(words, str) or not isinstance(words, Iterable):
            raise ValueError(f"text is {type(words).__name__}, expected a list of words")
        words = tuple(words)
        if not words:
            raise ValueError("text is empty")
        if not all(isinstance(word, str) and word for word in words):
            raise ValueError("a word is empty or not a string")
        return words

    def read_label(self, value: Any, text: Text) -> Label:
        """As many class names as words."""
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise ValueError(f"label is {type(value).__name__}, expected a list with one label a word")
        names = tuple(_class_name(name) for name in value)
        if len(names) != len(text):
            raise ValueError(f"{len(text)} words but {len(names)} labels")
        return names

    def classes(self, label: Label) -> Iterable[str]:
        """The classes of its words."""
        assert isinstance(label, tuple)
        return label

    def targets(self, label: Label, labels: Sequence[str], word_ids: Sequence[int | None]) -> np.ndarray:
        """[T]: a class index at each word's first sub-word, `IGNORED` elsewhere."""
        assert isinstance(label, tuple)
        index = {name: i for i, name in enumerate(labels)}
        out = np.full(len(word_ids), IGNORED, np.int64)
        before: int | None = None
        for t, word in enumerate(word_ids):
            if word is not None and word != before:
                out[t] = index[label[word]]
            before = word
        return out

    def collate(self, targets: Sequence[np.ndarray], length: int) -> Tensor:
        """[B, T], padded with `IGNORED`."""
        out = np.full((len(targets), length), IGNORED, np.int64)
        for row, target in zip(out, targets, strict=True):
            row[: len(target)] = target
        return torch.from_numpy(out)

    def head(self, hidden_size: int, labels: Sequence[str], dropout: float) -> nn.Module:
        """One output a class and token."""
        return TokenHead(hidden_size, len(labels), dropout)

    def loss(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy summed over an instance's words [B], and how many words there are [B], at least 1."""
        loss = functional.cross_entropy(logits.float().transpose(1, 2), targets, ignore_index=IGNORED, reduction="none")
        return loss.sum(1), (targets != IGNORED).sum(1).clamp(min=1).to(loss.dtype)

    def predict(self, logits: Tensor, targets: Tensor, labels: Sequence[str]) -> list[Label]:
        """The class with the highest logit for every word that was not truncated."""
        return self.gold(torch.where(targets == IGNORED, IGNORED, logits.argmax(-1)), labels)

    def gold(self, targets: Tensor, labels: Sequence[str]) -> list[Label]:
        """The true classes."""
        return [tuple(labels[i] for i in row if i != IGNORED) for row in targets.tolist()]
