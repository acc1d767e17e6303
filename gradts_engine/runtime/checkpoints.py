"""Checkpoints of a training in its workspace: kept so often that saving takes at most 2% of the time, and whenever it stops."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING

from gradts_engine.digests import canonical
from gradts_engine.durable import keep, make_folder
from gradts_engine.errors import Interrupted, RunError
from gradts_engine.names import is_name
from gradts_engine.runtime.control import Control
from gradts_engine.runtime.workspaces import Workspace

if TYPE_CHECKING:
    from torch import nn

    from gradts_engine.learning.state import Checkpoint

LATEST = "LATEST.json"
SHARE = 0.02
"""Most of a training's time that saving may take."""
GUESS = 300e6
"""Bytes a second that the first checkpoint is expected to be written with; the later ones are expected to take as long as it."""
MARGIN = 1.5
"""How many times as long as the one before a checkpoint may take, on a busy disk, without going beyond the share."""
KEPT = 2
MAX_LATEST = 4096
"""Bytes of `LATEST.json`."""


@dataclass
class Clock:
    """How long a job takes: since it `began`, without what it was `held`, and `earlier`, before a checkpoint that it goes on
    from."""

    began: float = field(default_factory=time.monotonic)
    earlier: float = 0.0
    held: float = 0.0

    @property
    def here(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.began - self.held

    @property
    def seconds(self) -> float:
        """Up to now."""
        return self.earlier + self.here

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """What takes place meanwhile does not count."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.held += time.monotonic() - began


def expected_size(model: nn.Module) -> int:
    """Bytes of a checkpoint: the weights, two moments of the optimiser, the best weights so far."""
    return 4 * sum(p.nbytes for p in model.parameters())


class Checkpoints:
    """Keeps one training's checkpoints. `LATEST.json` names them, newest first: a checkpoint is there once that file says so.

    A context manager: only one process at a time keeps checkpoints of a training; in another one that computes the same, for a
    run of its own, it does nothing.
    """

    def __init__(
        self,
        workspace: Workspace,
        control: Control,
        check: Callable[[], None],
        warn: Callable[[str], None],
        size: int,
        clock: Clock,
    ) -> None:
        self.workspace = workspace
        self.control = control
        self.check = check
        self.warn = warn
        self.clock = clock
        self.began = clock.here
        self.spent = 0.0
        self.cost = size / GUESS
        self.saves = control.saves
        self._lock = -1
        self._warned = False

    def __enter__(self) -> Checkpoints:
        try:
            make_folder(self.workspace.folder)
            self._lock = os.open(self.workspace.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for path in self.workspace.folder.glob(".*"):  # half a file of an engine that was killed
                path.unlink()
        except BlockingIOError:
            self._close()
        except OSError as error:
            self._close()
            self.warn(f"no checkpoints are kept in {self.workspace.folder}: {error.strerror}")
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._close()

    def _close(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
        self._lock = -1

    # --- the keeper of a training -------------------------------------------------------------------------------------

    def load(self) -> Checkpoint | None:
        """The newest checkpoint that is intact; damage is reported."""
        from safetensors import safe_open

        from gradts_engine.learning.state import Checkpoint

        if self._lock < 0:
            return None
        for name in self._names():
            path = self.workspace.get(name)
            if path is None:
                self.warn(f"checkpoint {self.workspace.folder / name} is damaged or gone; an earlier one is taken, or none")
                continue
            with safe_open(path, "pt") as file:
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
                self.clock.earlier += float(file.metadata().get("seconds", 0.0))
                return Checkpoint(tensors, json.loads(file.metadata()["values"]))
        return None

    def step(self, capture: Callable[[], Checkpoint]) -> None:
        """Keep a checkpoint if one is due or was asked for. Raises `Interrupted`, after keeping one, if the run is to end."""
        if self._due():
            self.save(capture)
        try:
            self.check()
        except Interrupted:
            self.save(capture)
            raise

    def _due(self) -> bool:
        asked = self.saves != self.control.saves or self.control.paused
        self.saves = self.control.saves
        return asked or self.spent + MARGIN * self.cost <= SHARE * (self.clock.here - self.began)

    def save(self, capture: Callable[[], Checkpoint]) -> None:
        """Keep what `capture` returns, and the latest of the earlier ones. One that cannot be kept is a warning, no error."""
        from safetensors.torch import save_file

        if self._lock < 0:
            return
        began = time.monotonic()
        checkpoint = capture()
        name, earlier = f"step-{checkpoint.values['done']}-{len(checkpoint.values['scores'])}", self._names()
        metadata = {"values": canonical(checkpoint.values).decode(), "seconds": repr(self.clock.seconds)}
        try:
            self.workspace.put(name, lambda path: save_file(dict(checkpoint.tensors), path, metadata))
            self._commit(list(dict.fromkeys([name, *earlier]))[:KEPT])
        except (OSError, RunError) as error:
            if not self._warned:
                self.warn(f"the training goes on without a new checkpoint: {error}")
            self._warned = True
        self.cost = time.monotonic() - began
        self.spent += self.cost

    def _names(self) -> list[str]:
        try:
            with (self.workspace.folder / LATEST).open("rb") as file:
                names = json.loads(file.read(MAX_LATEST))["checkpoints"]
            return [name for name in names if is_name(name)][:KEPT]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            self.warn(f"{self.workspace.folder / LATEST} is damaged; the training starts again")
            return []

    def _commit(self, names: list[str]) -> None:
        folder = self.workspace.folder
        keep(folder, LATEST, lambda path: path.write_bytes(canonical({"checkpoints": names})))
        for path in folder.glob("step-*"):
            if path.name.rpartition("-")[0] not in names:
                path.unlink()
