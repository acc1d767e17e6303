"""Names of tasks, runs and artifacts, which become names of files: one rule for all, and no path leaves its root."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""To be used with `fullmatch`."""

RULE = "up to 64 of a-z, 0-9, '.', '_', '-', the first a letter or digit"
"""`NAME` in words."""


DEFAULT_ENCODER = "minilm-l6"
"""Where nobody names one: it comes with the installation."""


def is_name(value: object) -> bool:
    """Whether a value is a name, and so safe as a part of a path."""
    return isinstance(value, str) and NAME.fullmatch(value) is not None


def slug(text: str, length: int = 64, otherwise: str = "run") -> str:
    """The name nearest to any text: lower case, no accents, every other character a '-'; `otherwise` where nothing is left."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))
    return re.sub(r"[^a-z0-9._-]+", "-", plain).strip("-._")[:length].strip("-._") or otherwise


def inside(path: Path, root: Path) -> bool:
    """Whether a path, links followed, stays in a folder."""
    return path.resolve().is_relative_to(root.resolve())
