"""A task's sources -> checked instances, classes and digests; or all bad rows at once, each with file and line."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from gradts_engine.contracts import Instance, Source, TaskData, TaskSpec, TaskType
from gradts_engine.errors import BadRowsError, ProblemsError, UsageError
from gradts_engine.learning import classes, cuts
from gradts_engine.learning.instances import Reader, Split, where
from gradts_engine.learning.judging import settle
from gradts_engine.learning.separators import detect_separator
from gradts_engine.printing import printable

BAD_ROWS = 'correct them, or leave them out with on_bad_row = "skip" in [data]'
SHOWN = 10
"""Bad rows that are shown; the others are counted."""


def read_task(
    spec: TaskSpec,
    task_type: TaskType,
    metric: str,
    limits: Mapping[str, int | None],
    on_bad_row: Literal["stop", "skip"],
    seed: int,
    order: Literal["sample", "first"] = "sample",
) -> TaskData:
    """Read and check all splits of a task; `limits` says how many of the good rows of each to use, `order` which of them. `seed`
    decides on cuts and samples alone; the classes are those of all rows.

    Raises UsageError for a source that cannot be read, an empty split, fewer than two classes, or a metric that does not
    fit them, and ProblemsError for bad rows unless they are to be skipped.
    """
    separator = detect_separator(spec)
    spec = replace(spec, separator=separator or spec.separator)
    reader = Reader(spec, task_type)
    sources = {"train": spec.train, "dev": spec.dev, "test": spec.test}
    splits = _read(reader, {name: source for name, source in sources.items() if source is not None}, on_bad_row == "stop")
    warnings = _without_label(splits)
    warnings += [f"{separator!r} in '{spec.label}' is taken to separate classes: set with separator = ..."] if separator else []
    rows: dict[str, Sequence[Instance]] = {name: split.rows for name, split in splits.items() if split.rows}
    if spec.dev is None:
        rows["train"], rows["dev"], said = _cut(reader, splits["train"], seed)
        warnings += said
    labels, unknown = _classes(reader, rows)
    metric, rules = settle(spec, metric, labels, rows)
    used = {name: _limited(reader, all_rows, limits.get(name), order, seed) for name, all_rows in rows.items()}
    hidden = splits["test"].unlabelled if "test" in splits else ()
    unlabelled = _limited(reader, hidden, limits.get("test"), order, seed)
    texts = _hashes(reader, used, unlabelled)
    return TaskData(
        name=spec.name,
        type=spec.type,
        metric=metric,
        rules=rules,
        labels=labels,
        splits=used,
        skipped={name: len(split.bad) for name, split in splits.items()},
        digests=_digests(spec.type, labels, used, unlabelled),
        unknown=unknown,
        unlabelled=unlabelled,
        separator=spec.separator,
        texts=texts,
        classes=_counted(reader, (*labels, *unknown), used, splits),
        duplicates=sum(len(hashes) - len(np.unique(hashes)) for hashes in texts.values()),
        warnings=(*warnings, *classes.warnings(used, texts, reader.names, labels, unknown)),
    )


def _hashes(reader: Reader, used: Mapping[str, Sequence[Instance]], unlabelled: Sequence[Instance]) -> dict[str, np.ndarray]:
    """`TaskData.texts`."""
    texts = {name: cuts.hashes([reader.key(row.text) for row in own]) for name, own in used.items()}
    if unlabelled:
        hidden = cuts.hashes([reader.key(row.text) for row in unlabelled])
        texts["test"] = np.concatenate([texts.get("test", hidden[:0]), hidden])
    return texts


def _read(reader: Reader, sources: Mapping[str, Source], stop: bool) -> dict[str, Split]:
    """All splits. Raises ProblemsError with all damaged files; BadRowsError where rows are bad that are to `stop` everything;
    UsageError for an empty split."""
    splits: dict[str, Split] = {}
    problems: list[str] = []
    for name, source in sources.items():
        try:
            splits[name] = reader.split(name, source)
        except UsageError as error:
            said = getattr(error, "problems", [str(error)])
            problems += [f"task '{reader.spec.name}': {line}" if callable(source) else line for line in said]
    # Two splits may be one file, whose rows are named once.
    found = dict.fromkeys((str(split.source), problem) for split in splits.values() for problem in split.bad)
    problems = list(dict.fromkeys(problems))
    if found and stop:
        problems += _report(reader.spec.name, [problem for _, problem in found])
    if problems:
        raise (BadRowsError if found and stop else ProblemsError)(problems)
    for name, split in splits.items():
        _check_not_empty(reader.spec, name, split)
    return splits


def _report(task: str, bad: Sequence[str]) -> list[str]:
    hidden = f" ({len(bad) - SHOWN} of them not shown)" if len(bad) > SHOWN else ""
    rows = "1 bad row" if len(bad) == 1 else f"{len(bad)} bad rows"
    return [*bad[:SHOWN], f"task '{task}': {rows} in all{hidden}; {BAD_ROWS}"]


def _check_not_empty(spec: TaskSpec, name: str, split: Split) -> None:
    place = f"{where(split.source)}: task '{spec.name}'"
    if not split.rows and split.unlabelled and name != "test":
        raise UsageError(
            f"{place}: no {name} row has a label (all {len(split.unlabelled)} are empty or {classes.NO_LABEL}, which stands for "
            f"none); expected labels in '{spec.label}', or labels = [...] with \"{classes.NO_LABEL}\" if that is a class"
        )
    if not split.rows and not split.unlabelled:
        raise UsageError(f"{place} has no {name} rows ({len(split.bad)} skipped)")


def _without_label(splits: Mapping[str, Split]) -> list[str]:
    """What becomes of rows that have no label."""
    said = []
    for name, split in splits.items():
        if count := len(split.unlabelled):
            total = count + len(split.rows)
            fate = "predicted, not scored" if name == "test" else "left out"
            said.append(
                f"{name} rows without a label (empty, or {classes.NO_LABEL} for none): {count} of {total}, {fate}"
                + (
                    f'; if {classes.NO_LABEL} is a class, name all classes: labels = ["{classes.NO_LABEL}", ...]'
                    * bool(split.rows)
                )
            )
        tags = [tag for row in split.rows if isinstance(row.label, tuple) for tag in row.label]
        if words := tags.count(""):
            said.append(f"{name} words without a label (empty, or {classes.NO_LABEL} for none): {words} of {len(tags)}, left out")
    return said


def _cut(reader: Reader, split: Split, seed: int) -> tuple[list[Instance], list[Instance], list[str]]:
    """Train rows, dev rows, both in the order of the file, and a warning where equal texts had to be cut apart."""
    rows, fraction, said = split.rows, reader.spec.dev_fraction or 0.0, []
    dev = cuts.dev_side(split.groups, fraction, seed)
    if not _has_both(reader, rows, dev):
        dev = cuts.lowest(split.groups, fraction, seed)
        what = "groups" if reader.spec.group else "texts"
        said = [
            f"{len({*split.groups})} different {what} are too few for dev_fraction = {fraction} to leave dev rows, train rows "
            f"and two classes: {int(dev.sum())} of {len(rows)} rows are drawn whatever other tasks do"
        ]
        if apart := len({*_at(split.groups, dev)} & {*_at(split.groups, ~dev)}):
            said[0] += f", and {apart} {what} are in train and dev, so that dev scores say little"
    if dev.all():
        raise UsageError(
            f"{where(split.source)}: task '{reader.spec.name}' has {len(rows)} row{'s' * (len(rows) > 1)}, of which "
            f'dev_fraction = {fraction} leaves none to train with; give more rows, or dev = "FILE"'
        )
    return _at(rows, ~dev), _at(rows, dev), said


def _at(values: Sequence[Any], chosen: np.ndarray) -> list[Any]:
    return [values[i] for i in np.flatnonzero(chosen).tolist()]


def _has_both(reader: Reader, rows: Sequence[Instance], dev: np.ndarray) -> bool:
    """Whether a cut leaves dev rows, train rows, and two classes to train with where there are two."""
    if dev.all() or not dev.any():
        return False
    here = {name for row in _at(rows, ~dev) for name in reader.names(row.label)}
    return len(here) > 1 or len({name for row in rows for name in reader.names(row.label)}) == len(here)


def _classes(reader: Reader, rows: Mapping[str, Sequence[Instance]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The given classes, or those of the train rows in order, none where labels are numbers; and those of other rows alone."""
    spec = reader.spec
    found = {split: Counter(name for row in own for name in reader.names(row.label)) for split, own in rows.items()}
    if not any(found.values()):
        return (), ()
    labels = spec.labels if spec.labels is not None else classes.in_order(found["train"])
    if len(labels) < 2:
        one = f"one class, '{printable(labels[0])}'" if labels else "no class"
        if spec.dev is None and (others := classes.in_order(found["dev"].keys() - {*labels})):
            one += f", once dev_fraction = {spec.dev_fraction} has taken {classes.listed(others)}"
        raise UsageError(f"{where(spec.train)}: task '{spec.name}' has {one}, expected at least 2")
    for split in ("dev", "test"):
        if found.get(split) and not found[split].keys() & {*labels}:
            source = getattr(spec, split) or spec.train
            raise UsageError(
                f"{where(source)}: task '{spec.name}': no {split} row has a class that train has: "
                f"{classes.listed(classes.in_order(found[split]))}, expected {classes.listed(labels)}"
            )
    return labels, classes.in_order({name for names in found.values() for name in names} - {*labels})


