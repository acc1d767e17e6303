"""A TOML file as a document, and where in it problems are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli

from gradts_engine.config.lines import LineFinder
from gradts_engine.errors import UsageError
from gradts_engine.nearest import did_you_mean
from gradts_engine.printing import printable

MAX_BYTES = 2**20
"""Largest tasks.toml: 1 MiB. Whatever is larger is data, given as the wrong file."""

MAX_PROBLEMS = 100
"""Problems that are shown; the others are counted."""

MAX_DEPTH = 32
"""Levels of tables and arrays in each other; settings need five."""

Key = tuple[str | int, ...]
Problems = list[tuple[Key, str]]
"""Key path and what is wrong with it."""


def read_text(path: Path) -> str:
    """What a file holds; raises UsageError, in one line, for whatever is no text of a reasonable size."""
    try:
        if path.is_dir():
            raise UsageError(f"{path}: is a folder, expected a TOML file such as {path / 'tasks.toml'}")
        if path.exists() and not path.is_file():
            raise UsageError(f"{path}: is not a regular file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        near = did_you_mean(path.name, (p.name for p in path.parent.glob("*.toml")))
        raise UsageError(f"{path}: no such file{near or '; gradts-engine init writes one'}") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(content) > MAX_BYTES:
        raise UsageError(f"{path}: is larger than 1 MiB, expected a TOML file with settings")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}:{line}: is not UTF-8, expected a TOML file saved as UTF-8") from None


def as_toml(value: Any) -> str:
    """A value of tasks.toml: as in JSON, but for tables and DEL. Letters beyond the BMP stay themselves: TOML has no surrogate
    pairs."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{as_toml(key)} = {as_toml(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def parse(path: Path, text: str) -> dict[str, Any]:
    """TOML as tables; raises UsageError with the line."""
    try:
        document = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise UsageError(f"{path}:{error.lineno}: not valid TOML: {error.msg} (column {error.colno})") from None
    except (ValueError, RecursionError) as error:  # integers of thousands of digits, nesting without end
        raise UsageError(f"{path}: not valid TOML: {error}") from None
    if _deeper_than(document, MAX_DEPTH):
        raise UsageError(f"{path}: tables or arrays are nested deeper than {MAX_DEPTH} levels, expected settings")
    return document


def _deeper_than(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(levels == 0 or _deeper_than(item, levels - 1) for item in inner)


def located(path: Path, text: str, problems: Problems) -> list[str]:
    """Problems as `FILE:LINE: key.path: what is wrong`, in the order of the file."""
    find = LineFinder(text)
    located = sorted((find(key), _dotted(key), what) for key, what in problems)
    lines = [printable(f"{path}:{line}: {key}: {what}") for line, key, what in located[:MAX_PROBLEMS]]
    return [*lines, f"{path}: {len(located) - MAX_PROBLEMS} more problems"] if located[MAX_PROBLEMS:] else lines


def _dotted(key: Key) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key).removeprefix(".")
