"""Rows to read as a task."""

from gradts_engine.contracts import TaskSpec
from gradts_engine.learning.data import read_task
from gradts_engine.learning.task_types import Classification, MultiLabel, Regression, TokenClassification

TYPES = {
    "classification": Classification(),
    "multi_label": MultiLabel(),
    "regression": Regression(),
    "token_classification": TokenClassification(),
}


def rows(*pairs):
    """A source that yields rows of text and label."""
    return lambda: [{"text": text, "label": label} for text, label in pairs]


GOOD = rows(("a", "x"), ("b", "y"), ("c", "x"))


def read(train=GOOD, dev=GOOD, *, kind="classification", limits=None, on_bad_row="stop", seed=1, order="sample", **fields):
    spec = TaskSpec(name=fields.pop("name", "t"), type=kind, train=train, dev=dev, **fields)
    return read_task(spec, TYPES[kind], "accuracy", limits or {}, on_bad_row, seed, order)
