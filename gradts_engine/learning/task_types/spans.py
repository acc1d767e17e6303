"""Which part of a text answers a question?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from gradts_engine.contracts import Answer, Instance, Label, Text, Tokens
from gradts_engine.learning.task_types.heads import SpanHead
from gradts_engine.learning.task_types.reading import sentence

MAY, START, END = 1, 2, 4
"""Bits of a token's target: it may be part of an answer; the first answer starts with it; the first answer ends with it."""
LONGEST = 30
"""Tokens of the longest answer that is given."""


class Spans:
    """An answer is a part of a context, or nothing, which the first token stands for (Rajpurkar et al., EMNLP 2016 and ACL 2018).
    The loss is the mean of the cross-entropies of the first answer's start and end over the tokens of the context. An answer that
    was cut off at the length limit counts as nothing."""

    word_level = False

    def read_text(self, values: Sequence[Any]) -> Text:
        """A question and a context."""
        question, context = values
        return sentence(question), sentence(context)

    def read_label(self, value: Any, text: Text) -> Label:
        """`{"text": [...], "answer_start": [...]}` as in SQuAD, starts in characters; empty lists where there is no answer."""
        if not isinstance(value, Mapping) or not {"text", "answer_start"} <= set(value):
            raise ValueError('label is not an answer such as {"text": ["Rome"], "answer_start": [12]}')
        texts, starts = value["text"], value["answer_start"]
        lists = all(isinstance(part, Sequence) and not isinstance(part, str) for part in (texts, starts))
        if not lists or len(texts) != len(starts):
            raise ValueError("text and answer_start of an answer are not lists of one length")
        for answer, start in zip(texts, starts, strict=True):
            if not isinstance(answer, str) or not answer or not isinstance(start, int) or isinstance(start, bool):
                raise ValueError(f"answer {answer!r} at {start!r} is not a text and a position")
            if start < 0 or text[1][start : start + len(answer)] != answer:
                raise ValueError(f"answer {answer!r} is not what the context has at {start}")
        return tuple(Answer(answer, start) for answer, start in zip(texts, starts, strict=True))

    def no_label(self, text: Text) -> Label:
        """What stands for the label of a row that is only predicted."""
        return ()

    def classes(self, label: Label) -> Iterable[str]:
        """None."""
        return ()

    def sequences(self, text: Text) -> int:
        """One."""
        return 1

    def tokenise(self, instance: Instance, labels: Sequence[str], tokenizer: Any, max_length: int, sequences: int) -> Tokens:
        """Question and context; of what is too long the context is cut."""
        try:
            encoding = tokenizer([instance.text[0]], [instance.text[1]], truncation="only_second", max_length=max_length)
        except Exception:  # a question that alone is too long
            encoding = tokenizer([instance.text[0]], [instance.text[1]], truncation=True, max_length=max_length)
        (one,) = encoding.encodings
        bits = np.array([MAY if sequence == 1 else 0 for sequence in one.sequence_ids], np.int64)
        bits[0] = MAY
        start, end = _tokens(instance.label, one)
        bits[start] |= START
        bits[end] |= END
        target = np.column_stack([bits, np.array(one.offsets, np.int64)])
        return Tokens(encoding.data, target, bool(one.overflowing))

    def collate(self, targets: Sequence[np.ndarray], length: int) -> Tensor:
        """[B, T, 3]: a token's bits, its first character, and the one after its last."""
        out = np.zeros((len(targets), length, 3), np.int64)
        for row, target in zip(out, targets, strict=True):
            row[: len(target)] = target
        return torch.from_numpy(out)

    def head(self, hidden_size: int, labels: Sequence[str], dropout: float) -> nn.Module:
        """Two outputs a token: start and end."""
        return SpanHead(hidden_size, 2, dropout)

    def loss(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Sum of the cross-entropies of start and end [B], two outputs each."""
        scores = _scores(logits, targets)
        start, end = _places(targets)
        loss = functional.cross_entropy(scores[:, 0], start, reduction="none")
        loss = loss + functional.cross_entropy(scores[:, 1], end, reduction="none")
        return loss, torch.full_like(loss, 2)

    def predict(self, logits: Tensor, targets: Tensor, labels: Sequence[str]) -> list[Label]:
        """First and last token of the likeliest span, `0 0` for no answer."""
        return [f"{start} {end}" for start, end in _best(logits, targets)]

    def gold(self, targets: Tensor, labels: Sequence[str]) -> list[Label]:
        """First and last token of the first answer."""
        starts, ends = _places(targets)
        return [f"{start} {end}" for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]

    def answers(self, logits: Tensor, targets: Tensor, instances: Sequence[Instance]) -> tuple[list[Label], list[Label]]:
        """True answers (all of an instance's) and the predicted one, as texts."""
        gold: list[Label] = []
        predicted: list[Label] = []
        for (start, end), instance, tokens in zip(_best(logits, targets), instances, targets.tolist(), strict=True):
            assert isinstance(instance.label, tuple)
            gold.append(tuple(answer.text for answer in instance.label if isinstance(answer, Answer)))
            predicted.append(instance.text[1][tokens[start][1] : tokens[end][2]] if end else "")
        return gold, predicted


def _tokens(label: Label, encoding: Any) -> tuple[int, int]:
    """First and last token of the first answer; the first token of all where there is none, or where it was cut off. Of some
    characters there is no token: blanks around an answer, marks that a tokenizer drops."""
    if not label:
        return 0, 0
    assert isinstance(label, tuple)
    answer = label[0]
    assert isinstance(answer, Answer)
    after = answer.start + len(answer.text)
    read = max((end for (_, end), part in zip(encoding.offsets, encoding.sequence_ids, strict=True) if part == 1), default=0)
    if encoding.overflowing and after > read:
        return 0, 0
    found = [token for at in range(answer.start, after) if (token := encoding.char_to_token(at, 1)) is not None]
    return (found[0], found[-1]) if found else (0, 0)


def _places(targets: Tensor) -> tuple[Tensor, Tensor]:
    """First and last token of the first answer, [B] each."""
    bits = targets[:, :, 0]
    return ((bits & START) > 0).int().argmax(1), ((bits & END) > 0).int().argmax(1)


def _scores(logits: Tensor, targets: Tensor) -> Tensor:
    """Scores of starts and ends [B, 2, T], -inf for tokens that can be neither."""
    return logits.float().transpose(1, 2).masked_fill((targets[:, :, 0] & MAY).unsqueeze(1) == 0, -torch.inf)


def _best(logits: Tensor, targets: Tensor) -> list[tuple[int, int]]:
    """The span with the highest sum of start and end, of at most `LONGEST` tokens; the first token only by itself."""
    scores = _scores(logits, targets)
    pairs = scores[:, 0].unsqueeze(2) + scores[:, 1].unsqueeze(1)  # [B, T, T]
    length = pairs.shape[1]
    possible = torch.ones(length, length, dtype=torch.bool, device=pairs.device).triu().tril(LONGEST - 1)
    possible[0, 1:] = False
    best = pairs.masked_fill(~possible, -torch.inf).flatten(1).argmax(1)
    return [divmod(place, length) for place in best.tolist()]
