"""A worker for tests of faults: a job takes a moment, says that it is begun and how far it is, and stores a small result."""

import json
import os
import time
from pathlib import Path

from gradts_engine import events
from gradts_engine.contracts import PLACE, Device, Order, Say
from gradts_engine.runtime.artifacts import ArtifactStore
from gradts_engine.runtime.jobs import Outcome, Task

STEPS = 10


class Slow:
    """Its arguments are JSON: `store`, a folder, and `seconds`, which a job takes."""

    def __init__(self, arguments: str) -> None:
        given = json.loads(arguments)
        self.artifacts, self.seconds = ArtifactStore(Path(given["store"])), given["seconds"]

    def order(self, order: Order) -> None:
        """Nothing can be ordered."""

    def work(self, task: str, device: str, say: Say) -> str:
        """Say, wait, store."""
        where = Device(device, place=os.environ.get(PLACE, ""))
        given = Task.model_validate_json(task)
        job = given.job
        say(given.record(events.StageStarted(job.stage, job.words, given.key, job.about, where.shown)))
        for step in range(1, STEPS + 1):
            time.sleep(self.seconds / STEPS)
            say(given.record(events.StageProgress(job.stage, job.words, step, STEPS, 0.5, given.key)))
        say(given.record(events.Warned(f"{job.words} is nearly done")))
        self.artifacts.save(job.stage, given.key, {"score": 0.5}, lambda folder: (folder / "made").write_bytes(b"x" * 1000))
        return Outcome(seconds=self.seconds, attempt=given.attempt).model_dump_json()
