"""How near `plan` comes: the seconds it tells before a run, against those that the run's jobs then took.

Seven runs of different sizes in one store, with an encoder of 6 layers on real tasks. The first is planned from a probe, the
others from the paces of those before. A row says how many times as long as the other the longer one is: planned or taken. The
number of trials is not planned but the strategy's, so the plan counts as many as were made.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import real
from benchmarks.device import device
from benchmarks.frame import Case, Measured

RUNS: tuple[tuple[Sequence[str], int, int, int], ...] = (
    (("cola", "mrpc"), 120, 1, 15),
    (("cola", "sst2"), 240, 1, 20),
    (("cola", "mrpc", "rte"), 120, 2, 10),
    (("chunk_conll2000", "pos_ewt", "ner_wnut17"), 160, 1, 15),
    (("cola", "sst2", "mrpc", "stsb"), 100, 3, 20),
    (("mrpc", "rte"), 320, 1, 10),
    (("cola", "sst2"), 900, 2, 60),
)
"""Tasks, train rows of each, epochs of a tuning, and steps of a trial: from some seconds to a minute."""
FIRST, NEAR = 2.0, 1.3
RUN = """
[run]
encoder = "minilm-l6"
tasks = {tasks}
primary = ["{primary}"]
devices = ["{device}"]

[data]
train_limit = {rows}
dev_limit = 60
test_limit = 1

[training]
epochs = {epochs}

[multitask]
epochs = 2
steps = {steps}

[selection]
strategy = "trial"
confirm = "auto"
"""
PLANNED = ("tune", "score", "trial")


@cache
def store() -> TemporaryDirectory[str]:
    """The folder of all runs."""
    return TemporaryDirectory()


def engine(*arguments: str) -> Any:
    """What a command answers in JSON."""
    program = str(Path(sys.executable).with_name("gradts-engine"))
    command = [program, *arguments, "--store", str(Path(store().name) / "store")]
    done = subprocess.run(command, cwd=store().name, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if "--json" in arguments else None


@cache
def run(number: int) -> Measured:
    """Plan a run and make it, after those before it."""
    for before in range(number):
        run(before)
    tasks, rows, epochs, steps = RUNS[number]
    text = RUN.format(tasks=json.dumps(tasks), primary=tasks[0], device=device(), rows=rows, epochs=epochs, steps=steps)
    name = f"run{number}.toml"
    (Path(store().name) / name).write_text(text, encoding="utf-8")
    plan = engine("plan", name, "--json")
    engine("run", name, "--plain")
    spent = {row["stage"]: row for row in engine("results", "--json")["spent"]}
    trials = spent["trial"]["computed"]
    planned = plan["seconds"] + trials * plan["trial seconds"]
    taken = sum(spent[stage]["seconds"] for stage in PLANNED)
    seen = {"planned": round(planned, 1), "taken": round(taken, 1), "trials": trials}
    return Measured(max(planned / taken, taken / planned), seen=seen)


def cases() -> list[Case]:
    """`1 (probe)`, `2` to `7`."""
    real.check()
    once = partial(Case, at_most=True, turns=1, warm_up=False, unit="times")
    return [
        once(f"{number + 1}{'' if number else ' (probe)'}", NEAR if number else FIRST, partial(run, number))
        for number in range(len(RUNS))
    ]
