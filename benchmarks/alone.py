"""What one task of a run costs alone: a process that makes its mean state, its fine-tuning and its gradient pass.

Run as `python -m benchmarks.alone FOLDER TASK`.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.device import device
from gradts_engine.config import load_experiment
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.runtime.executors import resolve_devices
from gradts_engine.runtime.jobs import Embed, Score, Task, Tune, key
from gradts_engine.runtime.prepare import prepare
from gradts_engine.runtime.worker import Worker

if __name__ == "__main__":
    folder, task = Path(sys.argv[1]), sys.argv[2]
    catalog = load_catalog()
    experiment = load_experiment(folder / "tasks.toml", catalog)
    experiment = replace(experiment, tasks={task: experiment.tasks[task]})
    devices = resolve_devices([device()])
    prepared = prepare(experiment, catalog, devices)
    worker = Worker(config=str(experiment.path), text=experiment.text, store=str(folder))
    for job in (Embed(task=task), Tune(task=task), Score(task=task)):
        text = Task(job=job, key=key(job, prepared.facts), devices=devices).model_dump_json()
        print(worker.work(text, devices[0].name, lambda record: None))
