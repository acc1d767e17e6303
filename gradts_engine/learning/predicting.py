"""A final model's answers to rows, and its score where they have labels: in the run, and of an exported model the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gradts_engine.contracts import (
    ClassScores,
    Dialect,
    EncoderSpec,
    Instance,
    Rules,
    Source,
    TaskData,
    TaskSpec,
    TaskType,
    TaskTypeSpec,
)
from gradts_engine.errors import ProblemsError, UsageError
from gradts_engine.learning.about import ABOUT
from gradts_engine.learning.batches import Encoded, encode, token_batches
from gradts_engine.learning.classes import in_order
from gradts_engine.learning.encoders import told
from gradts_engine.learning.export import load_model
from gradts_engine.learning.instances import Reader
from gradts_engine.learning.metrics import METRICS, span_types
from gradts_engine.learning.rows.files import ending_of
from gradts_engine.learning.training import answers, check_predicted, evaluation_tokens
from gradts_engine.nearest import unknown

COLUMNS = ("text", "label", "indicators", "separator")
"""What a task specification says of a row."""


def reads(spec: TaskSpec, data: TaskData) -> dict[str, Any]:
    """How rows of a task are read and judged, as an exported model keeps it: JSON values."""
    columns = {name: getattr(spec, name) for name in COLUMNS} | {"separator": data.separator}
    dialect = {"ending": _ending(spec.train), **asdict(spec.dialect)}
    return {**columns, "metric": data.metric, "rules": asdict(data.rules), "dialect": dialect}


def _ending(source: Source) -> str:
    """What the name of a file ends with, the first of several; empty where there is none."""
    first = source[0] if isinstance(source, tuple) else source
    return ending_of(Path(first)) if isinstance(first, str) else ""


@dataclass(frozen=True)
class Model:
    """A final model, with what it takes to use it on rows; `logits` calls `module`."""

    module: nn.Module
    logits: Callable[[Mapping[str, Tensor]], Tensor]
    tokenizer: Any
    task: str
    type: TaskType
    labels: tuple[str, ...]
    max_length: int
    reads: Mapping[str, Any]


@dataclass(frozen=True)
class Predicted:
    """An answer for every row, ready for JSON; the score of those with a label, `why` it is NaN, and how many they are."""

    rows: tuple[Mapping[str, Any], ...]
    metric: str
    score: float
    why: str
    labelled: int
    types: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Of spans: `tags.by_type` of the rows with a label."""

    def write(self, path: Path) -> None:
        """The answers as JSON, a row a line."""
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in self.rows)
        path.write_text(lines, encoding="utf-8")


def open_model(folder: Path, encoders: Mapping[str, EncoderSpec], types: Mapping[str, TaskTypeSpec]) -> Model:
    """Raises UsageError for a folder that is no export, damaged, of a plugin that is not installed, or of an earlier version."""
    from transformers import AutoTokenizer

    module = load_model(folder, encoders)
    with told(f"{folder} is damaged"):
        about = json.loads((folder / ABOUT).read_bytes())
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        if not about.get("reads"):
            raise UsageError(f"{folder} does not say how its rows are read; give the run's command again to export it anew")
        if about["task"] not in types:
            raise UsageError(f"{folder}: {unknown('task type', about['task'], types)}")
        kind = types[about["task"]].load()
        labels = tuple(about["labels"])

        def logits(inputs: Mapping[str, Tensor]) -> Tensor:
            found: Tensor = module(**inputs).logits
            return found

        return Model(module, logits, tokenizer, about["task"], kind, labels, about["max_length"], about["reads"])


