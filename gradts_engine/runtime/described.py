"""What is said of a run's data before anything is trained: classes, overlaps, warnings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from gradts_engine import events
from gradts_engine.config import Experiment
from gradts_engine.contracts import OwnInputs, TaskData, TaskType
from gradts_engine.errors import ProblemsError
from gradts_engine.runtime.mounts import network_file_system
from gradts_engine.runtime.prepare import Prepared, method_settings
from gradts_engine.runtime.store import RunFolder, Store

UNCUT = 1 << 30
"""Tokens that no text has."""


def describe(
    experiment: Experiment,
    types: Mapping[str, TaskType],
    data: Mapping[str, TaskData],
    before: Mapping[str, events.TaskRead] = MappingProxyType({}),
) -> list[events.TaskRead]:
    """Every task of a run; `before`: what was said of them when it was begun. Raises `ProblemsError` where texts overlap and
    `[data] overlap` is `stop`."""
    from gradts_engine.learning.overlap import overlap, warnings

    policy, read = experiment.data.overlap, []
    problems: list[str] = []
    for name, task in data.items():
        others = data if name in experiment.primaries else {name: task}  # what it is ever trained with
        counts = overlap(task, others)
        said = warnings(task, counts, others, policy)
        problems += [f"task '{name}': {line}" for line in said]
        read.append(task_read(task, types[name], counts, said, before.get(name)))
    if problems and policy == "stop":
        raise ProblemsError([*problems, f"{experiment.path}: data.overlap is stop: correct the data, or drop or keep these rows"])
    return read


def task_read(
    task: TaskData,
    task_type: TaskType,
    overlap: Mapping[str, Mapping[str, int]],
    said: list[str],
    before: events.TaskRead | None = None,
) -> events.TaskRead:
    """One task as it was read; `said` are warnings besides its own. What a constant answer scores is that of `before`, where the
    same rows were read then: the libraries that compute it are slow to import."""
    from gradts_engine.learning.constants import constant_score
    from gradts_engine.learning.judging import hopeless

    undefined = [why for split in ("dev", "test") if split in task.splits and (why := hopeless(task, split))]
    constant, chance = (before.constant, before.chance) if before else constant_score(task, task_type.word_level) or (None, None)
    sizes = {split: len(rows) for split, rows in task.splits.items()}
    if task.unlabelled:
        sizes["test"] = sizes.get("test", 0) + len(task.unlabelled)
    return events.TaskRead(
        task.name,
        task.type,
        task.metric,
        sizes,
        task.skipped,
        classes=task.classes,
        overlap=overlap,
        duplicates=task.duplicates,
        constant=constant,
        chance=chance,
        warnings=(*task.warnings, *said, *undefined),
        judged_by=task.judged_by,
        digests=dict(task.digests),
    )


def data_facts(read: events.TaskRead, task: TaskData, task_type: TaskType, tokenizer: Any, max_length: int) -> dict[str, Any]:
    """A task for programs, ready for JSON. `cut` counts texts longer than `max_length`, of which `lengths` are the tokens."""
    from gradts_engine.learning.batches import encode

    rows = (*(row for split in task.splits.values() for row in split),)
    if isinstance(task_type, OwnInputs):
        encoded = encode(task.name, task_type, task.labels, rows, tokenizer, max_length)
        cut, lengths = encoded.truncated, encoded.lengths
    else:
        lengths = encode(task.name, task_type, task.labels, rows, tokenizer, UNCUT).lengths
        cut = int((lengths > max_length).sum())
    middle, most, longest = np.quantile(lengths, [0.5, 0.95, 1.0], method="lower").tolist()
    return {
        "task": read.task,
        "type": read.type,
        "metric": task.metric,
        "scheme": task.rules.scheme,
        "positive": task.rules.positive,
        **{split: read.sizes.get(split) for split in ("train", "dev", "test")},
        "skipped": sum(read.skipped.values()),
        "classes": read.classes,
        "overlap": read.overlap,
        "duplicates": read.duplicates,
        "lengths": {"median": middle, "95%": most, "longest": longest},
        "cut": cut,
        "constant": read.constant,
        "warnings": list(read.warnings),
    }


def beginning(
    run: RunFolder,
    store: Store,
    prepared: Prepared,
    described: Sequence[events.TaskRead],
    devices: tuple[str, ...],
    versions: Mapping[str, str],
    needed: Iterable[str],
    trials: Mapping[str, int],
) -> Iterable[events.Event]:
    """What is said before the first stage."""
    experiment = prepared.experiment
    yield events.RunStarted(
        run=run.id,
        config=str(experiment.path.absolute()),
        encoder=prepared.encoder.name,
        tasks=tuple(prepared.data),
        primaries=experiment.primaries,
        devices=devices,
        settings=method_settings(experiment),
        versions=versions,
        store=str(store.root.absolute()),
        needs=tuple(sorted(needed)),
        precision=prepared.facts.precision,
        keep=experiment.run.keep,
        trials=trials,
    )
    if kind := network_file_system(store.root):
        yield events.Warned(f"{store.root} is on a network file system ({kind}): safe, but slower than a local disk")
    for task in described:
        yield task
        yield from (events.Warned(f"task '{task.task}': {warning}") for warning in task.warnings)
