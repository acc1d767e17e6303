"""Names of tasks, runs and artifacts, which become names of files: one rule for all, and no path leaves its root."""

from __future__ import annotations

import re
from pathlib import Path

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""To be used with `fullmatch`."""

RULE = "up to 64 of a-z, 0-9, '.', '_', '-', the first a letter or digit"
"""`NAME` in words."""


def is_name(value: object) -> bool:
    """Whether a value is a name, and so safe as a part of a path."""
    return isinstance(value, str) and NAME.fullmatch(value) is not None


def slug(text: str, length: int = 64) -> str:
    """The name nearest to any text: lower case, every other character a '-'; `run` where nothing is left."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")[:length] or "run"


def inside(path: Path, root: Path) -> bool:
    """Whether a path, links followed, stays in a folder."""
    return path.resolve().is_relative_to(root.resolve())
