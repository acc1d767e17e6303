"""The line of a key in a TOML file, which parsers do not tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import tomli

BUDGET = 20_000_000
"""Characters to parse before giving up: a file that was made to be slow has its last keys reported without their lines."""

CLOSING = ("]", "}", '"""', "'''")
"""One of these is in the last line of every value that spans several lines."""


class LineFinder:
    """Looks up key paths in a valid TOML document.

    Every statement of TOML (`[header]`, or `key = value` over one or more lines) is a valid document of its own, so
    lines are gathered until they parse: that is one statement, and its keys begin on the first of its lines.
    """

    def __init__(self, text: str) -> None:
        self._lines: dict[tuple[str, ...], int] = {}
        header: tuple[str, ...] = ()
        for line, statement in _statements(text):
            is_header = statement.lstrip().startswith("[")
            keys = list(_keys(tomli.loads(statement)))
            for key in keys:
                self._lines.setdefault(key if is_header else header + key, line)
            if is_header:
                header = keys[-1]

    def __call__(self, key: tuple[str | int, ...]) -> int:
        """Line of `key`, from 1; of the nearest table around it where the key is missing, or else the first line."""
        path = tuple(part for part in key if isinstance(part, str))
        return next((self._lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self._lines), 1)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """First line number and text of every statement."""
    gathered: list[str] = []
    parsed = 0
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        gathered.append(line)
        if len(gathered) > 1 and not any(mark in line for mark in CLOSING):
            continue
        statement = "\n".join(gathered)
        parsed += len(statement)
        if parsed > BUDGET:
            return
        try:
            tomli.loads(statement)
        except tomli.TOMLDecodeError:
            continue
        yield number - len(gathered) + 1, statement
        gathered = []


def _keys(table: Mapping[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """All key paths of nested tables, outer ones first; `[[header]]` is a list with one table."""
    for name, value in table.items():
        yield (key := (*prefix, name))
        inner = value[0] if isinstance(value, list) and value else value
        if isinstance(inner, Mapping):
            yield from _keys(inner, key)
