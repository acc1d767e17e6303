"""MaChAmp's data set configurations -> tasks.toml that reads the same files, and a list of what could not be carried over."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gradts_engine.config.file import as_toml
from gradts_engine.errors import UsageError
from gradts_engine.learning.rows.files import open_text
from gradts_engine.names import is_name, slug
from gradts_engine.printing import printable

TYPES = {
    "seq": "token_classification",
    "seq_bio": "token_classification",
    "classification": "classification",
    "regression": "regression",
    "multiclas": "multi_label",
    "mlm": "masked_lm",
}
"""Our task types by theirs."""
USUAL = {"seq": "token_accuracy", "seq_bio": "span_f1", "multiclas": "subset_accuracy"}
"""The metric of theirs that differs from our default."""
METRICS = {"accuracy": ("accuracy", "token_accuracy"), "acc": ("accuracy", "token_accuracy"), "span_f1": ("span_f1",)} | {
    "f1_micro": ("micro_f1",),
    "f1_macro": ("macro_f1",),
    "f1_binary": ("f1",),
    "multi_acc": ("subset_accuracy",),
    "pearson": ("pearson",),
    "spearman": ("spearman",),
}
PATHS = {"train": ("train_data_path",), "dev": ("dev_data_path", "validation_data_path"), "test": ("test_data_path",)}
KNOWN = {"word_idx", "sent_idxs", "tasks", "skip_first_line", *(path for paths in PATHS.values() for path in paths)}


@dataclass
class Imported:
    """The tasks by name with the files of their splits, the tables of tasks.toml, and what could not be carried over."""

    files: dict[str, dict[str, str]] = field(default_factory=dict)
    tables: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


def import_machamp(configuration: Path, data: Path, out: Path, metrics: Mapping[str, Sequence[str]], encoder: str) -> Imported:
    """Write `out`/tasks.toml. Files stay where they are, below `data`; `metrics` has the metrics of our task types.

    Raises UsageError where the configuration cannot be read, `out` is there already, or no task is left.
    """
    try:
        content = json.loads(configuration.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{configuration}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not isinstance(content, Mapping) or not all(isinstance(entry, Mapping) for entry in content.values()):
        raise UsageError(f'{configuration}: expected data sets as {{"NAME": {{"train_data_path": ..., "tasks": {{...}}}}}}')
    if (out / "tasks.toml").exists():
        raise UsageError(f"{out / 'tasks.toml'} exists; name another folder")
    found = Imported()
    for name, dataset in content.items():
        _import_dataset(str(name), dataset, data, out, metrics, found)
    if not found.tables:
        raise UsageError(f"{configuration}: no task could be imported: {'; '.join(found.lost)}")
    out.mkdir(parents=True, exist_ok=True)
    head = f"# Imported from {printable(configuration.name)} of MaChAmp.\n\n[run]\nencoder = {as_toml(encoder)}\n"
    (out / "tasks.toml").write_text("\n".join([head, *found.tables]), encoding="utf-8")
    return found


def _import_dataset(
    name: str, fields: Mapping[str, Any], data: Path, out: Path, metrics: Mapping[str, Sequence[str]], found: Imported
) -> None:
    named = {split: next((fields[key] for key in keys if fields.get(key)), None) for split, keys in PATHS.items()}
    files = {split: data / str(path) for split, path in named.items() if path}
    if "train" not in files or (missing := [str(path) for path in files.values() if not path.is_file()]):
        found.lost.append(printable(f"{name}: left out: {'no file ' + missing[0] if 'train' in files else 'no train_data_path'}"))
        return
    found.lost += [printable(f"{name}: {key} has no counterpart") for key in fields if key not in KNOWN]
    tasks = fields.get("tasks")
    for task, options in tasks.items() if isinstance(tasks, Mapping) else ():
        try:
            table = _table(fields, options, files["train"], metrics)
        except ValueError as error:
            found.lost.append(printable(f"{name}.{task}: left out: {error}"))
            continue
        ours = slug(f"{name}-{task}".lower(), 48)
        if not is_name(ours) or ours in found.files:
            found.lost.append(printable(f"{name}.{task}: left out: its name"))
            continue
        where = {split: os.path.relpath(path, out) for split, path in files.items()}
        dev = {} if "dev" in where else {"dev_fraction": 0.1}
        found.files[ours] = where
        lines = [f"{key} = {as_toml(value)}" for key, value in (table | where | dev).items()]
        found.tables.append("\n".join([f"[tasks.{ours}]", *lines, ""]))
        other = [key for key in options if key not in ("task_type", "column_idx", "metric")]
        found.lost += [printable(f"{name}.{task}: {key} has no counterpart") for key in other]


def _table(dataset: Mapping[str, Any], task: Any, train: Path, metrics: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """A task's keys but its files. Raises ValueError for what has no counterpart."""
    theirs = task.get("task_type") if isinstance(task, Mapping) else None
    if theirs not in TYPES:
        raise ValueError(f"task_type {theirs} has no counterpart")
    kind, column = TYPES[theirs], task.get("column_idx")
    wanted = task.get("metric")
    metric = next((m for m in METRICS.get(str(wanted), ()) if m in metrics[kind]), None) if wanted else USUAL.get(theirs)
    table: dict[str, Any] = {"type": kind} | ({"metric": metric} if metric else {})
    if kind == "masked_lm":
        return table | {"format": "lines"}
    if not isinstance(column, int) or column < 0:
        raise ValueError(f"column_idx {column}: the label is in no column")
    if kind == "token_classification":
        if not isinstance(dataset.get("word_idx"), int):
            raise ValueError("no word_idx")
        return table | {"format": _word_format(train), "text": str(dataset["word_idx"]), "label": str(column)}
    texts = dataset.get("sent_idxs")
    texts = texts if isinstance(texts, list) else [texts]
    if not texts or not all(isinstance(text, int) for text in texts) or len(texts) > 2:
        raise ValueError(f"sent_idxs {dataset.get('sent_idxs')}: expected one column or two")
    names = _columns(train, bool(dataset.get("skip_first_line")))
    if max(column, *texts) >= len(names):
        raise ValueError(f"{train.name} has {len(names)} columns")
    table |= {"format": "tsv", "delimiter": "\t", "quoting": "none", "text": [names[text] for text in texts]}
    table |= {"label": names[column]} | ({"separator": "|"} if kind == "multi_label" else {})
    return table if dataset.get("skip_first_line") else table | {"header": names}


def _word_format(path: Path) -> str:
    with open_text(path) as opened:
        lines = [line.split("\t") for line in opened.sample.split("\n")[:-1] if line.strip() and not line.startswith("#")]
    return "conllu" if lines and all(len(fields) == 10 and fields[0][:1].isdigit() for fields in lines) else "conll"


def _columns(path: Path, header: bool) -> list[str]:
    """The names in the first line, or numbers from 0."""
    with open_text(path) as opened:
        first = opened.sample.partition("\n")[0].rstrip("\r").split("\t")
    return first if header else [str(i) for i in range(len(first))]
