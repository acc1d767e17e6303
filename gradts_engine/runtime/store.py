"""Where everything is kept: artifacts that all runs share, and a folder for every run."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from gradts_engine.errors import RunError, UsageError
from gradts_engine.nearest import unknown
from gradts_engine.runtime.artifacts import ArtifactStore
from gradts_engine.runtime.journal import read_events
from gradts_engine.runtime.view import RunView, fold

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PATIENCE = 0.5
"""Seconds after which a lock that is held is another engine's."""


@dataclass(frozen=True)
class RunFolder:
    """One run: `events.db`, `lock`, `inbox/` and `models/` below `path`. Its name is the run's id."""

    path: Path

    @property
    def id(self) -> str:
        """The run's id."""
        return self.path.name

    @property
    def store(self) -> Path:
        """The folder of the store that the run is in."""
        return self.path.parents[1]

    @property
    def events(self) -> Path:
        """The database of the journal."""
        return self.path / "events.db"

    @property
    def inbox(self) -> Path:
        """Folder of commands to the engine."""
        return self.path / "inbox"

    @property
    def models(self) -> Path:
        """Folder of the final models, one a primary."""
        return self.path / "models"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run, so that only one engine works on it; the lock goes with the process. Raises `RunError` if held."""
        with (self.path / "lock").open("a+") as file:
            _acquire(file, self.id)
            boot = BOOT_ID.read_text().strip() if BOOT_ID.exists() else ""
            owner = {"host": socket.gethostname(), "pid": os.getpid(), "boot": boot, "since": time.time()}
            file.truncate(0)
            file.write(json.dumps(owner))
            file.flush()
            yield

    def engine(self) -> str:
        """The engine that works on this run, in words; empty if none does."""
        path = self.path / "lock"
        if not path.exists():
            return ""
        with path.open("r") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return _owner(file.read())
        return ""

    def view(self) -> RunView:
        """What the events say of the run."""
        return fold((when, event) for _, when, event in read_events(self.events))

    def state(self) -> str:
        """starting, running, done, waiting, interrupted, failed, or died (an engine that ended without saying so)."""
        if self.engine():
            return "running"
        return self.view().state if self.view().state != "running" else "died"


def _acquire(file: TextIO, run: str) -> None:
    """Take the lock; a reader that asks who holds it is in the way for an instant only."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > deadline:
                file.seek(0)
                raise RunError(f"run {run} is already being worked on: {_owner(file.read())}") from None
            time.sleep(0.01)


def _owner(text: str) -> str:
    try:
        owner = json.loads(text)
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(owner["since"]))
        return f"process {owner['pid']} on {owner['host']}, since {since}"
    except (ValueError, KeyError, TypeError):
        return "another process"


class Store:
    """The folder `.gradts` beside tasks.toml, or the one that `--store` or `GRADTS_STORE` names."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.artifacts = ArtifactStore(root / "artifacts")

    def create(self, run: str) -> RunFolder:
        """The folder of a run, made if it is new."""
        folder = RunFolder(self.root / "runs" / run)
        try:
            for path in (folder.path, folder.inbox, folder.models):
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"{folder.path} cannot be made: {error.strerror}; choose another place with --store") from error
        return folder

    def runs(self) -> list[RunFolder]:
        """All runs, the one with the latest event first."""
        folders = [RunFolder(p.parent) for p in (self.root / "runs").glob("*/events.db")]
        return sorted(folders, key=lambda run: run.events.stat().st_mtime, reverse=True)

    def run(self, name: str | None) -> RunFolder:
        """The run of that id, or that the id's first letters leave no doubt of; the latest without a name."""
        runs = self.runs()
        if not runs:
            raise UsageError(
                f"no runs in {self.root}: start one with `gradts-engine run tasks.toml`, or name a store with --store"
            )
        if name is None:
            return runs[0]
        found = [run for run in runs if run.id == name] or [run for run in runs if run.id.startswith(name)]
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(f"{name!r} is the beginning of several runs: {', '.join(run.id for run in found)}")
        raise UsageError(f"{unknown('run', name, [run.id for run in runs])} (in {self.root})")
