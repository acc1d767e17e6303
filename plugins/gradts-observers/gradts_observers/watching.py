"""What both tools are told: numbers over steps, and pictures of matrices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

from gradts_engine import events
from gradts_engine.runtime.store import Store
from gradts_observers.pictures import draw


class Sink(Protocol):
    """A tool: `scalar` at a step, `picture` [height, width, 3] uint8, and an end."""

    def scalar(self, name: str, value: float, step: int) -> None: ...
    def picture(self, name: str, pixels: np.ndarray) -> None: ...
    def close(self) -> None: ...


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
            found = task_importance([artifact.arrays("raw.safetensors")["raw"]])
            layers, heads = (
                [f"{name}{i}" for i in range(count)] for name, count in zip(("layer ", "h"), found.shape, strict=True)
            )
            sink.picture(f"importance/{subject}", draw(found[::-1], layers[::-1], heads))  # the last layer on top
            return
        self.tau[subject] = artifact.result["tau"]
        for candidate, tau in self.tau[subject].items():
            sink.scalar(f"tau/{subject}/{candidate}", tau, 0)
        primaries, names = sorted(self.tau), sorted({*self.tau, *(name for row in self.tau.values() for name in row)})
        rows = [[self.tau[primary].get(name, np.nan) for primary in primaries] for name in names]
        sink.picture("tau", draw(np.array(rows, np.float64), names, primaries))
