"""The default run, for people who have installed GradTS and have no clone of it."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

from gradts_engine.errors import UsageError


def write_demo(folder: Path) -> Path:
    """Put the default tasks.toml into a folder, which is made where it is missing; one that is there stays as it is. Its path."""
    path = folder / "tasks.toml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(files("gradts_engine.demo").joinpath("tasks.toml").read_bytes())
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {os.strerror(error.errno or 0)}") from error
    return path
