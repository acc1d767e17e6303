"""Kinds of task. Shapes: B instances, T tokens, D hidden size, C outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from gradts_engine.contracts.data import Instance, Label, Text

if TYPE_CHECKING:
    import numpy as np
    import torch


class TaskType(Protocol):
    """How one kind of task is read, modelled, trained and judged. Shapes: B instances, T tokens, D hidden size, C outputs.

    A task type is also `PlainInputs` or `OwnInputs`, and `PlainHead` or `OwnHead`; it may be `TextAnswers`, and says
    `labelled = False` where its rows need no label.
    """

    word_level: bool
    """Whether the text is a list of words with one label each (inputs are then split by word)."""

    def read_text(self, values: Sequence[Any]) -> Text:
        """The text columns of a row as `Text`; raises ValueError with what is wrong."""

    def read_label(self, value: Any, text: Text) -> Label:
        """The label of a row; raises ValueError with what is wrong."""

    def classes(self, label: Label) -> Iterable[str]:
        """The class names that a label uses (none for a number)."""

    def collate(self, targets: Sequence[np.ndarray], length: int) -> torch.Tensor:
        """Targets of a batch, padded to `length` tokens where there is one entry a token."""

    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Summed loss [B] and number of scored outputs [B] of each instance: an instance's loss is their quotient, a batch's
        loss the quotient of their sums."""

    def predict(self, logits: torch.Tensor, targets: torch.Tensor, labels: Sequence[str]) -> list[Label]:
        """Predicted labels of a batch, words whose first token was truncated left out."""

    def gold(self, targets: torch.Tensor, labels: Sequence[str]) -> list[Label]:
        """True labels of a batch, in the same form as `predict`."""


@runtime_checkable
class PlainInputs(Protocol):
    """What most task types have besides: their texts are tokenised as they are."""

    def targets(self, label: Label, labels: Sequence[str], word_ids: Sequence[int | None]) -> np.ndarray:
        """What the loss needs of one instance: a scalar array, or one entry a token; `word_ids[t]` is token t's word."""


class Tokens(NamedTuple):
    """An instance as a task type has tokenised it: one list a sequence for each input, what the loss needs, whether a text was
    cut."""

    inputs: Mapping[str, Sequence[Sequence[int]]]
    target: np.ndarray
    truncated: bool


@runtime_checkable
class OwnInputs(Protocol):
    """What a task type has instead of `PlainInputs` where that does not do: several sequences an instance, changed tokens, or
    targets that depend on where a token is in its text.

    A head then gets hidden states [B * K, T, D] and gives logits [B * K, ...], the K sequences of an instance next to each other.
    """

    def sequences(self, text: Text) -> int:
        """How many sequences an instance has; K is the largest number in a split."""

    def tokenise(self, instance: Instance, labels: Sequence[str], tokenizer: Any, max_length: int, sequences: int) -> Tokens:
        """An instance as exactly `sequences` sequences, whatever it has by itself: the loss must not depend on those added."""


@runtime_checkable
class PlainHead(Protocol):
    """What most task types have besides."""

    def head(self, hidden_size: int, labels: Sequence[str], dropout: float) -> torch.nn.Module:
        """A module from hidden states [B, T, D] to logits [B, C] or [B, T, C], its weights not yet initialised.

        One that reads the first token alone says so with an attribute `first_token = True`; it may then get [B, 1, D].
        """


@runtime_checkable
class OwnHead(Protocol):
    """What a task type has instead of `PlainHead` whose head needs to know the encoder."""

    def head_on(self, encoder: torch.nn.Module, hidden_size: int, labels: Sequence[str], dropout: float) -> torch.nn.Module:
        """As `PlainHead.head`."""


@runtime_checkable
class ClassScores(Protocol):
    """What a task type has besides for metrics that are made of scores (`roc_auc`, `average_precision`)."""

    def scores(self, logits: torch.Tensor) -> torch.Tensor:
        """How likely each class is, [B, C]."""


@runtime_checkable
class TextAnswers(Protocol):
    """What a task type has besides whose answers are parts of a text."""

    def answers(
        self, logits: torch.Tensor, targets: torch.Tensor, instances: Sequence[Instance]
    ) -> tuple[list[Label], list[Label]]:
        """True and predicted answers of a batch."""


@dataclass(frozen=True, kw_only=True)
class TaskTypeSpec:
    """A kind of task. `metrics[0]` is the default main metric; `texts` says how many text columns are allowed. `version` is
    raised when it computes something else from the same data, as that of every other specification."""

    name: str
    metrics: tuple[str, ...]
    texts: tuple[int, ...]
    load: Callable[[], TaskType]
    version: int = 1
    description: str = ""
