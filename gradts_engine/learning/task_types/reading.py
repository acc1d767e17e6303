"""What task types have in common when they read a row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from gradts_engine.contracts import Label

IGNORED = -100
"""Target of a token that carries no label: special tokens, padding, later sub-words of a word."""


def sentence(value: Any) -> str:
    """A string that is not empty."""
    if not isinstance(value, str):
        raise ValueError(f"text is {type(value).__name__}, expected a string")
    if not value.strip():
        raise ValueError("text is empty")
    return value


def class_name(value: Any) -> str:
    """Class names are strings; integers and booleans of a data file become their JSON spelling."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | np.integer):
        return str(value)
    if not isinstance(value, str) or not value:
        raise ValueError(f"label {value!r} is not a class name (a string or an integer)")
    return value


def class_names(value: Any, expected: str) -> tuple[str, ...]:
    """Several class names; `expected` says what a list would have to be."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ValueError(f"label is {type(value).__name__}, expected {expected}")
    return tuple(class_name(name) for name in value)


def names_of(label: Label) -> tuple[str, ...]:
    """The class names of a label that has several."""
    assert isinstance(label, tuple)
    return tuple(map(str, label))


def pad_tokens(targets: Sequence[np.ndarray], length: int, filler: int) -> np.ndarray:
    """Targets with one entry a token, [B, T], the missing ones `filler`."""
    out = np.full((len(targets), length), filler, np.int64)
    for row, target in zip(out, targets, strict=True):
        row[: len(target)] = target
    return out
