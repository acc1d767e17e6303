"""What the folder of an exported model says of itself, read without torch."""

from __future__ import annotations

import json
from pathlib import Path

from gradts_engine.digests import file_digest

ABOUT = "gradts.json"
"""What a folder holds: `task` (the task type), `head`, `labels`, `max_length`, `native`, whether transformers alone can load it,
`encoder`, the registered encoder whose plugin builds the module, if one does, `reads`, how its rows are read and judged, `trial`,
the key of the training that it is of, and `files`, the SHA-256 of each other file."""
CARD = "README.md"


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each file but `ABOUT`."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in files if path.name != ABOUT}


def is_export(folder: Path, trial: str, card: str) -> bool:
    """Whether a folder holds the model of a trial with this card, and nothing of it is missing or was changed since."""
    if folder.is_symlink():
        return False
    try:
        about, text = json.loads((folder / ABOUT).read_bytes()), (folder / CARD).read_text(encoding="utf-8")
        return bool(about["trial"] == trial and text.startswith(f"{card.rstrip()}\n") and about["files"] == digests(folder))
    except (OSError, ValueError, KeyError, TypeError):
        return False
