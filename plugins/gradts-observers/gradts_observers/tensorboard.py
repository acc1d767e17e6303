"""TensorBoard, where `GRADTS_TENSORBOARD` names a folder: each run gets a folder in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradts_engine.hooks.specs import hookimpl

if TYPE_CHECKING:
    import numpy as np

    from gradts_engine import events

FOLDER = "GRADTS_TENSORBOARD"


class Board:
    """An event file of TensorBoard."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer: Any = SummaryWriter(str(folder))

    def scalar(self, name: str, value: float, step: int) -> None:
        """A number at a step."""
        self.writer.add_scalar(name, value, step)

    def picture(self, name: str, pixels: np.ndarray) -> None:
        """Pixels [height, width, 3]."""
        self.writer.add_image(name, pixels, 0, dataformats="HWC")

    def close(self) -> None:
        """Write what is left."""
        self.writer.close()


def _open(event: events.RunStarted) -> Board | None:
    folder = os.environ.get(FOLDER)
    return Board(Path(folder) / event.run) if folder else None


_watchers: list[Any] = []


@hookimpl
def gradts_event(event: events.Event) -> None:
    """Every event, where a folder is named."""
    if not os.environ.get(FOLDER):
        return
    if not _watchers:
        from gradts_observers.watching import Watcher

        _watchers.append(Watcher(_open))
    _watchers[0](event)
