"""What both tools are told: numbers over steps, and pictures of matrices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

from gradts_engine import events
from gradts_engine.runtime.store import Store
from gradts_engine.tables import VIRIDIS

CELL = 24
"""Pixels of a matrix's cell."""


class Sink(Protocol):
    """A tool: `scalar` at a step, `picture` [height, width, 3] uint8, and an end."""

    def scalar(self, name: str, value: float, step: int) -> None: ...
    def picture(self, name: str, pixels: np.ndarray) -> None: ...
    def close(self) -> None: ...


def draw(matrix: np.ndarray) -> np.ndarray:
    """A matrix as pixels [height, width, 3], from its smallest to its largest value; what is not finite is black."""
    finite = np.isfinite(matrix)
    low, high = (matrix[finite].min(), matrix[finite].max()) if finite.any() else (0.0, 1.0)
    colours = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour, _ in VIRIDIS], np.uint8)
    places = np.zeros(matrix.shape, np.int64)
    places[finite] = ((matrix[finite] - low) / ((high - low) or 1.0) * (len(colours) - 1)).round()
    cells = np.where(finite[..., None], colours[places], 0).astype(np.uint8)
    return cells.repeat(CELL, 0).repeat(CELL, 1)


class Watcher:
    """Opens a sink when a run starts, tells it what the events say, and closes it when the run ends."""

    def __init__(self, open_sink: Callable[[events.RunStarted], Sink | None]) -> None:
        self.open_sink = open_sink
        self.sink: Sink | None = None
        self.store: Store | None = None
        self.tau: dict[str, dict[str, float]] = {}

    def __call__(self, event: events.Event) -> None:
        """One event of a run, in order."""
        if isinstance(event, events.RunStarted):
            self.tau, self.store = {}, Store(Path(event.store)) if event.store else None
            self.sink = self.open_sink(event)
        if self.sink is None:
            return
        match event:
            case events.StageProgress(stage, subject, done, _, loss) if loss is not None:
                self.sink.scalar(f"loss/{stage}/{subject}", loss, done)
            case events.EpochScored(stage, subject, epoch, metric, score):
                self.sink.scalar(f"dev/{stage}/{subject}/{metric}", score, epoch)
            case events.TrialScored(primary, auxiliaries, score):
                self.sink.scalar(f"trials/{primary}", score, len(auxiliaries))
            case events.FinalModel(primary, score, _, test):
                self.sink.scalar(f"final/{primary}/dev", score, 0)
                if test is not None:
                    self.sink.scalar(f"final/{primary}/test", test, 0)
            case events.StageFinished("score" | "correlate" as stage, subject, key):
                self._matrices(stage, subject, key, self.sink)
            case events.RunEnded():
                self.sink.close()
                self.sink = None

    def _matrices(self, stage: str, subject: str, key: str, sink: Sink) -> None:
        """Importance of a task's heads, and tau of the primaries so far, read from what the stage has stored."""
        from gradts_engine.scoring.normalise import task_importance

        artifact = self.store.artifacts.find(stage, key) if self.store else None
        if artifact is None:
            return
        if stage == "score":
            sink.picture(f"importance/{subject}", draw(task_importance([artifact.arrays("raw.safetensors")["raw"]])))
            return
        self.tau[subject] = artifact.result["tau"]
        for candidate, tau in self.tau[subject].items():
            sink.scalar(f"tau/{subject}/{candidate}", tau, 0)
        names = sorted({*self.tau, *(name for row in self.tau.values() for name in row)})
        rows = [[row.get(name, np.nan) for name in names] for _, row in sorted(self.tau.items())]
        sink.picture("tau", draw(np.array(rows, np.float64)))
