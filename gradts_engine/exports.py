"""Importance and selections as files for other programs, with instances as they stand in their sources now: these are read again,
since rows that no model sees may have come or gone since, which changes no result."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np

from gradts_engine.config import load_experiment
from gradts_engine.contracts import Instance
from gradts_engine.durable import keep_at, why
from gradts_engine.errors import GradTSError, UsageError
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.report import artifact, importance, selected_instances
from gradts_engine.runtime.prepare import read_tasks
from gradts_engine.runtime.store import RunFolder, Store
from gradts_engine.words import number


def export_importance(store: Store, run: RunFolder, task: str, path: Path, warn: Callable[[str], None]) -> None:
    """Write `importance` to a safetensors file. Where the rows are no longer those of the run, `warn` is told that their numbers
    are old. Raises `UsageError` if it cannot be written."""
    from safetensors import SafetensorError
    from safetensors.numpy import save

    found = importance(store, run.view(), task)
    at = found.pop("at")
    try:
        rows = _train_rows(store, run, [task])[task]
        found["ids"] = np.array([rows[place].row for place in at], np.int64)
    except GradTSError as error:
        warn(f"ids are where instances stood when {task} was scored: {str(error).splitlines()[0]}")
    try:
        keep_at(path, lambda temporary: temporary.write_bytes(save(found)))
    except (OSError, SafetensorError) as error:
        raise UsageError(f"{path} cannot be written: {why(error)}") from error


def export_selection(store: Store, run: RunFolder, primary: str, path: Path) -> int:
    """Write the instances that were confirmed (or proposed) for `primary` to a JSONL file, highest tau first in a task; how many.

    Raises `UsageError` where tasks.toml or its data are no longer those of the run.
    """
    selected = selected_instances(store, run.view(), primary)
    rows = _train_rows(store, run, selected)
    lines = []
    for task, (positions, taus) in selected.items():
        ranked = sorted(zip(positions.tolist(), map(number, taus.tolist()), strict=True), key=_rank)
        for position, tau in ranked:
            instance = rows[task][position]
            record = {"task": task, "row": instance.row, "tau": tau, "text": instance.text, "label": instance.label}
            lines.append(json.dumps(record, ensure_ascii=False) + "\n")
    try:
        keep_at(path, lambda temporary: temporary.write_text("".join(lines), encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {why(error)}") from error
    return len(lines)


def _train_rows(store: Store, run: RunFolder, tasks: Collection[str]) -> dict[str, Sequence[Instance]]:
    """Train rows of tasks that a run has scored, read again. Raises `GradTSError` where they cannot be read or are others now."""
    view = run.view()
    assert view.started is not None
    catalog = load_catalog()
    experiment = load_experiment(view.started.config, catalog)
    specs = {task: experiment.tasks[task] for task in tasks if task in experiment.tasks}
    types = {task: catalog.task_types[spec.type].load() for task, spec in specs.items()}
    data = read_tasks(experiment, catalog, types)
    for task in tasks:
        scored = artifact(store, view, "score", task, files=False)
        if task not in data or scored is None or scored.result["data"] != data[task].digests["train"]:
            raise UsageError(
                f"{experiment.path}: the train rows of {task} are no longer those of run {run.id}; run it again first"
            )
    return {task: data[task].splits["train"] for task in tasks}


def _rank(instance: tuple[int, float | None]) -> tuple[float, int]:
    """Highest tau first, those without one last."""
    position, tau = instance
    return (math.inf if tau is None else -tau, position)
