"""What one task of a run costs alone: a process that makes its mean state, its fine-tuning and its gradient pass.

Run as `python -m benchmarks.alone FOLDER TASK`.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from gradts_engine.config import load_experiment
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.runtime import stages
from gradts_engine.runtime.control import Control
from gradts_engine.runtime.prepare import prepare
from gradts_engine.runtime.store import Store
from gradts_engine.runtime.workbench import Workbench

if __name__ == "__main__":
    folder, task = Path(sys.argv[1]), sys.argv[2]
    catalog = load_catalog()
    experiment = load_experiment(folder / "tasks.toml", catalog)
    experiment = replace(experiment, tasks={task: experiment.tasks[task]})
    (device,), types, data, encoder = prepare(experiment, catalog)
    bench = Workbench(experiment, data, types, encoder, Store(folder).artifacts, lambda event: None, Control())
    stages.embed(bench, task, device)
    stages.score(bench, task, device)
