"""What a run costs beside its computing when there is much of everything: tasks in a run, runs in a store.

`N tasks`: a run with a tiny encoder, whose trainings take next to nothing, in seconds and bytes a task. `1000 tasks, simulated`:
three jobs of each, by a worker that saves empty results. `status`, `first paint`: a store of many runs. None has a baseline.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks.device import device
from benchmarks.frame import Case, Measured
from benchmarks.overhead import drive, facts
from benchmarks.tui import RUN, Screen, store
from gradts_engine.errors import WaitingForConfirmation
from gradts_engine.runtime.jobs import Embed, Score, Tune
from gradts_engine.testing.tiny import tiny_encoder
from gradts_engine.testing.toy import TOY_WORDS, toy_rows

TASKS = (10, 40, 160)
MANY = 1000
RUNS = 200
SECONDS, BYTES = 0.5, 1 << 20
"""Most seconds and bytes of a task."""

HEAD = """
[run]
encoder = "encoder"
primary = ["t0"]
devices = ["{device}"]

[training]
epochs = 1
batch_size = 16

[selection]
strategy = "none"
"""
TABLE = """
[tasks.t{i}]
type = "classification"
text = ["one", "two"]
train = "{i}.jsonl"
dev = "dev.jsonl"
"""


def write(folder: Path, tasks: int) -> None:
    """A tasks.toml with so many tasks of 35 rows, each with a row of its own, so that no result is another's."""
    tiny_encoder(folder / "encoder", words=TOY_WORDS)
    rows = toy_rows()["pair"]
    for i in range(tasks):
        own = [*rows["train"][1:], {"one": f"number {i}", "two": "red", "label": i % 2}]
        (folder / f"{i}.jsonl").write_text("\n".join(map(json.dumps, own)), encoding="utf-8")
    (folder / "dev.jsonl").write_text("\n".join(map(json.dumps, rows["dev"])), encoding="utf-8")
    (folder / "tasks.toml").write_text(
        HEAD.format(device=device()) + "".join(TABLE.format(i=i) for i in range(tasks)), encoding="utf-8"
    )


def command(*arguments: str, folder: Path, exit_code: int) -> float:
    """Seconds that `gradts-engine` takes."""
    program = str(Path(sys.executable).with_name("gradts-engine"))
    start = perf_counter()
    child = subprocess.run([program, *arguments], cwd=folder, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    seconds = perf_counter() - start
    assert child.returncode == exit_code, child.stderr.decode()
    return seconds


@cache
def run(tasks: int) -> tuple[float, float]:
    """Seconds and bytes a task of a run up to its proposal."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, tasks)
        seconds = command("run", "tasks.toml", "--plain", folder=folder, exit_code=WaitingForConfirmation.exit_code)
        size = sum(path.stat().st_blocks * 512 for path in (folder / ".gradts").rglob("*") if path.is_file())
    return seconds / tasks, size / tasks


def seconds_a_task(tasks: int) -> Measured:
    """Of a whole run, start-up included."""
    return Measured(run(tasks)[0])


def bytes_a_task(tasks: int) -> Measured:
    """What the store holds afterwards."""
    return Measured(run(tasks)[1])


def simulated() -> Measured:
    """Seconds a task, of three jobs each, that driver, journal and store take."""
    with TemporaryDirectory() as folder:
        wanted = [job(task=f"task{i}") for i in range(MANY) for job in (Embed, Tune, Score)]
        return Measured(drive(Path(folder), facts(MANY), wanted) / MANY)


def many(folder: Path) -> None:
    """A store with many finished runs."""
    runs = store(folder, 200, ended=True).parent
    for i in range(1, RUNS):
        shutil.copytree(runs, runs.with_name(f"{RUN[:-3]}{i:03}"))


def status() -> Measured:
    """Seconds to list all runs."""
    with TemporaryDirectory() as folder:
        many(Path(folder))
        return Measured(command("status", "--store", folder, folder=Path(folder), exit_code=0))


def first_paint() -> Measured:
    """Seconds until a run's stages are on the screen, beside all others."""
    with TemporaryDirectory() as folder:
        many(Path(folder))
        with Screen(Path(folder)) as screen:
            return Measured(screen.wait(b"Tune each task alone"))


def cases() -> list[Case]:
    """A turn each: a run is long."""
    once = partial(Case, at_most=True, turns=1, warm_up=False, facts={"cpus": os.cpu_count()})
    return [
        *(once(f"{tasks} tasks", SECONDS, partial(seconds_a_task, tasks), unit="s a task") for tasks in TASKS),
        *(once(f"{tasks} tasks, store", BYTES, partial(bytes_a_task, tasks), unit="B a task") for tasks in TASKS),
        once(f"{MANY} tasks, simulated", 0.1, simulated, unit="s a task"),
        Case(f"status of {RUNS} runs", 1.0, status, at_most=True),
        Case(f"first paint beside {RUNS} runs", 1.0, first_paint, at_most=True),
    ]
