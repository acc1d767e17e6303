"""A whole run up to the ranking, against the published recipe: two fine-tunings and gradient passes a task, scipy pair by pair.

`first`: four real tasks, ROWS rows and EPOCHS epochs each, through the command line. The baseline runs the recipe in one process,
without reading files, evaluating or keeping anything. `candidate`: the run after a fourth task was added to three, against a
process that does that task's own stages and nothing else. `again`: the same run once more, in seconds.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
from scipy.stats import kendalltau

from benchmarks import plain, real
from benchmarks.device import device
from benchmarks.frame import Case, Measured
from benchmarks.scoring import gradients
from gradts_engine.errors import WaitingForConfirmation
from gradts_engine.scoring.normalise import normalise, task_importance

ROWS = 160
EPOCHS = 3
DEV = 20
TASKS = ("cola", "chunk_conll2000", "mrpc", "rte")
RUN = """
[run]
encoder = "minilm-l6"
tasks = {tasks}
devices = ["{device}"]

[data]
train_limit = {rows}
dev_limit = {dev}
test_limit = 1

[training]
epochs = {epochs}

[selection]
strategy = "none"
"""


def write(folder: Path, tasks: Sequence[str]) -> None:
    """A tasks.toml."""
    toml = RUN.format(device=device(), tasks=json.dumps(tasks), rows=ROWS, dev=DEV, epochs=EPOCHS)
    (folder / "tasks.toml").write_text(toml, encoding="utf-8")


def run(folder: Path, tasks: Sequence[str]) -> float:
    """Seconds that a run takes until it has a ranking and waits for confirmation."""
    write(folder, tasks)
    command = [str(Path(sys.executable).with_name("gradts-engine")), "run", "tasks.toml", "--plain"]
    start = perf_counter()
    child = subprocess.run(command, cwd=folder, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    seconds = perf_counter() - start
    assert child.returncode == WaitingForConfirmation.exit_code, child.stderr.decode()
    return seconds


def first() -> Measured:
    """Four tasks in an empty store."""
    with TemporaryDirectory() as folder:
        return Measured(run(Path(folder), TASKS))


def published() -> Measured:
    """What the published recipe computes for the same four tasks."""
    start = perf_counter()
    raw = {}
    for task in TASKS:
        data = real.encoded(task, ROWS)
        for seed in range(2):  # one for the importance of the task, one for that of its instances
            model = real.model(data, seed)
            plain.train(model, data, EPOCHS, seed)
            model.eval()
            raw[task] = np.stack([gradients(model, data.batch([row], device()), data) for row in range(len(data))])
    for primary in TASKS:
        main = task_importance([raw[primary]]).ravel()
        for other in TASKS:
            if other != primary:
                for instance in normalise(raw[other]):
                    kendalltau(main, instance.ravel())
    return Measured(perf_counter() - start)


@cache
def done(tasks: Sequence[str]) -> tuple[TemporaryDirectory[str], float]:
    """A folder in which a run was made, and how long it took."""
    folder = TemporaryDirectory()
    return folder, run(Path(folder.name), tasks)


def candidate() -> Measured:
    """A fourth task beside three."""
    three, before = done(TASKS[:-1])
    with TemporaryDirectory() as name:
        folder = Path(name) / "copy"
        shutil.copytree(three.name, folder)
        seconds = run(folder, TASKS)
    return Measured(seconds, seen={"share_of_first_run": seconds / before})


def alone() -> Measured:
    """A process that does what the fourth task needs, for itself."""
    with TemporaryDirectory() as folder:
        write(Path(folder), TASKS)
        start = perf_counter()
        subprocess.run([sys.executable, "-m", "benchmarks.alone", folder, TASKS[-1]], check=True)
        return Measured(perf_counter() - start)


def again() -> Measured:
    """Nothing has changed."""
    return Measured(run(Path(done(TASKS)[0].name), TASKS))


def cases() -> list[Case]:
    """`first`, `candidate` and `again`."""
    real.check()
    facts = {"instances": ROWS, "epochs": EPOCHS, "tasks": len(TASKS), "cpus": os.cpu_count()}
    once = partial(Case, warm_up=False, facts=facts)
    return [
        once("first", 8, first, published),
        once("candidate", 1.05, candidate, alone, at_most=True),
        once("again", 2, again, at_most=True),
    ]
