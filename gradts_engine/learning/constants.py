"""What an answer that is always the same scores: a model that is not better has learned nothing."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gradts_engine.contracts import TaskData
from gradts_engine.learning.metrics import METRICS

MOST = 50
"""Classes that are tried, the frequent ones."""
ERRORS = 2.0
"""Standard errors by which a dev score has to be above a constant answer's to be told from it."""


def constant_score(data: TaskData, word_level: bool) -> tuple[float, float] | None:
    """The best dev score of an answer that is always the same, and the score up to which one of so many rows cannot be told from
    it; None for tasks that have no such answer."""
    metric, gold = METRICS[data.metric], [row.label for row in data.splits["dev"]]
    count = sum(len(row.text) for row in data.splits["dev"]) if word_level else len(gold)
    if metric.low < 0 and isinstance(gold[0], str | float):  # correlations, which a constant has none of
        return 0.0, ERRORS / math.sqrt(count)
    found = [metric(gold, answers, data.labels, data.rules) for answers in _constants(data, word_level, metric.scores)]
    scores = [score for score in found if not math.isnan(score)]
    if not scores:
        return None
    best = max(scores)
    return best, best + ERRORS * math.sqrt(best * (1 - best) / count)


def _constants(data: TaskData, word_level: bool, as_scores: bool) -> Iterator[Any]:
    """Answers for the dev split, each always the same; nothing for labels that are numbers or parts of texts."""
    rows: Sequence[Any] = data.splits["dev"]
    if not data.labels and not isinstance(rows[0].label, str):
        return
    train = Counter(
        name
        for row in data.splits["train"]
        for name in (row.label if isinstance(row.label, tuple) else (row.label,))
        if name or not word_level
    )
    names = [name for name, _ in train.most_common(MOST)]
    if as_scores:
        yield np.zeros((len(rows), len(data.labels)))
    elif word_level:
        yield from ([(name,) * len(row.text) for row in rows] for name in names)
    elif isinstance(rows[0].label, tuple):
        often = tuple(name for name in data.labels if train[name] * 2 > len(data.splits["train"]))
        yield from ([answer] * len(rows) for answer in {(), often, *((name,) for name in names)})
    elif names != [""]:
        yield from ([name] * len(rows) for name in names)
