"""`gradient_files/ENCODER/` of the published code -> safetensors and JSON, its correlations checked against ours.

A task's folder has `gradient_layer_normal_task.pkl` [L, H], `gradient_layer_normal_ins.pkl` [N, L, H] (both normalised) and
`gradient_correlation/` with `task_level_corr.pkl`, auxiliary to tau, and `AUXILIARY.pkl`, tau of each of its instances.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from gradts_engine.errors import UsageError
from gradts_engine.names import RULE, is_name
from gradts_engine.published.pickles import read_pickle
from gradts_engine.scoring.correlation import kendall_tau

TASK = "gradient_layer_normal_task.pkl"
INSTANCES = "gradient_layer_normal_ins.pkl"
CORRELATION = "gradient_correlation"
TASK_LEVEL = "task_level_corr.pkl"


@dataclass(frozen=True)
class PublishedTask:
    """What was published of one task: importance [L, H] and [N, L, H], and tau with auxiliaries and with their instances [N]."""

    name: str
    importance: Mapping[str, np.ndarray] = field(default_factory=dict)
    tau: Mapping[str, float] = field(default_factory=dict)
    instance_tau: Mapping[str, np.ndarray] = field(default_factory=dict)


def read_gradients(source: Path) -> dict[str, PublishedTask]:
    """All tasks below a folder, by name. Raises UsageError for a file that is not what the published code writes."""
    folders = {path.parent for name in (TASK, INSTANCES) for path in source.rglob(name)}
    folders |= {path.parents[1] for path in source.rglob(f"{CORRELATION}/*.pkl")}
    if not folders:
        raise UsageError(f"{source}: no {TASK}, {INSTANCES} or {CORRELATION} below it, expected gradient_files/ENCODER")
    tasks: dict[str, PublishedTask] = {}
    for folder in sorted(folders):
        if not is_name(folder.name):
            raise UsageError(f"{folder}: its name is not that of a task, expected {RULE}: rename it")
        if folder.name in tasks:
            raise UsageError(f"{source}: has several folders {folder.name}; import one encoder at a time")
        tasks[folder.name] = _read_task(folder)
    if len(sizes := {array.shape[-2:] for task in tasks.values() for array in task.importance.values()}) > 1:
        raise UsageError(f"{source}: matrices of different sizes, {sorted(sizes)}; import one encoder at a time")
    return tasks


def _read_task(folder: Path) -> PublishedTask:
    files = {"task": (folder / TASK, 2), "instances": (folder / INSTANCES, 3)}
    importance = {name: _array(path, axes) for name, (path, axes) in files.items() if path.exists()}
    tau: Mapping[str, float] = {}
    instance_tau: dict[str, np.ndarray] = {}
    for path in sorted((folder / CORRELATION).glob("*.pkl")):
        if path.name == TASK_LEVEL:
            found = read_pickle(path)
            if not isinstance(found, dict) or not all(map(is_name, found)):
                raise UsageError(f"{path}: expected tau by the names of tasks")
            tau = found
        elif is_name(path.stem):
            instance_tau[path.stem] = _array(path, 1)
        else:
            raise UsageError(f"{path}: its name is not that of a task, expected {RULE}")
    return PublishedTask(folder.name, importance, tau, instance_tau)


def _array(path: Path, axes: int) -> np.ndarray:
    array = read_pickle(path)
    if isinstance(array, dict) or array.ndim != axes:
        shape = "a table" if isinstance(array, dict) else f"the shape {list(array.shape)}"
        raise UsageError(f"{path}: has {shape}, expected {axes} axes")
    return array


def correlate(tasks: Mapping[str, PublishedTask]) -> dict[str, dict[str, float]]:
    """Tau of every task's matrix with every other, as we compute it: tau[p][a]."""
    matrices = {name: task.importance["task"] for name, task in tasks.items() if "task" in task.importance}
    return {
        p: {a: float(kendall_tau(matrix, other[None])[0]) for a, other in matrices.items() if a != p}
        for p, matrix in matrices.items()
    }


@dataclass(frozen=True)
class Check:
    """How many of the published taus we get bit by bit from the published matrices, and the largest difference."""

    compared: int
    equal: int
    difference: float


def check(tasks: Mapping[str, PublishedTask]) -> Check:
    """Compare the published correlations with ours. Raises UsageError where their numbers of instances differ."""
    compared = equal = 0
    difference = 0.0
    for theirs, ours in _pairs(tasks):
        same = (theirs == ours) | (np.isnan(theirs) & np.isnan(ours))
        compared, equal = compared + same.size, equal + int(same.sum())
        with np.errstate(invalid="ignore"):
            difference = max(difference, float(np.nan_to_num(np.abs(theirs - ours)[~same], nan=2.0).max(initial=0.0)))
    return Check(compared, equal, difference)


def _pairs(tasks: Mapping[str, PublishedTask]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Their tau and ours, for all that can be computed."""
    for primary, task in tasks.items():
        if (main := task.importance.get("task")) is None:
            continue
        for auxiliary, tau in task.tau.items():
            if auxiliary in tasks and (other := tasks[auxiliary].importance.get("task")) is not None:
                yield np.array([tau]), kendall_tau(main, other[None])
        for auxiliary, taus in task.instance_tau.items():
            if auxiliary in tasks and (others := tasks[auxiliary].importance.get("instances")) is not None:
                if len(others) != len(taus):
                    raise UsageError(
                        f"{primary}: {len(taus)} correlations with the instances of {auxiliary}, which has {len(others)}; "
                        "they are of another run"
                    )
                yield taus, kendall_tau(main, others)


def write_gradients(tasks: Mapping[str, PublishedTask], out: Path) -> None:
    """Write `TASK.safetensors` (`task` [L, H], `instances` [N, L, H], float32, named as in `export importance`),
    `TASK.tau.safetensors` (auxiliary to [N], float64) and `tau.json` (`published` and `computed`, [primary][auxiliary]).

    Raises UsageError where `out` cannot be written, or is not empty."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()):
            raise UsageError(f"{out} is not empty; name a new folder")
        for name, task in tasks.items():
            if task.importance:
                save_file({key: array.astype(np.float32) for key, array in task.importance.items()}, out / f"{name}.safetensors")
            if task.instance_tau:
                save_file(dict(task.instance_tau), out / f"{name}.tau.safetensors")
        tau = {"published": {name: dict(task.tau) for name, task in tasks.items()}, "computed": correlate(tasks)}
        (out / "tau.json").write_text(json.dumps(_without_nan(tau), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}") from error


def _without_nan(value: object) -> object:
    """JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    return None if value != value else value
