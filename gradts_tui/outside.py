"""What leaves the UI: the clipboard's text, files, and what only the engine's program can write."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from gradts_engine.errors import GradTSError, UsageError
from gradts_tui.preferences import cache_folder


def export(path: Path, write: Callable[[Path], object]) -> tuple[str, str]:
    """Write a file; what to say of it, and how grave that is. What `write` answers in words is a warning."""
    try:
        said = write(path)
    except (GradTSError, OSError) as error:
        return f"{path}: {error}", "error"
    return (f"Written to {path}; {said}", "warning") if isinstance(said, str) and said else (f"Written to {path}", "information")


def engine(*command: str) -> str:
    """Have the engine's program do what takes data and plugins, which the UI does not load; what it warns of. Raises
    `UsageError`."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "gradts_engine", *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stderr.strip().rpartition("\n")[2]
    if done.returncode:
        raise UsageError(said)
    return said


def keep_copy(name: str, text: str) -> tuple[str, str]:
    """Write what was copied into a file too, since a terminal may refuse it; what to say, and how grave that is."""
    path = cache_folder() / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        return f"Copied, but {path} cannot be written: {error.strerror}", "warning"
    return f"Copied, and written to {path}", "information"
