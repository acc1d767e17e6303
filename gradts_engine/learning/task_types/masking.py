"""Which words are missing? Needs no labels, so any text can be an auxiliary task."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from gradts_engine.contracts import Instance, Label, Text, Tokens
from gradts_engine.learning.task_types.heads import MaskedHead
from gradts_engine.learning.task_types.reading import IGNORED, pad_tokens, sentence

SHARE = 0.15
"""Share of an instance's tokens that have to be found."""


class MaskedLanguageModelling:
    """The tokens that were masked (Devlin et al., NAACL 2019): 15% are to be found, of which 80% are replaced by the mask, 10% by
    another token, and 10% stay. Which ones is a function of the instance's text, so that its loss is one too; cross-entropy,
    averaged over the instance's masked tokens."""

    word_level = False
    labelled = False

    def read_text(self, values: Sequence[Any]) -> Text:
        """One or two strings, none empty."""
        return tuple(sentence(value) for value in values)

    def read_label(self, value: Any, text: Text) -> Label:
        """None is needed."""
        return ""

    def classes(self, label: Label) -> Iterable[str]:
        """None: what is to be found is the tokenizer's vocabulary."""
        return ()

    def sequences(self, text: Text) -> int:
        """One."""
        return 1

    def tokenise(self, instance: Instance, labels: Sequence[str], tokenizer: Any, max_length: int, sequences: int) -> Tokens:
        """The text with its mask, and the tokens that were there."""
        if tokenizer.mask_token_id is None:
            raise ValueError("the encoder's tokenizer has no mask token")
        encoding = tokenizer(*([text] for text in instance.text), truncation=True, max_length=max_length)
        (one,) = encoding.encodings
        ids = np.array(one.ids, np.int64)
        text = json.dumps(instance.text).encode()
        rng = np.random.default_rng(int.from_bytes(hashlib.sha256(text).digest()[:8], "big"))
        words = np.flatnonzero(np.array(one.special_tokens_mask) == 0)
        chosen = rng.permutation(words)[: max(1, round(SHARE * len(words)))]
        target = np.full(len(ids), IGNORED, np.int64)
        target[chosen] = ids[chosen]
        fate, other = rng.random(len(chosen)), rng.integers(len(tokenizer), size=len(chosen))
        ids[chosen] = np.where(fate < 0.8, tokenizer.mask_token_id, np.where(fate < 0.9, other, ids[chosen]))
        return Tokens({**encoding.data, "input_ids": [ids.tolist()]}, target, bool(one.overflowing))

    def collate(self, targets: Sequence[np.ndarray], length: int) -> Tensor:
        """[B, T], padded with `IGNORED`."""
        return torch.from_numpy(pad_tokens(targets, length, IGNORED))

    def head_on(self, encoder: nn.Module, hidden_size: int, labels: Sequence[str], dropout: float) -> nn.Module:
        """One output a token of the vocabulary, from the encoder's own embeddings."""
        return MaskedHead(encoder.get_input_embeddings(), hidden_size, dropout)  # type: ignore[operator] # of transformers' classes

    def loss(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy summed over an instance's masked tokens [B], and how many they are [B], at least 1."""
        masked = targets != IGNORED
        each = functional.cross_entropy(logits[masked].float(), targets[masked], reduction="none")
        loss = torch.zeros(len(targets), dtype=each.dtype, device=each.device).index_add(0, masked.nonzero()[:, 0], each)
        return loss, masked.sum(1).clamp(min=1).to(loss.dtype)

    def predict(self, logits: Tensor, targets: Tensor, labels: Sequence[str]) -> list[Label]:
        """The likeliest token for each masked one, as numbers of the vocabulary."""
        return self.gold(torch.where(targets == IGNORED, IGNORED, logits.argmax(-1)), labels)

    def gold(self, targets: Tensor, labels: Sequence[str]) -> list[Label]:
        """The tokens that were there."""
        return [tuple(str(token) for token in row if token != IGNORED) for row in targets.tolist()]
