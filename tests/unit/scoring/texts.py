"""Texts of several kinds, encoded."""

from collections.abc import Mapping
from typing import Any

from gradts_engine.contracts import Instance
from gradts_engine.learning.batches import Encoded, encode
from gradts_engine.learning.encoders import Encoder
from gradts_engine.learning.task_types import Classification, Regression, TokenClassification

TEXTS = [
    "bread",
    "a kilo of ripe tomatoes, and nothing else",
    "she sells sea shells by the sea shore; the shells she sells are sea shells for sure",
    "where to",
    "no: it rained all day",
]
INSTANCES: Mapping[str, tuple[Any, list[Instance]]] = {
    "single": (Classification(), [Instance(i, (text,), "abc"[i % 3]) for i, text in enumerate(TEXTS)]),
    "pair": (Classification(), [Instance(i, (text, TEXTS[-i]), "abc"[i % 2]) for i, text in enumerate(TEXTS)]),
    "number": (Regression(), [Instance(i, (text,), i - 1.5) for i, text in enumerate(TEXTS)]),
    "words": (
        TokenClassification(),
        [Instance(i, (*words,), tuple("abc"[len(word) % 3] for word in words)) for i, words in enumerate(map(str.split, TEXTS))],
    ),
}


def encoded(encoder: Encoder, kind: str) -> Encoded:
    task_type, instances = INSTANCES[kind]
    tokenizer = encoder.tokenizer_for(task_type.word_level)
    return encode("task", task_type, () if kind == "number" else ("a", "b", "c"), instances, tokenizer, 40)
