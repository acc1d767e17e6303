"""An engine that keeps its workers busy with small jobs, until a file says that it is over: for tests of faults.

`python serving.py FOLDER ADDRESS`: in the folder it notes the jobs that it has asked for, so that it asks for them again when it
is begun again, and those that it was told to be done. Workers are those of `slow`.
"""

import json
import os
import sys
import time
from contextlib import closing
from pathlib import Path

from slow import Slow

from gradts_engine.config import MultitaskSettings, ScoringSettings, TrainingSettings
from gradts_engine.contracts import Setup
from gradts_engine.errors import GradTSError
from gradts_engine.runtime import jobs
from gradts_engine.runtime.artifacts import ArtifactStore
from gradts_engine.runtime.control import Control
from gradts_engine.runtime.driver import Driver
from gradts_engine.runtime.facts import Facts, TaskFacts
from gradts_engine.runtime.jobs import Tune
from gradts_engine.runtime.journal import Journal

JOB = 1.0
"""Seconds of a job."""
SILENCE = 6.0
"""Seconds without a word after which a worker is given up, in these tests."""
AT_ONCE = 4
"""Jobs that are asked for and not done."""


def facts(tasks: list[str]) -> Facts:
    """Of tasks that nobody reads."""
    digests = dict.fromkeys(("train", "dev"), "0" * 64)
    known = dict.fromkeys(tasks, TaskFacts("classification", "accuracy", {"train": 10}, digests))
    training, multitask = TrainingSettings(precision="fp32"), MultitaskSettings(precision="fp32")
    return Facts(3, 32, training, multitask, ScoringSettings(), "e" * 64, 1, known)


def key(task: str) -> str:
    """Of a task's job."""
    return jobs.key(Tune(task=task), facts([task]))


def serve(driver: Driver, folder: Path) -> None:
    """Keep the devices busy until it is over, and then get all that was asked for."""
    with (folder / "asked").open("a+") as asked, (folder / "done").open("a") as done:
        asked.seek(0)
        names = asked.read().split()
        count = len(names)
        waiting = {name: driver.get(Tune(task=name)) for name in names}
        while waiting or not (folder / "over").exists():
            while len(waiting) < AT_ONCE and not (folder / "over").exists():
                asked.write(f"task{count}\n")
                asked.flush()
                waiting[f"task{count}"] = driver.get(Tune(task=f"task{count}"))
                count += 1
            for name in [name for name, future in waiting.items() if future.done()]:
                waiting.pop(name).result()
                done.write(f"{name}\n")
                done.flush()
            time.sleep(0.05)


def main(folder: Path, address: str) -> None:
    """A run, or the same run again, on all nodes."""
    os.environ["GRADTS_RAY_ADDRESS"] = address
    from gradts_ray import executor

    executor.SILENCE = SILENCE
    worker = json.dumps({"store": str(folder / "artifacts"), "seconds": JOB})
    with Journal(folder / "events.db") as journal:
        setup = Setup(("cpu",), f"slow:{Slow.__name__}", worker, lambda record: driver.hear(record), folder=folder)
        with closing(executor.connect(setup)) as connected:
            known = facts([f"task{i}" for i in range(10_000)])
            driver = Driver(known, connected, ArtifactStore(folder / "artifacts"), journal.emit, Control())
            with driver:
                serve(driver, folder)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), sys.argv[2])
    except GradTSError as error:
        sys.exit(str(error))
