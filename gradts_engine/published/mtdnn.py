"""MT-DNN's task definitions and canonical data -> tasks.toml and JSON lines, and a list of what could not be carried over."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from gradts_engine.config.file import as_toml
from gradts_engine.errors import UsageError
from gradts_engine.names import is_name
from gradts_engine.printing import printable
from gradts_engine.published.mtdnn_rows import Lose, Meaning, Row, read_splits

TYPES = {
    "Classification": "classification",
    "Regression": "regression",
    "Ranking": "ranking",
    "Span": "span",
    "SpanYN": "span",
    "SpanClassification": "span",
    "SpanClassificationYN": "span",
    "SeqenceLabeling": "token_classification",
    "SequenceLabeling": "token_classification",
    "MaskLM": "masked_lm",
}
"""Our task types by theirs."""

METRICS = {
    "ACC": ("accuracy", "token_accuracy", "masked_accuracy"),
    "F1": ("f1",),
    "F1MIC": ("micro_f1",),
    "F1MAC": ("macro_f1",),
    "MCC": ("mcc",),
    "Pearson": ("pearson",),
    "Spearman": ("spearman",),
    "SeqEval": ("span_f1",),
    "NERACC": ("token_accuracy",),
    "EmF1": ("answer_f1",),
    "EmF12": ("answer_f1",),
}
"""Our metrics by theirs: the one that the task type has."""

USUAL_LOSS = {
    "classification": "CeCriterion",
    "regression": "MseCriterion",
    "ranking": "RankCeCriterion",
    "span": "SpanCeCriterion",
    "token_classification": "SeqCeCriterion",
    "masked_lm": "MlmCriterion",
}
ENCODERS = {"BERT": "google-bert/bert-base-uncased", "ROBERTA": "FacebookAI/roberta-base"}
NO_LABELS = ("X", "CLS", "SEP")
"""Labels that MT-DNN gives to word pieces and special tokens; ours have none."""
PREFIX = "mtdnn-"
"""Before the names of tasks, so that none is taken for a variant of a registered task."""
KNOWN = {"data_format", "task_type", "labels", "metric_meta", "split_names", "n_class", "encoder_type", "loss"}


@dataclass
class Imported:
    """Rows written of each task and split, the lines of tasks.toml, what could not be carried over, and how many tasks were left
    out because of their rows."""

    rows: dict[str, dict[str, int]] = field(default_factory=dict)
    tables: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    damaged: int = 0


def import_mtdnn(definition: Path, data: Path, out: Path, metrics: Mapping[str, Sequence[str]], encoder: str = "") -> Imported:
    """Write `out`/tasks.toml and `out`/data/mtdnn-TASK/SPLIT.jsonl. `metrics` has the metrics of our task types.

    Raises UsageError where the definitions or a row cannot be read, `out` is not empty, or no task is left.
    """
    tasks = _definitions(definition)
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty; name another folder")
    found = Imported()
    for name, fields in tasks.items():
        _import_task(str(name), fields, data, out, metrics, found)
    if not found.tables:
        raise UsageError(f"{definition}: no task could be imported: {'; '.join(found.lost)}")
    types = {str(fields.get("encoder_type", "BERT")) for fields in tasks.values() if isinstance(fields, Mapping)}
    encoder = encoder or ENCODERS.get(types.pop() if len(types) == 1 else "BERT", ENCODERS["BERT"])
    origin = f"# Imported from {printable(definition.name)} of MT-DNN."
    head = f'{origin}\n\n[run]\nencoder = {as_toml(encoder)}\npreset = "published"\n'
    (out / "tasks.toml").write_text("\n".join([head, *found.tables]), encoding="utf-8")
    return found


def _definitions(path: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, Mapping) or not content:
        raise UsageError(f"{path}: has no task definitions, expected TASK: {{data_format: ..., task_type: ...}}")
    return content


def _import_task(name: str, fields: Any, data: Path, out: Path, metrics: Mapping[str, Sequence[str]], found: Imported) -> None:
    """A task with all its rows, or a line that says why it is left out, and nothing written."""

    def lose(what: str) -> None:
        found.lost.append(printable(f"{name}: {what}"))

    ours = PREFIX + name.lower()
    if not isinstance(fields, Mapping) or not is_name(ours):
        lose("left out: its name" if isinstance(fields, Mapping) else "left out: has no fields")
        return
    kind = TYPES.get(str(fields.get("task_type")))
    if kind is None:
        lose(f"left out: task_type {fields.get('task_type')} has no counterpart")
        return
    labels = [str(label) for label in fields.get("labels") or ()]
    names = [str(split) for split in fields.get("split_names") or ("train", "dev", "test")]
    before = len(found.lost)
    try:
        splits = read_splits(name, filter(is_name, names), data, Meaning(str(fields.get("data_format")), kind, labels), lose)
        if not any("train" in split and rows for split, rows in splits.items()):
            lose("left out: no train rows")
            return
    except UsageError as error:
        del found.lost[before:]
        lose(f"left out: {error}")
        found.damaged += 1
        return
    for split, rows in splits.items():
        _write(rows, out / "data" / ours / f"{split}.jsonl")
    found.rows[ours] = {split: len(rows) for split, rows in splits.items()}
    labels = labels or _numbered(fields.get("n_class"), kind, splits)
    kept = [label for label in labels if label not in NO_LABELS]
    metric = _metric(fields, metrics[kind], len(kept), lose)
    pair = any("hypothesis" in row for rows in splits.values() for row in rows[:1])
    found.tables.append(_table(ours, kind, kept, metric, list(splits), pair, lose))
    _report_fields(fields, kind, labels, lose)


def _numbered(classes: Any, kind: str, splits: Mapping[str, Sequence[Row]]) -> list[str]:
    """The classes of a task that has their number alone: 0, 1, ..., in this order; none where its rows have others."""
    if kind != "classification" or not isinstance(classes, int) or not 2 <= classes <= 10_000:
        return []
    names = [str(i) for i in range(classes)]
    found = {row["label"] for rows in splits.values() for row in rows}
    return names if found <= set(names) else []


def _metric(fields: Mapping[str, Any], allowed: Sequence[str], classes: int, lose: Lose) -> str:
    """The first of their metrics that we have for the type; the others are reported."""
    theirs = [str(metric) for metric in fields.get("metric_meta") or ()]
    if "F1" in theirs and classes > 2:
        lose("metric_meta: F1 becomes macro_f1, since there are more than two classes")
        theirs = ["F1MAC" if metric == "F1" else metric for metric in theirs]
    ours = [next((m for m in METRICS.get(metric, ()) if m in allowed), None) for metric in theirs]
    for metric, known in zip(theirs, ours, strict=True):
        if known is None:
            lose(f"metric_meta: no {metric} for this type")
    usable = [metric for metric in ours if metric]
    if usable[1:]:
        lose(f"metric_meta: {usable[0]} is the main metric, {', '.join(usable[1:])} can be chosen in its place")
    return usable[0] if usable else allowed[0]


def _table(name: str, kind: str, labels: Sequence[str], metric: str, splits: Sequence[str], pair: bool, lose: Lose) -> str:
    text = {"span": ["question", "context"], "ranking": ["query", "candidates"], "token_classification": ["words"]}
    train = [split for split in splits if "train" in split]
    dev = [split for split in splits if "dev" in split]
    if len(train) == 1 and "dev" in dev[1:] + dev[:1]:
        dev = ["dev"]
    elif len(train) == 1:
        dev = dev[:1]  # several train splits have a dev split each (ANLI), one may have several that are judged apart (MNLI)
    lines = [f"[tasks.{as_toml(name)}]", f'type = "{kind}"', f"train = {_files(name, train)}"]
    lines.append(f"dev = {_files(name, dev)}" if dev else "dev_fraction = 0.1")
    if kind in text:
        lines.append(f"text = {as_toml(text[kind])}")
    else:
        lines.append('text = ["premise", "hypothesis"]' if pair else 'text = "premise"')
    if labels and kind in ("classification", "token_classification"):
        lines.append(f"labels = {as_toml(labels)}")
    lines.append(f'metric = "{metric}"\n')
    for split in splits:
        if split not in (*train, *dev):
            lose(f"{split}: written, not in tasks.toml" + (", since test labels may be placeholders" if "test" in split else ""))
    return "\n".join(lines)


def _files(name: str, splits: Sequence[str]) -> str:
    files = [f"data/{name}/{split}.jsonl" for split in splits]
    return as_toml(files if files[1:] else files[0])


def _write(rows: Sequence[Row], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def _report_fields(fields: Mapping[str, Any], kind: str, labels: Sequence[str], lose: Lose) -> None:
    loss = fields.get("loss")
    if loss is not None and loss != USUAL_LOSS[kind]:
        lose(f"loss: {loss}, ours is as {USUAL_LOSS[kind]}")
    if labels and fields.get("n_class") not in (None, len(labels)):
        lose(f"n_class: {fields['n_class']}, but {len(labels)} labels; the labels count")
    if set(labels) & set(NO_LABELS) and kind == "token_classification":
        lose(f"labels: without {', '.join(label for label in labels if label in NO_LABELS)}, which are of word pieces")
    for key, value in fields.items():
        if key not in KNOWN and value not in (None, False):
            lose(f"{key}: {value} has no counterpart")
