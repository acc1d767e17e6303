"""Metrics by name, each from the library that the field uses; all are better when higher."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Metric = Callable[[Sequence[Any], Sequence[Any], Sequence[str]], float]
"""(true labels, predicted labels, classes) to a score."""


def _accuracy(gold: Sequence[str], predicted: Sequence[str], _: Sequence[str]) -> float:
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(gold, predicted))


def _f1(gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> float:
    """F1 of the last class, the positive one of two."""
    from sklearn.metrics import f1_score

    return float(f1_score(gold, predicted, labels=[labels[-1]], average="macro", zero_division=0))


def _macro_f1(gold: Sequence[str], predicted: Sequence[str], _: Sequence[str]) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(gold, predicted, average="macro", zero_division=0))


def _mcc(gold: Sequence[str], predicted: Sequence[str], _: Sequence[str]) -> float:
    from sklearn.metrics import matthews_corrcoef

    return float(matthews_corrcoef(gold, predicted))


def _correlation(name: str) -> Metric:
    def score(gold: Sequence[float], predicted: Sequence[float], _: Sequence[str]) -> float:
        """0 where a side is constant: a model that always says the same explains nothing."""
        from scipy import stats

        if np.ptp(gold) == 0 or np.ptp(predicted) == 0:
            return 0.0
        return float(getattr(stats, name)(gold, predicted).statistic)

    return score


def _token_accuracy(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], _: Sequence[str]) -> float:
    return _accuracy([t for row in gold for t in row], [t for row in predicted for t in row], ())


def _span_f1(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], _: Sequence[str]) -> float:
    """Micro F1 of whole spans, as conlleval counts them."""
    from seqeval.metrics import f1_score

    return float(f1_score([list(row) for row in gold], [list(row) for row in predicted], zero_division=0))


METRICS: Mapping[str, Metric] = {
    "accuracy": _accuracy,
    "f1": _f1,
    "macro_f1": _macro_f1,
    "mcc": _mcc,
    "pearson": _correlation("pearsonr"),
    "spearman": _correlation("spearmanr"),
    "token_accuracy": _token_accuracy,
    "span_f1": _span_f1,
}
