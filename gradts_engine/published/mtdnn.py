"""MT-DNN's task definitions and canonical data -> tasks.toml and JSON lines, and a list of what could not be carried over.

A definition file maps task names to fields; the data of a task are in `TASK_SPLIT.tsv` (uid, label, premise, hypotheses) or
`TASK_SPLIT.json` (an object with these fields a line).
"""

from __future__ import annotations

import ast
import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from gradts_engine.errors import UsageError
from gradts_engine.names import is_name
from gradts_engine.printing import printable

Row = dict[str, Any]
Lose = Callable[[str], None]
"""Takes what could not be carried over."""

TYPES = {
    "Classification": "classification",
    "Regression": "regression",
    "Ranking": "ranking",
    "Span": "span",
    "SpanYN": "span",
    "SeqenceLabeling": "token_classification",
    "SequenceLabeling": "token_classification",
    "MaskLM": "masked_lm",
}
"""Our task types by theirs."""

METRICS = {
    "ACC": ("accuracy", "token_accuracy", "masked_accuracy"),
    "F1": ("f1",),
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
    """Rows written of each task and split, the lines of tasks.toml, and what could not be carried over."""

    rows: dict[str, dict[str, int]] = field(default_factory=dict)
    tables: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


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
    head = f'{origin}\n\n[run]\nencoder = {json.dumps(encoder)}\npreset = "published"\n'
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
    def lose(what: str) -> None:
        found.lost.append(printable(f"{name}: {what}"))

    ours = PREFIX + name.lower()
    kind = TYPES.get(str(fields.get("task_type"))) if isinstance(fields, Mapping) else None
    if kind is None or not is_name(ours):
        lose(
            "left out: "
            + (f"task_type {fields.get('task_type')}" if isinstance(fields, Mapping) and kind is None else "its name")
        )
        return
    labels = [str(label) for label in fields.get("labels", ())]
    splits = [str(split) for split in fields.get("split_names", ("train", "dev", "test"))]
    pair = fields.get("data_format") == "PremiseAndOneHypothesis"
    written = {}
    for split in filter(is_name, splits):
        source = next((p for p in (data / f"{name}_{split}.json", data / f"{name}_{split}.tsv") if p.is_file()), None)
        rows = None if source is None else _read(source, str(fields.get("data_format")), kind, labels)
        if rows is None:
            lose(
                f"{split}: "
                + (f"no {name}_{split}.json or .tsv in {data}" if source is None else "is tokenised: its text is gone")
            )
            continue
        written[split] = _write(rows, out / "data" / ours / f"{split}.jsonl")
    if not written.get("train"):
        lose("left out: no train rows")
        return
    found.rows[ours] = written
    metric = _metric(fields, metrics[kind], lose)
    kept = [label for label in labels if label not in NO_LABELS]
    found.tables.append(_table(ours, kind, kept, metric, written, pair, lose))
    _report_fields(fields, kind, labels, lose)


def _metric(fields: Mapping[str, Any], allowed: Sequence[str], lose: Lose) -> str:
    """The first of their metrics that we have for the type; the others are reported."""
    theirs = [str(metric) for metric in fields.get("metric_meta", ())]
    ours = [next((m for m in METRICS.get(metric, ()) if m in allowed), None) for metric in theirs]
    for metric, known in zip(theirs, ours, strict=True):
        if known is None:
            lose(f"metric_meta: no {metric} for this type")
    usable = [metric for metric in ours if metric]
    if usable[1:]:
        lose(f"metric_meta: {usable[0]} is the main metric, {', '.join(usable[1:])} can be chosen in its place")
    return usable[0] if usable else allowed[0]


def _table(name: str, kind: str, labels: Sequence[str], metric: str, written: Mapping[str, int], pair: bool, lose: Lose) -> str:
    text = {"span": ["question", "context"], "ranking": ["query", "candidates"], "token_classification": ["words"]}
    dev = next((split for split in written if split == "dev"), next((split for split in written if "dev" in split), None))
    lines = [f"[tasks.{json.dumps(name)}]", f'type = "{kind}"', f'train = "data/{name}/train.jsonl"']
    lines.append(f'dev = "data/{name}/{dev}.jsonl"' if dev else "dev_fraction = 0.1")
    if kind in text:
        lines.append(f"text = {json.dumps(text[kind])}")
    else:
        lines.append('text = ["premise", "hypothesis"]' if pair else 'text = "premise"')
    if labels and kind in ("classification", "token_classification"):
        lines.append(f"labels = {json.dumps(labels, ensure_ascii=False)}")
    lines.append(f'metric = "{metric}"\n')
    for split in written:
        if split not in ("train", dev):
            lose(f"{split}: written, not in tasks.toml" + (", since test labels may be placeholders" if "test" in split else ""))
    return "\n".join(lines)


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


# --- rows ------------------------------------------------------------------------------------------------------------


def _read(path: Path, data_format: str, kind: str, labels: Sequence[str]) -> Iterator[Row] | None:
    """Our rows of a file; None where it holds token numbers in place of texts."""
    records = _json(path) if path.suffix == ".json" else _tsv(path, data_format)
    first = next(records, None)
    if first is not None and "premise" not in first[1]:
        return None if "token_id" in first[1] else iter(_broken(path, first[0], "no field premise"))

    def rows() -> Iterator[Row]:
        for line, values in [] if first is None else [first, *records]:
            try:
                yield _row(values, kind, labels)
            except (ValueError, KeyError, TypeError, IndexError, SyntaxError) as error:
                _broken(path, line, f"{type(error).__name__}: {error}")

    return rows()


def _broken(path: Path, line: int, what: str) -> list[Row]:
    raise UsageError(printable(f"{path}:{line}: {what}"))


def _json(path: Path) -> Iterator[tuple[int, Row]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    values = json.loads(line)
                except ValueError as error:
                    raise UsageError(f"{path}:{number}: broken JSON: {error}") from None
                if not isinstance(values, dict):
                    _broken(path, number, "expected a JSON object a line")
                yield number, values


def _tsv(path: Path, data_format: str) -> Iterator[tuple[int, Row]]:
    with path.open(encoding="utf-8", newline="") as file:
        for number, fields in enumerate(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE), 1):
            several = data_format == "PremiseAndMultiHypothesis"
            needed = {"PremiseOnly": 3, "Seqence": 3, "MLM": 3}.get(data_format, 6 if several else 4)
            if len(fields) < needed:
                _broken(path, number, f"{len(fields)} fields, expected {needed} for {data_format}")
            if several:
                yield number, {"label": fields[2].split(","), "premise": fields[3], "hypothesis": fields[4:]}
            else:
                yield number, {"label": fields[1], "premise": fields[2], "hypothesis": fields[3] if needed > 3 else None}


def _row(values: Row, kind: str, labels: Sequence[str]) -> Row:
    label: Any = values.get("label")
    premise, hypothesis = values["premise"], values.get("hypothesis")
    if kind == "token_classification":
        words, tags = (ast.literal_eval(part) if isinstance(part, str) else part for part in (premise, label))
        return {"words": words, "label": [_name(tag, labels) for tag in tags]}
    if kind == "ranking":
        # Labels are scores or class names, of which a later one is better; a number alone is the position of the best.
        scores = [labels.index(x) if x in labels else float(x) for x in label] if isinstance(label, list) else label
        return {"query": premise, "candidates": hypothesis, "label": values.get("olabel", scores)}
    if kind == "span":
        return {"question": hypothesis, "context": premise, "label": _answer(label)}
    texts = {"premise": premise} | ({} if hypothesis is None else {"hypothesis": hypothesis})
    if kind == "masked_lm":
        return texts
    return {**texts, "label": float(label) if kind == "regression" else _name(label, labels)}


def _name(label: Any, labels: Sequence[str]) -> str:
    """A class by its name; numbers of JSON files are positions among the labels."""
    if str(label) in labels:
        return str(label)
    place = int(label)
    return labels[place] if labels else str(place)


def _answer(label: Any) -> Row:
    """`start:::end:::text`, and `:::1` after it where there is no answer."""
    start, _, text, *impossible = str(label).split(":::")
    if not text or (impossible and impossible[0].lower() in ("1", "true")):
        return {"text": [], "answer_start": []}
    return {"text": [text], "answer_start": [int(start)]}


def _write(rows: Iterator[Row], path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            written += 1
    return written
