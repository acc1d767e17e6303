"""Where everything is kept: artifacts that all runs share, and a folder for every run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gradts_engine.durable import make_folder
from gradts_engine.errors import UsageError
from gradts_engine.names import RULE, inside, is_name
from gradts_engine.nearest import unknown
from gradts_engine.runtime.artifacts import ArtifactStore
from gradts_engine.runtime.journal import read_events
from gradts_engine.runtime.lock import hold, holder
from gradts_engine.runtime.view import RunView, fold, state_of


@dataclass(frozen=True)
class RunFolder:
    """One run: `events.db`, `lock`, `engine.log`, `inbox/`, `models/` and `predictions/` below `path`, which has its id for
    a name."""

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
    def lock(self) -> Path:
        """File that the engine at work holds and touches."""
        return self.path / "lock"

    @property
    def log(self) -> Path:
        """What a detached engine prints."""
        return self.path / "engine.log"

    @property
    def models(self) -> Path:
        """Folder of the final models, one a primary."""
        return self.path / "models"

    @property
    def predictions(self) -> Path:
        """Folder of the final models' answers to test rows, a file a primary."""
        return self.path / "predictions"

    @contextmanager
    def locked(self, *, named: bool = True) -> Iterator[None]:
        """Hold the run, so that only one engine works on it; the lock goes with the process. Raises `RunError` if held. Unless
        `named`, nothing has to be written."""
        with hold(self.lock, self.id, named=named):
            yield

    def engine(self) -> str:
        """The engine that works on this run, in words; empty if none does."""
        return holder(self.lock)

    def view(self) -> RunView:
        """What the events say of the run."""
        return fold((when, event) for _, when, event in read_events(self.events))

    def state(self) -> str:
        """The run's state: `state_of`."""
        return self.looked_at()[0]

    def looked_at(self) -> tuple[str, RunView]:
        """State and view, from one reading."""
        engine, view = self.engine(), self.view()  # in this order: an engine that ends says so before it lets go
        return state_of(view.state, engine), view


class Store:
    """The folder `.gradts` beside tasks.toml, or the one that `--store` or `GRADTS_STORE` names."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.artifacts = ArtifactStore(root / "artifacts")

    def folder(self, run: str) -> RunFolder:
        """Where a run is, or would be."""
        if not is_name(run):
            raise UsageError(f"{run!r} is not the name of a run, expected {RULE}")
        return RunFolder(self.root / "runs" / run)

    def create(self, run: str) -> RunFolder:
        """The folder of a run, made if it is new; nobody but the user can look into it."""
        folder = self.folder(run)
        try:
            for path in (folder.path, folder.inbox, folder.models):
                make_folder(path)
                if not inside(path, self.root):
                    raise UsageError(f"{path} leads out of {self.root}: remove the link, or choose another place with --store")
                if path.stat().st_mode & 0o077:  # an older version's, or made by hand
                    path.chmod(0o700)
        except OSError as error:
            raise UsageError(f"{folder.path} cannot be made: {error.strerror}; choose another place with --store") from error
        return folder

    def runs(self) -> list[RunFolder]:
        """All runs, the one with the latest event first."""
        found = (self.root / "runs").glob("*/events.db")
        folders: dict[RunFolder, float] = {}
        for path in found:
            if is_name(path.parent.name) and inside(path, self.root):
                with suppress(FileNotFoundError):  # it is being removed
                    folders[RunFolder(path.parent)] = path.stat().st_mtime
        return sorted(folders, key=folders.__getitem__, reverse=True)

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


def open_store(folder: Path | None, beside: Path | None = None) -> Store:
    """The store that was named, or `.gradts` beside a file or in this folder. From now on this process makes no file that others
    may read: what is kept holds people's data."""
    os.umask(0o077)
    return Store(folder or (beside.parent if beside else Path()) / ".gradts")
