"""A task's sources -> checked instances, classes and digests; or all bad rows at once, each with file and line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

import numpy as np

from gradts_engine.contracts import Answer, Instance, Label, Source, TaskData, TaskSpec, TaskType, Text
from gradts_engine.errors import ProblemsError, UsageError
from gradts_engine.learning.judging import settle
from gradts_engine.learning.rows import Record, read_rows
from gradts_engine.learning.rows.cells import needed, unfold
from gradts_engine.learning.seeds import derive_seed
from gradts_engine.nearest import did_you_mean
from gradts_engine.printing import printable

MAX_CHARACTERS = 1 << 20
"""Characters of an instance's text and of its label, whatever source it comes from."""
MESSAGE = 500
"""Characters that are shown of what is wrong with a row, which may repeat the row."""
SHOWN = 10
"""Bad rows that are shown; the others are counted."""


@dataclass
class _Split:
    """What was read of one split."""

    source: Source
    instances: Sequence[Instance] = ()
    bad: list[str] = field(default_factory=list)


def read_task(
    spec: TaskSpec,
    task_type: TaskType,
    metric: str,
    limits: Mapping[str, int | None],
    on_bad_row: Literal["stop", "skip"],
    seed: int,
) -> TaskData:
    """Read and check all splits of a task; `limits` says how many of the first good rows of each to use.

    Raises UsageError for a source that cannot be read, an empty split, fewer than two classes, or a metric that does not
    fit them, and ProblemsError for bad rows unless they are to be skipped.
    """
    sources = {"train": spec.train, "dev": spec.dev, "test": spec.test}
    splits = {
        # A dev split that is cut out of the train rows must not depend on how many of them are used: all are read.
        name: _read_split(spec, task_type, source, None if name == "train" and spec.dev is None else limits.get(name))
        for name, source in sources.items()
        if source is not None
    }
    # Two splits may be one file, whose rows are named once.
    found = dict.fromkeys((str(split.source), problem) for split in splits.values() for problem in split.bad)
    bad = [problem for _, problem in found]
    if bad and on_bad_row == "stop":
        raise ProblemsError(_report(spec.name, bad))
    instances = {name: tuple(split.instances) for name, split in splits.items()}
    if spec.dev is None:
        train, dev = _cut(instances["train"], spec.dev_fraction or 0, derive_seed(seed, "dev", spec.name))
        instances |= {"train": train[: limits.get("train")], "dev": dev[: limits.get("dev")]}
    for name, rows in instances.items():
        if not rows:
            split = splits.get(name, splits["train"])
            raise UsageError(f"{where(split.source)}: task '{spec.name}' has no {name} rows ({len(split.bad)} skipped)")
    labels = _classes(spec, task_type, instances)
    metric, rules = settle(spec, metric, labels, instances)
    return TaskData(
        name=spec.name,
        type=spec.type,
        metric=metric,
        rules=rules,
        labels=labels,
        splits=instances,
        skipped={name: len(split.bad) for name, split in splits.items()},
        digests={name: _digest(spec.type, labels, rows) for name, rows in instances.items()},
    )


def _read_split(spec: TaskSpec, task_type: TaskType, source: Source, limit: int | None) -> _Split:
    """The first `limit` good rows, and what is wrong with the bad ones before the last of them."""
    split = _Split(source)

    def good() -> Iterator[Instance]:
        labelled = getattr(task_type, "labelled", True)
        for record in read_rows(source, spec.options, spec.dialect, needed(spec, labelled)):
            try:
                yield _instance(spec, task_type, unfold(spec, record, task_type.word_level))
            except ValueError as error:
                split.bad.append(printable(f"{where(source, record)}: {error}"[:MESSAGE]))

    split.instances = tuple(islice(good(), limit))
    return split


