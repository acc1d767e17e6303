"""Answers to questions as SQuAD compares them (Rajpurkar et al., 2016): in lower case, without punctuation and articles."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np


def best(score: Callable[[str, str], float], gold: Sequence[Sequence[str]], predicted: Sequence[str]) -> float:
    """Mean over instances of the score with the true answer that fits best; "" is the true answer where there is none."""
    return float(np.mean([max(score(g, p) for g in answers or ("",)) for answers, p in zip(gold, predicted, strict=True)]))


def same(gold: str, predicted: str) -> float:
    """Whether they are the same words."""
    return float(_words(gold) == _words(predicted))


def word_f1(gold: str, predicted: str) -> float:
    """F1 of their words."""
    a, b = Counter(_words(gold)), Counter(_words(predicted))
    if not a or not b:
        return float(a == b)
    return 2 * (a & b).total() / (a.total() + b.total())


def _words(text: str) -> list[str]:
    kept = "".join(c for c in text.lower() if c not in string.punctuation)
    return [word for word in kept.split() if word not in ("a", "an", "the")]
