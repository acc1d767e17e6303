"""What task types have in common when they read a row."""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from gradts_engine.contracts import Label

IGNORED = -100
"""Target of a token that carries no label: special tokens, padding, later sub-words of a word."""


UNKNOWN = -101
"""Target of a class that the model has no output for, which only rows that are not trained with may have, and of a word without
a label."""


def sentence(value: Any) -> str:
    """A string that is not empty."""
    if not isinstance(value, str):
        raise ValueError(f"text is {type(value).__name__}, expected a string")
    if not value.strip():
        raise ValueError("text is empty")
    return value


def class_name(value: Any) -> str:
    """Class names are strings; whole numbers and booleans of a data file become their JSON spelling. So do floats that are whole,
    which integers become in tables where one is missing."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | np.integer) or (isinstance(value, float) and value.is_integer()):
        return str(int(value))
    if not isinstance(value, str) or not value:
        raise ValueError(f"label {value!r} is not a class name (a string or an integer)")
    return value


ITEM = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[-+.\w]+"""
PRINTED = re.compile(rf"\[\s*(?:(?:{ITEM})\s*(?:,\s*(?:{ITEM})\s*)*)?\]")


def listed(value: Any) -> Any:
    """A list that a table holds as a string, as JSON and Python print it, or whatever else `value` is."""
    if not isinstance(value, str) or not value.strip().startswith("["):
        return value
    text = value.strip()
    if PRINTED.fullmatch(text):
        for parse in (json.loads, ast.literal_eval):
            with suppress(ValueError, SyntaxError):
                return parse(text)
    if text.startswith(("['", '["')):
        raise _printed(text)
    return value


def _printed(text: str) -> ValueError:
    return ValueError(f"{text[:40]!r} looks like a printed array, expected a JSON list or words between blanks")


def words(value: Any, expected: str = "") -> tuple[Any, ...]:
    """Words, of a list, of a string that is one printed, or between blanks; `expected` says what a list would have to be."""
    value = listed(value)
    return tuple(value.split()) if isinstance(value, str) else several(value, expected)


def labels_of_words(value: Any) -> tuple[Any, ...]:
    """The labels of words. In brackets they are no words between blanks: numpy prints `[3 0 7]`."""
    if isinstance(listed(value), str) and re.fullmatch(r"\[[^\]]*\]", value.strip()):
        raise _printed(value.strip())
    return words(value, "label is {}, expected a list with one label a word")


def several(value: Any, expected: str) -> tuple[Any, ...]:
    """The values of a list, or of what is like one; `expected` is what is said of anything else, with the name of its type. An
    object has names, not values: {"toxic": 0, "insult": 1}."""
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        raise ValueError(expected.format(type(value).__name__))
    return tuple(value)


def number(value: Any) -> float:
    """A finite number, as JSON spells it; not all that Python takes for one (`1_000`, `１`, `inf`)."""
    try:
        spelt = not isinstance(value, str) or NUMBER.fullmatch(value.strip())
        found = float(value) if spelt else None
    except (TypeError, ValueError, OverflowError):
        found = None
    if found is None:
        raise ValueError(f"label {value!r} is not a number")
    if isinstance(value, bool) or not math.isfinite(found):
        raise ValueError(f"label {value!r} is not a finite number")
    return found


NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def class_names(value: Any, expected: str) -> tuple[str, ...]:
    """Several class names; `expected` says what a list would have to be."""
    return tuple(class_name(name) for name in several(listed(value), f"label is {{}}, expected {expected}"))


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
