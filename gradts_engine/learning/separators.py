"""What stands between the classes of a multi_label task whose column holds strings."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence

from gradts_engine.contracts import TaskSpec
from gradts_engine.errors import UsageError
from gradts_engine.learning import classes
from gradts_engine.learning.rows import read_rows
from gradts_engine.printing import printable

MARKS = "|;,"
LOOKED_AT = 10_000
"""Rows that are looked at."""


def detect_separator(spec: TaskSpec) -> str | None:
    """None where nothing has to be split: another type, columns of 0 and 1, lists, or a separator that is set.

    A mark counts where it is the only one that occurs, and what it separates occurs again in another string. Raises UsageError
    where strings leave it open.
    """
    if spec.type != "multi_label" or spec.separator is not None or spec.indicators:
        return None
    strings = _strings(spec)
    if not strings:
        return None
    found = [mark for mark in MARKS if any(mark in string for string in strings)]
    if len(found) == 1 and _recur(strings, found[0]):
        return found[0]
    example = next((string for string in strings if any(mark in string for mark in MARKS)), strings[0])
    raise UsageError(
        f"{spec.train}: task '{spec.name}': '{spec.label}' holds strings such as {json.dumps(printable(example[:40]))}, where "
        'multi_label expects lists of classes: say what stands between them, such as separator = "|"; where each string is one '
        "class, name a character that none has"
    )


def _strings(spec: TaskSpec) -> list[str]:
    """Different labels; none where they are lists, or where whoever reads all rows has to say what is wrong."""
    rows = itertools.islice(read_rows(spec.train, spec.options, spec.dialect), LOOKED_AT)
    found: set[str] = set()
    try:
        for value in (row.values.get(spec.label) for row in rows):
            if classes.is_missing(value) or classes.is_no_label(value):
                continue
            if not isinstance(value, str) or value.lstrip().startswith("["):
                return []
            found.add(value)
    except UsageError:
        return []
    return sorted(found)


def _recur(strings: Sequence[str], mark: str) -> bool:
    parts = [{part.strip() for part in string.split(mark)} for string in strings]
    return sum(map(len, parts)) > len(set().union(*parts))
