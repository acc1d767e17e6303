"""What checkpoints cost: the share of a real training's wall time that goes into saving, on the disk of the temporary folder.

EPOCHS epochs of ROWS rows of rte, long enough to save several times. Everything that the loop hands to the keeper counts: copying
the state, writing, hashing, syncing and looking whether it is time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks import plain, real
from benchmarks.device import device
from benchmarks.frame import Case, Measured
from gradts_engine.config import TrainingSettings
from gradts_engine.learning.batches import plan_epochs
from gradts_engine.learning.state import Checkpoint
from gradts_engine.learning.training import Dev, train
from gradts_engine.runtime.checkpoints import SHARE, Checkpoints, Clock, expected_size
from gradts_engine.runtime.control import Control
from gradts_engine.runtime.workspaces import Workspace

ROWS = 1000
EPOCHS = 6
TASK = "rte"


@dataclass
class Timed:
    """A keeper that counts the seconds in which the training waits for it."""

    keeper: Checkpoints
    seconds: float = 0.0
    saved: int = 0

    def load(self) -> None:
        """The training is a new one."""

    def step(self, capture: Callable[[], Checkpoint]) -> None:
        """As the keeper's."""
        began, before = perf_counter(), self.keeper.spent
        self.keeper.step(capture)
        self.seconds += perf_counter() - began
        self.saved += self.keeper.spent > before


def share() -> Measured:
    """Seconds of saving by seconds of training."""
    data, control = real.encoded(TASK, ROWS), Control()
    model = real.model(data)
    settings = TrainingSettings(epochs=EPOCHS, batch_size=plain.BATCH)
    plan = plan_epochs({TASK: data.lengths}, epochs=EPOCHS, batch_size=plain.BATCH, accumulation=1, seed=0)
    dev = Dev(real.encoded(TASK, ROWS, "dev"), real.task(TASK, ROWS)[1].metric)
    with TemporaryDirectory() as folder:
        began = perf_counter()
        space, size = Workspace(Path(folder) / "work"), expected_size(model)
        with Checkpoints(space, control, control.check, print, size, Clock()) as keeper:
            timed = Timed(keeper)
            train(model, {TASK: data}, plan, dev, settings, device=device(), seed=0, keeper=timed)
        seconds = perf_counter() - began
    return Measured(timed.seconds / seconds, seen={"checkpoints": timed.saved, "saving": timed.seconds, "training": seconds})


def cases() -> list[Case]:
    """One."""
    real.check()
    return [Case(TASK, SHARE, share, at_most=True, unit="of the time", turns=1, warm_up=False)]
