"""What a file or a task would be read as: for people who look before they train."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from gradts_engine.config import DataSettings, load_experiment
from gradts_engine.config.file import as_toml
from gradts_engine.config.schema import Context, find_encoder
from gradts_engine.contracts import Dialect, EncoderSpec, Parallel, Source, TaskData, TaskSpec
from gradts_engine.errors import UsageError
from gradts_engine.hooks.catalog import Catalog
from gradts_engine.learning.data import read_task
from gradts_engine.learning.rows import detect, read_rows
from gradts_engine.names import DEFAULT_ENCODER, slug
from gradts_engine.nearest import unknown
from gradts_engine.runtime.described import data_facts, describe, task_read
from gradts_engine.runtime.prepare import read_tasks
from gradts_engine.wizard.looking import guess

FIRST = 3
"""Rows that are shown."""
SPLITS = ("train", "dev", "test")


def inspect_file(
    path: Path, catalog: Catalog, said: Mapping[str, str], encoder: str = DEFAULT_ENCODER, max_length: int | None = None
) -> dict[str, Any]:
    """A file by itself, as a task that has a tenth of its rows for dev; `said` may have `text`, `label`, `type` and
    `header`.

    Raises `UsageError` where it cannot be read, or where nobody can tell what is in it.
    """
    name = slug(path.name.partition(".")[0], otherwise="task")
    text = tuple(said["text"].split(",")) if "text" in said else ()
    dialect = Dialect(header=tuple(said["header"].split(",")) if "header" in said else None)
    found = guess(Path(), name, {"train": str(path)}, text, said.get("label", ""), said.get("type", ""), dialect)
    if found.type not in catalog.task_types:
        raise UsageError(unknown("task type", found.type, catalog.task_types))
    columns = found.text[0] if len(found.text) == 1 else found.text
    source = str(path)
    spec = TaskSpec(name=name, type=found.type, train=source, dev_fraction=0.1, text=columns, label=found.label, dialect=dialect)
    try:
        model = find_encoder(encoder, Context(catalog, Path(), ()))
    except ValueError as error:
        raise UsageError(str(error)) from None
    return _facts(spec, _read(spec, catalog), catalog, model, max_length or DataSettings().max_length)


def inspect_task(name: str, config: Path, catalog: Catalog) -> dict[str, Any]:
    """A task of tasks.toml, with what its texts have in common with the other tasks there; or else a registered one."""
    if not config.exists() and name in catalog.tasks:
        spec = catalog.tasks[name]
        return _facts(spec, _read(spec, catalog), catalog, catalog.encoders[DEFAULT_ENCODER], DataSettings().max_length)
    if not config.exists():
        raise UsageError(
            f"'{name}' is no file, and no registered task; tasks of your own need a tasks.toml ({config} is not there)"
        )
    experiment = load_experiment(config, catalog)
    if name not in experiment.tasks:
        raise UsageError(f"{unknown('task', name, experiment.tasks)} (neither a file, nor a task of {config})")
    types = {task: catalog.task_types[spec.type].load() for task, spec in experiment.tasks.items()}
    data = read_tasks(experiment, catalog, types)
    read = next(task for task in describe(experiment, types, data) if task.task == name)
    spec, length = experiment.tasks[name], experiment.data.max_length
    return _facts(spec, data[name], catalog, experiment.encoder, length, read.overlap, read.warnings)


def _read(spec: TaskSpec, catalog: Catalog) -> TaskData:
    kind = catalog.task_types[spec.type]
    return read_task(spec, kind.load(), spec.metric or kind.metrics[0], {}, "stop", 0)


def _facts(
    spec: TaskSpec,
    data: TaskData,
    catalog: Catalog,
    encoder: EncoderSpec,
    max_length: int,
    overlap: Mapping[str, Mapping[str, int]] | None = None,
    warnings: tuple[str, ...] = (),
) -> dict[str, Any]:
    from gradts_engine.learning.encoders import load_encoder
    from gradts_engine.learning.overlap import overlap as overlap_of
    from gradts_engine.learning.overlap import warnings as warnings_of

    kind = catalog.task_types[spec.type].load()
    own = {data.name: data}
    counts = overlap_of(data, own) if overlap is None else overlap
    said = warnings_of(data, counts, own, "drop") if overlap is None else [w for w in warnings if w not in data.warnings]
    tokenizer = load_encoder(encoder).tokenizer_for(kind.word_level)
    files = {split: detect(source, spec.dialect) for split in SPLITS if (source := getattr(spec, split)) is not None}
    return {
        "columns": list(next(iter(read_rows(spec.train, spec.options, spec.dialect))).values),
        "files": {split: [asdict(file) | {"read as": str(file)} for file in found] for split, found in files.items()},
        "text": [spec.text] if isinstance(spec.text, str) else list(spec.text),
        "label": spec.label,
        **data_facts(task_read(data, kind, counts, said), data, kind, tokenizer, max_length),
        "max_length": max_length,
        "first": [{"row": i.row, "text": list(i.text), "label": i.label} for i in data.splits["train"][:FIRST]],
        "table": table(replace(spec, separator=data.separator)),
    }


def table(spec: TaskSpec) -> str:
    """A task as a table of tasks.toml."""
    values: dict[str, Any] = {"type": spec.type}
    values |= {split: _source(source) for split in SPLITS if (source := getattr(spec, split)) is not None}
    if not all(values[split] for split in SPLITS if split in values):
        return f"[tasks.{as_toml(spec.name)}]\n"  # data that a function makes are a registered task's
    values |= {"dev_fraction": spec.dev_fraction, "group": spec.group, "text": spec.text}
    values |= {"label": spec.indicators or spec.label, "separator": spec.separator, "labels": spec.labels}
    values |= {key: value for key, value in asdict(spec.dialect).items() if value != getattr(Dialect(), key)}
    values |= {"metric": spec.metric, "positive": spec.positive, "scheme": spec.scheme, "strict": spec.strict or None}
    lines = [f"{key} = {as_toml(value)}" for key, value in values.items() if value is not None]
    return "\n".join([f"[tasks.{as_toml(spec.name)}]", *lines, ""])


def _source(source: Source) -> Any:
    if isinstance(source, Parallel):
        return dict(source.files)
    return "" if callable(source) else source
