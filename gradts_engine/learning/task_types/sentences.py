"""Task types with one label, number or set of labels for a sentence or a pair of sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from gradts_engine.contracts import Label, Text
from gradts_engine.learning.task_types.heads import SentenceHead
from gradts_engine.learning.task_types.reading import UNKNOWN, class_name, class_names, names_of, number, sentence


class Classification:
    """One class for a sentence or a pair of sentences; cross-entropy."""

    word_level = False

    def read_text(self, values: Sequence[Any]) -> Text:
        """One or two strings, none empty."""
        return tuple(sentence(value) for value in values)

    def read_label(self, value: Any, text: Text) -> Label:
        """A class name."""
        return class_name(value)

    def classes(self, label: Label) -> Iterable[str]:
        """The class itself."""
        return (str(label),)

    def targets(self, label: Label, labels: Sequence[str], word_ids: Sequence[int | None]) -> np.ndarray:
        """Index of the class, a scalar."""
        return np.asarray(labels.index(str(label)) if label in labels else UNKNOWN, np.int64)

    def collate(self, targets: Sequence[np.ndarray], length: int) -> Tensor:
        """[B]."""
        return torch.from_numpy(np.stack(targets))

    def head(self, hidden_size: int, labels: Sequence[str], dropout: float) -> nn.Module:
        """One output a class."""
        head = SentenceHead(hidden_size, len(labels), dropout)
        head.problem_type = "single_label_classification"
        return head

    def loss(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy [B], one output each."""
        loss = functional.cross_entropy(logits.float(), targets, reduction="none")
        return loss, torch.ones_like(loss)

    def predict(self, logits: Tensor, targets: Tensor, labels: Sequence[str]) -> list[Label]:
        """The class with the highest logit."""
        return [labels[i] for i in logits.argmax(-1).tolist()]

    def scores(self, logits: Tensor) -> Tensor:
        """Softmax over the classes."""
        return logits.float().softmax(-1)

    def gold(self, targets: Tensor, labels: Sequence[str]) -> list[Label]:
        """The true class."""
        return ["" if i == UNKNOWN else labels[i] for i in targets.tolist()]


class Regression(Classification):
    """One number for a sentence or a pair of sentences; squared error. Labels stay floats (the published code truncates them)."""

    def read_label(self, value: Any, text: Text) -> Label:
        """A finite number."""
        return number(value)

    def no_label(self, text: Text) -> Label:
        """What stands for the label of a row that is only predicted."""
        return 0.0

    def classes(self, label: Label) -> Iterable[str]:
        """None."""
        return ()

    def targets(self, label: Label, labels: Sequence[str], word_ids: Sequence[int | None]) -> np.ndarray:
        """The number, a scalar."""
        return np.asarray(label, np.float32)

    def head(self, hidden_size: int, labels: Sequence[str], dropout: float) -> nn.Module:
        """One output."""
        head = SentenceHead(hidden_size, 1, dropout)
        head.problem_type = "regression"
        return head

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


class MultiLabel(Classification):
    """Any number of classes for a sentence or a pair of sentences; binary cross-entropy, averaged over the classes."""

    def read_label(self, value: Any, text: Text) -> Label:
        """Class names, each once; none is a label too."""
        names = class_names(value, 'a list of class names, or separator = "|" in [tasks.NAME] for a string with several')
        if len(set(names)) < len(names):
            raise ValueError(f"label {list(names)} names a class twice")
        return names

    def no_label(self, text: Text) -> Label:
        """What stands for the label of a row that is only predicted."""
        return ()

    def classes(self, label: Label) -> Iterable[str]:
        """The classes named."""
        return names_of(label)

    def targets(self, label: Label, labels: Sequence[str], word_ids: Sequence[int | None]) -> np.ndarray:
        """[C]: 1 for each class named, 0 elsewhere."""
        named = names_of(label)
        return np.array([name in named for name in labels], np.float32)

    def head(self, hidden_size: int, labels: Sequence[str], dropout: float) -> nn.Module:
        """One output a class."""
        head = SentenceHead(hidden_size, len(labels), dropout)
        head.problem_type = "multi_label_classification"
        return head

    def loss(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Binary cross-entropy summed over the classes [B], and how many classes there are [B]."""
        loss = functional.binary_cross_entropy_with_logits(logits.float(), targets, reduction="none").sum(1)
        return loss, torch.full_like(loss, targets.shape[1])

    def predict(self, logits: Tensor, targets: Tensor, labels: Sequence[str]) -> list[Label]:
        """Every class that is likelier than not."""
        return self.gold((logits > 0).float(), labels)

    def scores(self, logits: Tensor) -> Tensor:
        """Sigmoid of each class."""
        return logits.float().sigmoid()

    def gold(self, targets: Tensor, labels: Sequence[str]) -> list[Label]:
        """The classes named, in the order of the classes."""
        return [tuple(name for name, here in zip(labels, row, strict=True) if here) for row in targets.tolist()]
