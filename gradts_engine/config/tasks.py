"""`[tasks.NAME]` and what is registered become the tasks of an experiment."""

from __future__ import annotations

import inspect
import os
from dataclasses import fields, replace
from pathlib import Path

from gradts_engine.config.file import Key, Problems
from gradts_engine.config.schema import Context, DataSettings, Names, TaskTable
from gradts_engine.contracts import Dialect, Parallel, Source, TaskSpec
from gradts_engine.names import RULE, is_name
from gradts_engine.nearest import unknown

SPLITS = ("train", "dev", "test")
DIALECT = tuple(field.name for field in fields(Dialect))


def resolve_task(name: str, table: TaskTable, context: Context, problems: Problems) -> TaskSpec | None:
    """The task that a `[tasks.NAME]` table defines; fields that it does not give come from its base."""
    at = ("tasks", name)
    if not is_name(name):
        problems.append((at, f"not a task name, expected {RULE}"))
    given = {key: value for key in table.model_fields_set if (value := getattr(table, key)) is not None}
    given = {key: value for key, value in given.items() if key != "base" and not key.endswith("_limit")}
    for split in SPLITS:
        if split in given:
            given[split] = _absolute(given[split], context.folder)
    dialect = {key: given.pop(key) for key in DIALECT if key in given}
    if isinstance(given.get("label"), tuple):
        indicators = given.pop("label")
        given |= {"indicators": indicators, "labels": given.get("labels", indicators)}
    elif "label" in given:
        given["indicators"] = ()
    missing = [key for key in ("type", "train") if key not in given]
    base = context.names.tasks.get(table.base or (name if missing else ""))  # a table of its own may be called like another task
    if base is None and missing:
        problems.append((at, f"no {' and no '.join(missing)}, and no base = a registered task to take it from"))
        return None
    for key in ("dev_fraction", "group"):
        if "dev" in given and key in given:
            problems.append(((*at, key), "dev is given too, expected one of the two"))
    if base and "dev" in given:
        base = replace(base, dev_fraction=None, group=None)
    elif base and "dev_fraction" in given:
        base = replace(base, dev=None)
    spec = replace(base, name=name, **given) if base else TaskSpec(name=name, **given)
    if dialect:
        spec = replace(spec, dialect=replace(spec.dialect, **dialect))
    made = [source for split in SPLITS if callable(source := getattr(spec, split))]
    if table.options and not made:
        problems.append(((*at, "options"), "only data made by a function have options, but these are read from files"))
    for source in made[:1]:
        known = inspect.signature(source).parameters
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
            problems += [((*at, "options", key), unknown("option", key, known)) for key in spec.options if key not in known]
    check_task(spec, at, context.names, problems)
    return spec


def _absolute(source: str | tuple[str, ...] | dict[str, str], folder: Path) -> Source:
    if isinstance(source, dict):
        return Parallel(tuple((column, _path(file, folder)) for column, file in source.items()))
    if isinstance(source, tuple):
        return tuple(_path(file, folder) for file in source)
    return source if source.startswith("hf:") else _path(source, folder)


def _path(file: str, folder: Path) -> str:
    return str((folder / os.path.expanduser(file)).absolute())


def check_task(spec: TaskSpec, at: Key, names: Names, problems: Problems) -> None:
    """The relations between a task's fields; `at` is the key that brought the task in."""

    def key(field: str) -> Key:
        return (*at, field) if at[0] == "tasks" else at

    if spec.dev is None and spec.dev_fraction is None:
        problems.append((at, 'no dev split: give dev = "FILE" or dev_fraction = 0.1'))
    if spec.type not in names.task_types:
        problems.append((key("type"), unknown("task type", spec.type, names.task_types)))
        return
    task_type = names.task_types[spec.type]
    if spec.indicators and spec.type != "multi_label":
        problems.append((key("label"), f"{len(spec.indicators)} columns, which only type 'multi_label' may have"))
    columns = 1 if isinstance(spec.text, str) else len(spec.text)
    if columns not in task_type.texts:
        allowed = " or ".join(map(str, task_type.texts))
        problems.append((key("text"), f"{columns} columns, expected {allowed} for type '{spec.type}'"))
    if spec.metric is not None and spec.metric not in task_type.metrics:
        problems.append((key("metric"), unknown(f"{spec.type} metric", spec.metric, task_type.metrics)))


def limits(data: DataSettings, table: TaskTable | None) -> dict[str, int | None]:
    """The largest number of rows of each split: the task's own, or else that of [data]."""

    def limit(split: str) -> int | None:
        own: int | None = getattr(table, f"{split}_limit", None)
        return own or getattr(data, f"{split}_limit")

    return {split: limit(split) for split in SPLITS}
