"""What the labels of a task mean: which classes there are and in what order, which rows have no label, and what looks wrong."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from gradts_engine.contracts import Instance, Label
from gradts_engine.printing import printable

NO_LABEL = "-1"
"""Stands for "no label" in data sets that have to put something there, unless a task's `labels` name it as a class."""
SHOWN = 5
"""Classes that a message names; the others are counted."""

Names = Callable[[Label], Sequence[str]]
"""The class names of a label."""


def is_missing(value: Any) -> bool:
    """Whether a label's value is one that files have where there is none: null, NaN, an empty field."""
    return value is None or (isinstance(value, float) and math.isnan(value)) or (isinstance(value, str) and not value.strip())


def is_no_label(name: Any) -> bool:
    """Whether a label, or a class name, is -1."""
    return not isinstance(name, bool) and str(name).strip() in (NO_LABEL, f"{NO_LABEL}.0")


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Class names sorted: by value where all are numbers (0, 1, 2, 10), else by their letters."""
    names = sorted(names)
    values = [_number(name) for name in names]
    return tuple(names if None in values else sorted(names, key=lambda name: _number(name) or 0.0))


def _number(name: str) -> float | None:
    """The value of a name that is written as a decimal number; "1_000", "inf" and "0x1" are not."""
    digits = name.strip().removeprefix("-").replace(".", "", 1)
    return float(name) if digits.isascii() and digits.isdigit() else None


def spelling(name: str) -> str:
    """A class name without what spellings differ in: case, white space, Unicode form, invisible characters, forms of a number."""
    plain = "".join(c for c in unicodedata.normalize("NFKC", name) if unicodedata.category(c) != "Cf")
    plain = " ".join(plain.casefold().split())
    number = _number(plain)
    return plain if number is None else repr(number)


def respelled(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Classes that look like one in several spellings."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        found[spelling(name)].append(name)
    return [tuple(group) for group in found.values() if len(group) > 1]


def rarest(rows: Sequence[Instance], names: Names) -> Callable[[Instance], str]:
    """For each row the class of its label that the fewest rows have, empty where it has none: what samples are balanced by."""
    counts = Counter(name for row in rows for name in set(names(row.label)))
    return lambda row: min(names(row.label), key=lambda name: (counts[name], name), default="")


def listed(names: Sequence[str], counts: Mapping[str, int] | None = None) -> str:
    """Classes as a message names them."""
    shown = [f"'{printable(name[:40])}'" + (f" ({counts[name]})" if counts else "") for name in names[:SHOWN]]
    return ", ".join(shown) + (f" and {len(names) - SHOWN} more" if names[SHOWN:] else "")


def warnings(
    splits: Mapping[str, Sequence[Instance]],
    texts: Mapping[str, np.ndarray],
    names: Names,
    labels: Sequence[str],
    unknown: Sequence[str],
) -> list[str]:
    """What a person should look at before training with these rows."""
    found = []
    for group in respelled((*labels, *unknown)):
        found.append(f"{listed(group)} look like one class in {len(group)} spellings")
    counts = {split: Counter(name for row in rows for name in names(row.label)) for split, rows in splits.items()}
    for split in counts:
        if here := [name for name in unknown if counts[split][name]]:
            found.append(f"{split} has classes that train never has and no prediction can be: {listed(here, counts[split])}")
    if absent := [name for name in labels if not counts["train"][name]]:
        found.append(f"no train row is of class {listed(absent)}")
    if labels and (rows := _contradictions(splits["train"], texts["train"])):
        found.append(f"train rows with the text of another one and another label: {rows} of {len(splits['train'])}")
    for split in ("dev", "test"):
        if split in splits and splits[split] and isinstance(splits[split][0].label, float):
            numbers = {row.label for row in splits[split]}
            if len(splits[split]) > 1 and len(numbers) == 1:
                found.append(f"all {len(splits[split])} {split} labels are {numbers.pop()}")
    return found


def _contradictions(rows: Sequence[Instance], texts: np.ndarray) -> int:
    """How many rows have a text that occurs with several labels."""
    labels: dict[int, set[Label]] = defaultdict(set)
    for row, text in zip(rows, texts.tolist(), strict=True):
        labels[text].add(row.label)
    return sum(len(labels[text]) > 1 for text in texts.tolist())
