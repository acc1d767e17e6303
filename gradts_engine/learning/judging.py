"""How a task is judged: the metric and its rules, settled once all labels are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gradts_engine.contracts import Instance, Rules, TaskData, TaskSpec
from gradts_engine.errors import UsageError
from gradts_engine.learning import tags
from gradts_engine.learning.metrics import METRICS
from gradts_engine.nearest import did_you_mean

OF_SPANS = ("span_f1", "span_macro_f1")
OF_ONE_CLASS = ("f1", "average_precision", "roc_auc")
"""Metrics that are of one class where there are two."""
MANY = "macro_f1, micro_f1 or weighted_f1"


def settle(spec: TaskSpec, metric: str, labels: Sequence[str], splits: Mapping[str, Sequence[Instance]]) -> tuple[str, Rules]:
    """The metric and its rules. `metric` is the one that was asked for or its type's default, which gives way to
    `token_accuracy` where tags mark no spans. Raises UsageError with the way out where metric, rules and labels do not fit."""
    if spec.positive is not None and spec.positive not in labels:
        near = did_you_mean(spec.positive, labels) or f", expected one of {_shown(labels)}"
        raise UsageError(f"task '{spec.name}': positive = \"{spec.positive}\" is not a class{near}")
    if metric in OF_SPANS:
        return _settle_spans(spec, metric, labels, splits)
    if spec.scheme is not None or spec.strict:
        key = "strict" if spec.scheme is None else "scheme"
        raise UsageError(f"task '{spec.name}': {key} is given, but {metric} is not of spans; leave it out, or use span_f1")
    if metric == "f1" and len(labels) > 2 and spec.positive is None:
        raise UsageError(
            f"task '{spec.name}': f1 is of one class, but there are {len(labels)} ({_shown(labels)}): use {MANY}, "
            'or name the one class with positive = "CLASS"'
        )
    one = metric in OF_ONE_CLASS and spec.type == "classification" and len(labels) == 2
    return metric, Rules(positive=(spec.positive or labels[-1]) if one else spec.positive)


def _settle_spans(
    spec: TaskSpec, metric: str, labels: Sequence[str], splits: Mapping[str, Sequence[Instance]]
) -> tuple[str, Rules]:
    rows = (tuple(str(tag) for tag in i.label if tag) for split in splits.values() for i in split if isinstance(i.label, tuple))
    scheme = spec.scheme or tags.detect_scheme(labels, rows)
    if scheme is None and spec.metric is None:
        return "token_accuracy", Rules()
    try:
        if scheme is None:
            raise ValueError(f"these tags mark no spans: {_shown(labels)}")
        tags.spell(labels, scheme)
    except ValueError as error:
        other = 'or scheme = "IO" where every tag but O is the type of a span'
        hint = f'use metric = "token_accuracy", {other}' if spec.scheme is None else "correct scheme, or leave it out"
        raise UsageError(f"task '{spec.name}': {metric}: {error}; {hint}") from None
    return metric, Rules(scheme=scheme, strict=spec.strict)


def hopeless(data: TaskData, split: str) -> str:
    """Why no model could have a score on a split, as a sentence; empty where one could."""
    gold = [instance.label for instance in data.splits[split]]
    why = METRICS[data.metric].hopeless(gold, data.labels, data.rules) if _plain(gold) else ""
    return why and f"{data.judged_by} has no value on the {split} split: {why}"


def _plain(gold: Sequence[object]) -> bool:
    """Labels that are answers as they are; those of questions and of masked words are not."""
    return all(isinstance(label, float) or (label and isinstance(label, str)) for label in gold) or all(
        isinstance(label, tuple) and all(isinstance(name, str) for name in label) for label in gold
    )


def _shown(labels: Sequence[str]) -> str:
    return ", ".join(labels[:5]) + (f" and {len(labels) - 5} more" if len(labels) > 5 else "")