def _instance(spec: TaskSpec, task_type: TaskType, record: Record) -> Instance:
    """Raises ValueError with what is wrong with the row."""
    columns = (spec.text,) if isinstance(spec.text, str) else spec.text
    labelled = getattr(task_type, "labelled", True)
    for column in (*columns, spec.label) if labelled else columns:
        if column not in record.values:
            known = f"expected one of {', '.join(record.values)}"
            raise ValueError(f"no column '{column}'{did_you_mean(column, record.values) or ', ' + known}")
    text = task_type.read_text([record.values[column] for column in columns])
    label = task_type.read_label(record.values.get(spec.label), text)
    if spec.labels is not None and (extra := [name for name in task_type.classes(label) if name not in spec.labels]):
        raise ValueError(f"unknown label '{extra[0]}'{did_you_mean(extra[0], spec.labels)}")
    _check_characters(text, label)
    return Instance(record.row, text, label)


def _check_characters(text: Text, label: Label) -> None:
    """JSON may hold halves of surrogate pairs, which no tokenizer and no terminal takes."""
    parts = label if isinstance(label, tuple) else (label,)
    joined = "".join((*text, *(part.text if isinstance(part, Answer) else str(part) for part in parts)))
    if len(joined) > MAX_CHARACTERS:
        raise ValueError(f"text and label have {len(joined)} characters, expected at most {MAX_CHARACTERS}")
    try:
        joined.encode()
    except UnicodeEncodeError:
        raise ValueError("text or label holds half a surrogate pair, which is not Unicode") from None


def where(source: Source, record: Record | None = None) -> str:
    """File and line, or the closest that the source has to them; counted from 1."""
    place = (
        f"{source.__name__}()" if hasattr(source, "__name__") else ", ".join(source) if isinstance(source, tuple) else str(source)
    )
    place = record.file if record and record.file else place
    if record is None:
        return place
    return f"{place}: row {record.row + 1}" if record.line is None else f"{place}:{record.line}"


def _report(task: str, bad: Sequence[str]) -> list[str]:
    hidden = f" ({len(bad) - SHOWN} of them not shown)" if len(bad) > SHOWN else ""
    hint = 'correct them, or leave them out with on_bad_row = "skip" in [data]'
    rows = "1 bad row" if len(bad) == 1 else f"{len(bad)} bad rows"
    return [*bad[:SHOWN], f"task '{task}': {rows} in all{hidden}; {hint}"]


def _cut(rows: Sequence[Instance], fraction: float, seed: int) -> tuple[tuple[Instance, ...], tuple[Instance, ...]]:
    """Train and dev rows: a random `fraction` for dev, at least one; both keep the order of the file."""
    count = max(1, round(len(rows) * fraction))
    chosen = set(np.random.default_rng(seed).permutation(len(rows))[:count].tolist())
    train = tuple(row for i, row in enumerate(rows) if i not in chosen)
    return train, tuple(rows[i] for i in sorted(chosen))


def _classes(spec: TaskSpec, task_type: TaskType, splits: Mapping[str, Sequence[Instance]]) -> tuple[str, ...]:
    """The given classes, or those of all splits, sorted; none where labels are numbers."""
    found = {name for rows in splits.values() for row in rows for name in task_type.classes(row.label)}
    labels = spec.labels if spec.labels is not None and found else tuple(sorted(found))
    if len(labels) == 1:
        raise UsageError(f"{where(spec.train)}: task '{spec.name}' has one class, '{labels[0]}', expected at least 2")
    return labels


def _digest(task_type: str, labels: Sequence[str], instances: Sequence[Instance]) -> str:
    """SHA-256 over what a model can see of a split: type, classes in their order, texts and labels.

    Names, paths, formats, columns, row numbers and rows left out do not enter, so the same content read from a CSV or a
    Parquet file, or after a bad row was deleted, has the same digest.
    """
    digest = hashlib.sha256()

    def add(*values: Any) -> None:
        # JSON with ASCII alone is one spelling of a value; the line ends keep neighbours apart.
        digest.update(json.dumps(values, separators=(",", ":")).encode() + b"\n")

    add(task_type, labels)
    for instance in instances:
        add(instance.text, instance.label)
    return digest.hexdigest()
