"""What the UI remembers of its user: theme, bell, sizes of panes. Losing it costs nothing, so it never stops anything."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import platformdirs

FILE = "tui.json"


@dataclass(frozen=True)
class Preferences:
    """`side` is the width of the Run screen's right pane as a percentage; `level` the least level of the log that is shown."""

    theme: str = "dark"
    bell: bool = True
    resources: bool = False
    side: int = 45
    level: int = 1

    @classmethod
    def load(cls, folder: Path | None = None) -> Preferences:
        """Those of the last time; the defaults for what is missing or damaged."""
        try:
            stored = json.loads(((folder or config_folder()) / FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return cls()
        kept = {f.name: stored[f.name] for f in fields(cls) if isinstance(stored, dict) and _fits(f.default, stored.get(f.name))}
        loaded = cls(**kept)
        return replace(loaded, side=min(max(loaded.side, 20), 80), level=min(max(loaded.level, 0), 3))

    def save(self, folder: Path | None = None) -> None:
        """Keep them, if the folder lets us."""
        path = (folder or config_folder()) / FILE
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_suffix(f".{os.getpid()}")
            temporary.write_text(json.dumps(asdict(self)), encoding="utf-8")
            temporary.replace(path)
        except OSError:
            pass


def _fits(default: Any, value: object) -> bool:
    return type(value) is type(default)


def config_folder() -> Path:
    """Where users keep the settings of their programs."""
    return platformdirs.user_config_path("gradts")


def cache_folder() -> Path:
    """Where what was copied is also written."""
    return platformdirs.user_cache_path("gradts")