def _tuples(value: Any) -> Any:
    """JSON's lists as tuples."""
    if isinstance(value, Mapping):
        return {name: _tuples(entry) for name, entry in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def read_rows_for(model: Model, source: Source, changes: Mapping[str, Any]) -> list[Instance]:
    """The rows of a source, label "" where they have none. `changes` are other columns than those of the training.

    Raises UsageError for a source that cannot be read, and ProblemsError for bad rows."""
    kept = _tuples(model.reads)
    columns: dict[str, Any] = {name: kept[name] for name in COLUMNS} | dict(changes)
    said = dict(kept.get("dialect", {"ending": ""}))  # an earlier version kept none
    if said.pop("ending") == _ending(source):  # of files like those of the training; any other is as it is
        columns["dialect"] = Dialect(**said)
    spec = TaskSpec(name="predict", type=model.task, train=source, **columns)
    reader = Reader(spec, model.type)
    reader.classes = model.labels  # -1 is one of them, or no label
    usual = (kept["text"],) if isinstance(kept["text"], str) else kept["text"]
    if len(reader.columns) != len(usual):
        given = f"text in {len(reader.columns)} columns ({', '.join(reader.columns)})"
        raise UsageError(f"{source}: {given}, but the model was trained with {len(usual)} ({', '.join(usual)}); name as many")
    found = reader.split("dev" if "label" in changes else "test", source)  # of test rows the column may be missing
    if found.bad:
        more = f"{len(found.bad) - 10} more bad rows" if len(found.bad) > 10 else ""
        raise ProblemsError([*found.bad[:10], *filter(None, [more])])
    if not found.rows and not found.unlabelled:
        raise UsageError(f"{source} has no rows")
    return sorted([*found.rows, *found.unlabelled], key=lambda instance: instance.row)


def unknown_labels(model: Model, instances: Sequence[Instance]) -> tuple[str, ...]:
    """Classes of the rows that the model does not have, where it has any: no answer can be right there."""
    labelled = zip(instances, _labelled(model.type, instances), strict=True)
    named = {name for row, has in labelled if has for name in model.type.classes(row.label)}
    return in_order(named - {*model.labels}) if model.labels else ()


def _labelled(kind: TaskType, instances: Sequence[Instance]) -> list[bool]:
    return [instance.label != "" or not getattr(kind, "labelled", True) for instance in instances]


def with_blanks(kind: TaskType, instances: Sequence[Instance]) -> list[Instance]:
    """Instances that can be encoded: those without a label have one that stands for it."""
    blank = getattr(kind, "no_label", lambda text: "")
    known = zip(instances, _labelled(kind, instances), strict=True)
    return [i if has else Instance(i.row, i.text, blank(i.text)) for i, has in known]


def predict(
    model: Model,
    instances: Sequence[Instance],
    device: str = "cpu",
    progress: Callable[[int], None] = lambda done: None,
    split: Encoded | None = None,
) -> Predicted:
    """Answers of `model` (moved to `device`), batch by batch; `progress` is told how many rows each took, `split` are the
    instances encoded `with_blanks` where they are already. Raises `TrainingDiverged` for answers that are not finite."""
    metric, rules = METRICS[model.reads["metric"]], Rules(**model.reads["rules"])
    labelled = _labelled(model.type, instances)
    if split is None:
        whole = with_blanks(model.type, instances)
        split = encode("predict", model.type, model.labels, whole, model.tokenizer, model.max_length)
    rows: dict[int, dict[str, Any]] = {}
    gold: list[Any] = []
    judged: list[Any] = []
    for at, true, answer, scores in _answers(model, split, device, progress):
        rows[at] = {"row": instances[at].row, "prediction": _shown(model, answer)}
        if scores is not None:
            rows[at]["scores"] = dict(zip(model.labels, (round(s, 6) for s in scores), strict=True))
        if labelled[at]:
            gold.append(true)
            judged.append(scores if metric.scores else answer)
            if getattr(model.type, "labelled", True):
                rows[at]["label"] = true
        check_predicted(split.task, [scores if metric.scores else answer])
    score, why = metric.explained(gold, judged, model.labels, rules)
    types = span_types(metric.name, gold, judged, model.labels, rules)
    return Predicted(tuple(rows[at] for at in sorted(rows)), metric.name, score, why, len(gold), types)


@torch.inference_mode()
def _answers(model: Model, split: Encoded, device: str, progress: Callable[[int], None]) -> Any:
    """Position, true and predicted answer and scores of each row, in the order in which they are computed."""
    model.module.to(device).eval()
    for batch in token_batches(split.lengths, evaluation_tokens(device)):
        inputs, targets = split.batch(batch, device)
        logits = model.logits(inputs)
        true, found = answers(split, batch, logits, targets)
        scores = model.type.scores(logits).tolist() if isinstance(model.type, ClassScores) else [None] * len(batch)
        if len(model.labels) == 0:
            scores = [None] * len(batch)
        yield from zip(batch.tolist(), true, found, scores, strict=True)
        progress(len(batch))


def _shown(model: Model, answer: Any) -> Any:
    """An answer as people know it: the position of a candidate as a number, masked words as words."""
    if model.task == "masked_lm":
        return [model.tokenizer.convert_ids_to_tokens(int(token)) for token in answer]
    return int(answer) if model.task == "ranking" else answer
