"""Where stages keep what they have done before their result is there."""

from __future__ import annotations

import glob
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError

from gradts_engine.digests import file_digest
from gradts_engine.durable import keep, make_folder, storing

REMOVALS = 5
"""How often a workspace may be removed by another engine while a file is put into it."""


@dataclass(frozen=True)
class Workspace:
    """What a stage has done before its artifact is there: files that outlive a kill, each with the SHA-256 of its content in its
    name. Engines of different runs may compute one stage at the same time: the first to finish removes the workspace, and the
    other one goes on without what was in it."""

    folder: Path

    def put(self, name: str, write: Callable[[Path], object]) -> Path:
        """Keep the file that `write` puts at the path it is given. Raises `RunError` where that is not possible."""
        with storing(self.folder):
            for attempt in range(REMOVALS):
                try:
                    make_folder(self.folder)
                    return keep(self.folder, lambda path: f"{name}-{file_digest(path)}", write)
                except (OSError, SafetensorError):
                    if self.folder.exists() or attempt == REMOVALS - 1:
                        raise
        raise AssertionError("the last attempt returns or raises")

    def get(self, name: str) -> Path | None:
        """The intact file that was put under `name`, or None. It is there for as long as no engine finishes the stage."""
        paths = self.folder.glob(f"{glob.escape(name)}-{'[0-9a-f]' * 64}")
        return next((path for path in paths if path.name.endswith(present_digest(path))), None)

    def remove(self) -> None:
        """Once the artifact is there, or when nobody will go on."""
        shutil.rmtree(self.folder, ignore_errors=True)


def present_digest(path: Path) -> str:
    """SHA-256 of a file; no such thing where it was removed meanwhile."""
    with suppress(FileNotFoundError):
        return file_digest(path)
    return "gone"
