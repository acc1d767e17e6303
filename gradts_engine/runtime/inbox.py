"""Commands to an engine, as files that are renamed into a run's `inbox/`: one that is running answers soon, one that is started
later answers then. Each has an id, so that a command sent twice is done once."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from gradts_engine.runtime.artifacts import canonical, fsync


@dataclass(frozen=True)
class Confirm:
    """Accept (`auxiliaries` None) or edit the proposal that `digest` names."""

    id: str
    primary: str
    digest: str
    auxiliaries: tuple[str, ...] | None


def send_confirm(inbox: Path, primary: str, digest: str, auxiliaries: Sequence[str] | None) -> Confirm:
    """Put a confirmation into an inbox."""
    command = Confirm(uuid.uuid4().hex, primary, digest, None if auxiliaries is None else tuple(auxiliaries))
    temporary = inbox / f".{command.id}"
    temporary.write_bytes(canonical({"command": "confirm", **asdict(command)}))
    fsync(temporary)
    os.rename(temporary, inbox / f"{command.id}.json")
    fsync(inbox)
    return command


def read_confirms(inbox: Path) -> list[tuple[Path, Confirm]]:
    """The confirmations that wait, oldest first, each with its file, which is to be removed when it is answered. Files that are
    no confirmation stay where they are."""
    files = sorted(inbox.glob("*.json"), key=lambda p: (p.stat().st_mtime_ns, p.name))
    return [(path, command) for path in files if (command := _parse(path.read_bytes()))]


def _parse(content: bytes) -> Confirm | None:
    try:
        match json.loads(content):
            case {
                "command": "confirm",
                "id": str(identifier),
                "primary": str(primary),
                "digest": str(digest),
                "auxiliaries": list() | None as names,
                **others,
            } if not others and all(isinstance(name, str) for name in names or ()):
                return Confirm(identifier, primary, digest, None if names is None else tuple(names))
    except (ValueError, RecursionError):
        pass
    return None
