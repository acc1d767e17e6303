"""What Ray costs beside threads, on one machine. Needs the plugin gradts-ray.

`events`: what a record takes from a worker to the engine, of thousands, none of them progress, so that none may be left out:
all of them have to arrive, in their order. `start`: how many seconds more than by threads a run takes by Ray that trains next to
nothing: Ray's start and end, the worker's imports, every job on its way. `run`: a run of some minutes with a tiny encoder and one
worker, the whole command, beside the same by threads; `start` is 1% of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks.frame import Case, Measured
from gradts_engine.contracts import Setup
from gradts_engine.errors import UsageError
from gradts_engine.testing import toy_run
from gradts_engine.testing.puppet import PUPPET

RECORDS = 50_000
STEPS = 40_000
"""Of the run's trainings, about: some minutes in all."""
FEW = 40
"""Of the trainings of a run that has the same jobs and ends at once."""


def events() -> Measured:
    """Microseconds a record, from the first that is heard to the last."""
    connect = import_module("gradts_ray.executor").connect
    heard: list[tuple[float, str]] = []
    with TemporaryDirectory() as folder:
        setup = Setup(("cpu",), PUPPET, "", lambda record: heard.append((perf_counter(), record)), folder=Path(folder))
        with closing(connect(setup)) as executor:
            executor.submit(json.dumps([["say", n] for n in range(RECORDS)])).result()
    if [json.loads(record) for _, record in heard] != [*range(RECORDS)]:
        raise AssertionError("records were lost, or came in another order")
    return Measured(1e6 * (heard[-1][0] - heard[0][0]) / RECORDS)


def start() -> Measured:
    """Seconds more than by threads."""
    ray, threads = run("ray", FEW), run("threads", FEW)
    return Measured(ray.value - threads.value, seen=threads.value)


def run(executor: str, steps: int = STEPS) -> Measured:
    """Seconds of the command."""
    with TemporaryDirectory() as name:
        config = toy_run(Path(name), epochs=steps // 40, steps=steps // 4, strategy="none", run="workers = 1")
        program = Path(sys.executable).with_name("gradts-engine")
        began = perf_counter()
        subprocess.run([program, "run", config, "--executor", executor], check=True, capture_output=True)
        return Measured(perf_counter() - began)


def cases() -> list[Case]:
    """`events` and `run`."""
    if not (find_spec("gradts_ray") and find_spec("ray")):
        raise UsageError("it needs the plugin gradts-ray, with ray")
    facts = {"records": RECORDS, "steps": STEPS, "cpus": os.cpu_count()}
    once = partial(Case, facts=facts, warm_up=False)
    return [
        once("events", 200, events, at_most=True, unit="microseconds a record", turns=3),
        once("start", 8, start, at_most=True, unit="s more"),
        once("run", 1.02, partial(run, "ray"), partial(run, "threads"), at_most=True, turns=1),
    ]
