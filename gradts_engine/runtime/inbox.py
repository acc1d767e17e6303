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
    """The confirmations that wait, oldest first, each with its file, which is to be removed when it is answered."""
    found = []
    for path in sorted(inbox.glob("*.json"), key=lambda p: (p.stat().st_mtime_ns, p.name)):
        record = json.loads(path.read_bytes())
        if record.pop("command", None) == "confirm":
            names = record.pop("auxiliaries")
            found.append((path, Confirm(**record, auxiliaries=None if names is None else tuple(names))))
    return found
