"""A selection as data for other programs: the chosen instances themselves, read from their sources again."""

from __future__ import annotations

import json
import math
from pathlib import Path

from gradts_engine.config import load_experiment
from gradts_engine.durable import keep, why
from gradts_engine.errors import UsageError
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.report import artifact, selected_instances
from gradts_engine.runtime.prepare import read_tasks
from gradts_engine.runtime.store import RunFolder, Store
from gradts_engine.words import number


def export_selection(store: Store, run: RunFolder, primary: str, path: Path) -> int:
    """Write the instances that were confirmed (or proposed) for `primary` to a JSONL file, highest tau first in a task; how many.

    Raises `UsageError` where tasks.toml or its data are no longer those of the run.
    """
    view = run.view()
    selected = selected_instances(store, view, primary)
    assert view.started is not None
    catalog = load_catalog()
    experiment = load_experiment(view.started.config, catalog)
    types = {name: catalog.task_types[spec.type].load() for name, spec in experiment.tasks.items()}
    data = read_tasks(experiment, catalog, types)
    lines = []
    for task, (positions, taus) in selected.items():
        scored = artifact(store, view, "score", task)
        if task not in data or scored is None or scored.result["data"] != data[task].digests["train"]:
            raise UsageError(
                f"{experiment.path}: the train rows of {task} are no longer those of run {run.id}; run it again first"
            )
        ranked = sorted(zip(positions.tolist(), map(number, taus.tolist()), strict=True), key=_rank)
        for position, tau in ranked:
            instance = data[task].splits["train"][position]
            record = {"task": task, "row": instance.row, "tau": tau, "text": instance.text, "label": instance.label}
            lines.append(json.dumps(record, ensure_ascii=False) + "\n")
    try:
        keep(path.parent, path.name, lambda temporary: temporary.write_text("".join(lines), encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {why(error)}") from error
    return len(lines)


def _rank(instance: tuple[int, float | None]) -> tuple[float, int]:
    """Highest tau first, those without one last."""
    position, tau = instance
    return (math.inf if tau is None else -tau, position)