def _limited(reader: Reader, rows: Sequence[Instance], limit: int | None, order: str, seed: int) -> tuple[Instance, ...]:
    if order == "first":
        return tuple(rows[:limit])
    stratum = classes.rarest(rows, reader.names)
    return tuple(cuts.sample(rows, limit, lambda row: reader.key(row.text), stratum, seed))


def _counted(
    reader: Reader, names: Sequence[str], used: Mapping[str, Sequence[Instance]], splits: Mapping[str, Split]
) -> dict[str, dict[str, int]]:
    """How often each class is named in each split; rows without a label count as ""."""
    counts = {split: Counter(name for row in rows for name in reader.names(row.label)) for split, rows in used.items()}
    for split, read in splits.items():
        if read.unlabelled:
            counts.setdefault(split, Counter())[""] += len(read.unlabelled)
    every = {*names, *(name for count in counts.values() for name in count)}
    return {
        name: {split: counts.get(split, Counter())[name] for split in ("train", "dev", "test")}
        for name in classes.in_order(every)
    }


def _digests(
    task_type: str, labels: Sequence[str], used: Mapping[str, Sequence[Instance]], unlabelled: Sequence[Instance]
) -> dict[str, str]:
    rows = {**used, "unlabelled": unlabelled} if unlabelled else used
    return {name: _digest(task_type, labels, own) for name, own in rows.items()}


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
