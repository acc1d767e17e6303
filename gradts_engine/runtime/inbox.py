"""Commands to an engine, as files that are renamed into a run's `inbox/`: one that is running answers soon, by an event. Each has
an id, so that a command sent twice is done once. A confirmation may also wait for an engine that is started later."""

from __future__ import annotations

import os
import stat
import uuid
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from gradts_engine.durable import keep, storing

MAX_BYTES = 1 << 20
"""Largest command: a confirmation that names a thousand tasks has a tenth of it."""


class Command(BaseModel):
    """Base of all commands; frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    id: str = Field(default_factory=lambda: uuid.uuid4().hex, pattern=r"^[0-9a-zA-Z-]{1,64}$")


class Confirm(Command):
    """Accept (`auxiliaries` None) or edit the proposal that `digest` names. `keep` (a share) or `threshold` (a tau) cuts each
    auxiliary to the instances that agree most with the primary; without them, the proposed instances are taken."""

    command: Literal["confirm"] = "confirm"
    primary: str
    digest: str
    auxiliaries: tuple[str, ...] | None = None
    keep: float | None = Field(default=None, gt=0, le=1)
    threshold: float | None = Field(default=None, ge=-1, le=1)

    @model_validator(mode="after")
    def _one_cut(self) -> Self:
        if self.keep is not None and self.threshold is not None:
            raise ValueError("keep and threshold exclude each other")
        return self


class Pause(Command):
    """Hold after the present step."""

    command: Literal["pause"] = "pause"


class Resume(Command):
    """Go on after a pause."""

    command: Literal["resume"] = "resume"


class Cancel(Command):
    """End after the present step; the same run can be gone on with later."""

    command: Literal["cancel"] = "cancel"


AnyCommand = Confirm | Pause | Resume | Cancel
_ANY: TypeAdapter[AnyCommand] = TypeAdapter(Annotated[AnyCommand, Field(discriminator="command")])


def send(inbox: Path, command: AnyCommand) -> None:
    """Put a command into an inbox; it is there as a whole or not at all. Raises `RunError` where it cannot be written."""
    content = command.model_dump_json().encode()

    def write(path: Path) -> None:
        path.touch(mode=0o600)
        path.write_bytes(content)

    with storing(inbox):
        keep(inbox, f"{command.id}.json", write)


def read(inbox: Path) -> list[tuple[Path, AnyCommand]]:
    """The commands that wait, oldest first, each with its file, which is to be removed when it is answered. Files that are no
    command stay where they are."""
    found = [(status.st_mtime_ns, path) for path in inbox.glob("*.json") if (status := _status(path))]
    return [(path, command) for _, path in sorted(found) if (command := _parse(path))]


def _status(path: Path) -> os.stat_result | None:
    """Of a regular file that may be a command; None for a pipe, which nobody may wait for, a link, what is too large or gone."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    return status if stat.S_ISREG(status.st_mode) and status.st_size <= MAX_BYTES else None


def _parse(path: Path) -> AnyCommand | None:
    try:
        return _ANY.validate_json(path.read_bytes())
    except (ValidationError, FileNotFoundError):  # the latter: an engine has just answered it
        return None
