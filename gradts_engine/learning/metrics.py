"""Metrics by name, each from the library that the field uses; all are better when higher."""

from __future__ import annotations

import string
from collections import Counter
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


def _macro_f1(gold: Sequence[Any], predicted: Sequence[Any], labels: Sequence[str]) -> float:
    return _average_f1("macro", gold, predicted, labels)


def _micro_f1(gold: Sequence[Any], predicted: Sequence[Any], labels: Sequence[str]) -> float:
    return _average_f1("micro", gold, predicted, labels)


def _average_f1(average: str, gold: Sequence[Any], predicted: Sequence[Any], labels: Sequence[str]) -> float:
    """Of one class an instance, or of a set of classes."""
    from sklearn.metrics import f1_score

    if gold and isinstance(gold[0], tuple):
        gold, predicted = ([[name in row for name in labels] for row in rows] for rows in (gold, predicted))
    return float(f1_score(gold, predicted, average=average, zero_division=0))


def _subset_accuracy(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], _: Sequence[str]) -> float:
    """Share of instances with exactly the true classes."""
    return float(np.mean([set(a) == set(b) for a, b in zip(gold, predicted, strict=True)]))


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


def _answer_words(text: str) -> list[str]:
    """As SQuAD compares answers: lower case, without punctuation and articles."""
    kept = "".join(c for c in text.lower() if c not in string.punctuation)
    return [word for word in kept.split() if word not in ("a", "an", "the")]


def _word_f1(gold: str, predicted: str) -> float:
    a, b = Counter(_answer_words(gold)), Counter(_answer_words(predicted))
    if not a or not b:
        return float(a == b)
    return 2 * (a & b).total() / (a.total() + b.total())


def _best_answer(score: Callable[[str, str], float]) -> Metric:
    """Mean over instances of the score with the true answer that fits best; "" is the true answer where there is none."""

    def metric(gold: Sequence[Sequence[str]], predicted: Sequence[str], _: Sequence[str]) -> float:
        return float(np.mean([max(score(g, p) for g in answers or ("",)) for answers, p in zip(gold, predicted, strict=True)]))

    return metric


METRICS: Mapping[str, Metric] = {
    "accuracy": _accuracy,
    "f1": _f1,
    "macro_f1": _macro_f1,
    "micro_f1": _micro_f1,
    "subset_accuracy": _subset_accuracy,
    "mcc": _mcc,
    "pearson": _correlation("pearsonr"),
    "spearman": _correlation("spearmanr"),
    "token_accuracy": _token_accuracy,
    "span_f1": _span_f1,
    "masked_accuracy": _token_accuracy,
    "answer_f1": _best_answer(_word_f1),
    "exact_match": _best_answer(lambda gold, predicted: float(_answer_words(gold) == _answer_words(predicted))),
}
