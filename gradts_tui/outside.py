"""What leaves the UI: the clipboard's text, and files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gradts_engine.errors import GradTSError
from gradts_tui.preferences import cache_folder


def export(path: Path, write: Callable[[Path], object]) -> tuple[str, str]:
    """Write a file; what to say of it, and how grave that is."""
    try:
        write(path)
    except (GradTSError, OSError) as error:
        return f"{path}: {error}", "error"
    return f"Written to {path}", "information"


def keep_copy(name: str, text: str) -> tuple[str, str]:
    """Write what was copied into a file too, since a terminal may refuse it; what to say, and how grave that is."""
    path = cache_folder() / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        return f"Copied, but {path} cannot be written: {error.strerror}", "warning"
    return f"Copied, and written to {path}", "information"
