"""Metrics by name, each from the library that the field uses; all are better when higher.

A metric that is not defined for the answers it is given (no true span and no predicted one, predictions that are all the same) is
NaN with a sentence that says why, never 0. Classes that neither the labels nor the predictions have are left out of means.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradts_engine.contracts import Rules
from gradts_engine.learning import squad, tags

Compute = Callable[[Sequence[Any], Any, Sequence[str], Rules], float]
"""True labels, predicted ones, classes and rules to a score."""
Missing = Callable[[Sequence[Any], Any, Sequence[str], Rules], str]
"""Why these have no score, empty where they have one: known without the libraries that compute it, which are slow to import."""


@dataclass(frozen=True)
class Metric:
    """A score, `low` to `high`. With `scores` it is made of the model's scores [instances, classes] instead of its answers."""

    name: str
    compute: Compute
    missing: Missing
    low: float = 0.0
    high: float = 1.0
    scores: bool = False

    @property
    def description(self) -> str:
        """What it is, in a sentence or two."""
        return " ".join((self.compute.__doc__ or "").split())

    def __call__(self, gold: Sequence[Any], predicted: Any, labels: Sequence[str], rules: Rules | None = None) -> float:
        """The score, NaN where it is not defined."""
        return self.explained(gold, predicted, labels, rules)[0]

    def explained(
        self, gold: Sequence[Any], predicted: Any, labels: Sequence[str], rules: Rules | None = None
    ) -> tuple[float, str]:
        """The score, and where it is NaN why."""
        why = self._missing(gold, predicted, labels, rules)
        return (math.nan, why) if why else (float(self.compute(gold, predicted, labels, rules or Rules())), "")

    def hopeless(self, gold: Sequence[Any], labels: Sequence[str], rules: Rules | None = None) -> str:
        """Why no model could have a score for these true labels, the best one neither; empty where one could."""
        return self._missing(gold, gold, labels, rules)

    def _missing(self, gold: Sequence[Any], predicted: Any, labels: Sequence[str], rules: Rules | None) -> str:
        return self.missing(gold, predicted, labels, rules or Rules()) if gold else "there is nothing to score"


_FOUND: dict[str, Metric] = {}
METRICS: Mapping[str, Metric] = _FOUND
"""By name."""


def _nothing(gold: Sequence[Any], predicted: Any, labels: Sequence[str], rules: Rules) -> str:
    return ""


def _metric(name: str, missing: Missing = _nothing, *, low: float = 0.0, scores: bool = False) -> Callable[[Compute], Compute]:
    def register(compute: Compute) -> Compute:
        _FOUND[name] = Metric(name, compute, missing, low, scores=scores)
        return compute

    return register


def _set(label: Any) -> tuple[Any, ...]:
    return label if isinstance(label, tuple) else (label,)


# --- classes ---------------------------------------------------------------------------------------------------------


@_metric("accuracy")
def _accuracy(gold: Sequence[Any], predicted: Any, labels: Sequence[str], rules: Rules) -> float:
    """Share of instances with the true class."""
    return float(np.mean([true == told for true, told in zip(gold, predicted, strict=True)]))


def _positive(labels: Sequence[str], rules: Rules) -> str:
    return rules.positive or labels[-1]


def _no_positive(gold: Sequence[Any], predicted: Any, labels: Sequence[str], rules: Rules) -> str:
    name = _positive(labels, rules)
    return "" if name in {*gold, *predicted} else f"no true and no predicted label is '{name}'"


@_metric("f1", _no_positive)
def _f1(gold: Sequence[Any], predicted: Any, labels: Sequence[str], rules: Rules) -> float:
    """F1 of one class, the positive one: that of `positive`, or else the last of two classes."""
    from sklearn.metrics import f1_score

    return float(f1_score(gold, predicted, labels=[_positive(labels, rules)], average="macro", zero_division=np.nan))


def _no_class(gold: Sequence[Any], predicted: Any, labels: Sequence[str], rules: Rules) -> str:
    return "" if any(map(len, (*gold, *predicted))) else "neither a true nor a predicted label names a class"


@_metric("macro_f1", _no_class)
def _macro_f1(gold: Sequence[Any], predicted: Any, labels: Sequence[str], rules: Rules) -> float:
    """Mean over classes of the F1 of each: small classes count as much as large ones."""
    return _average_f1("macro", gold, predicted, labels)


@_metric("micro_f1", _no_class)
def _micro_f1(gold: Sequence[Any], predicted: Any, labels: Sequence[str], rules: Rules) -> float:
    """F1 of all decisions of all classes together. With one class an instance this is the accuracy."""
    return _average_f1("micro", gold, predicted, labels)


@_metric("weighted_f1", _no_class)
def _weighted_f1(gold: Sequence[Any], predicted: Any, labels: Sequence[str], rules: Rules) -> float:
    """Mean over classes of the F1 of each, weighted by how many instances have the class."""
    return _average_f1("weighted", gold, predicted, labels)


def _average_f1(average: str, gold: Sequence[Any], predicted: Any, labels: Sequence[str]) -> float:
    """Of one class an instance, or of a set of classes."""
    from sklearn.metrics import f1_score

    if isinstance(gold[0], tuple):
        names = sorted({*labels, *(name for row in gold for name in row)})  # some may have no output
        gold, predicted = ([[name in row for name in names] for row in rows] for rows in (gold, predicted))
    return float(f1_score(gold, predicted, average=average, zero_division=np.nan))


def _one_class(gold: Sequence[Any], predicted: Any, labels: Sequence[str], rules: Rules) -> str:
    return f"all true labels are '{gold[0]}'" if len(set(gold)) == 1 else ""


@_metric("mcc", _one_class, low=-1.0)
def _mcc(gold: Sequence[Any], predicted: Any, labels: Sequence[str], rules: Rules) -> float:
    """Matthews correlation coefficient of true and predicted classes; 0 for a model that always says the same."""
    from sklearn.metrics import matthews_corrcoef

    return float(matthews_corrcoef(gold, predicted))


@_metric("subset_accuracy")
def _subset_accuracy(gold: Sequence[Any], predicted: Any, labels: Sequence[str], rules: Rules) -> float:
    """Share of instances with exactly the true classes."""
    return float(np.mean([set(a) == set(b) for a, b in zip(gold, predicted, strict=True)]))


def _names(gold: Sequence[Any], labels: Sequence[str], rules: Rules) -> Sequence[str]:
    """The positive class of two, or all."""
    two = not isinstance(gold[0], tuple) and (rules.positive or len(labels) == 2)
    return [_positive(labels, rules)] if two else labels


def _unvaried(gold: Sequence[Any], predicted: Any, labels: Sequence[str], rules: Rules) -> str:
    names = _names(gold, labels, rules)
    varied = any(len({name in _set(label) for label in gold}) == 2 for name in names)
    return "" if varied else f"all or none of the true labels are {' or '.join(map(repr, names))}"


@_metric("roc_auc", _unvaried, scores=True)
def _roc_auc(gold: Sequence[Any], predicted: Any, labels: Sequence[str], rules: Rules) -> float:
    """Area under the ROC curve: how often an instance of the class gets a higher score for it than one of another; 0.5 is chance.
    Of two classes that of the positive one, of more the mean over the classes that some instances have and some do not."""
    from sklearn.metrics import roc_auc_score

    return _of_scores(roc_auc_score, gold, predicted, labels, rules)


@_metric("average_precision", _unvaried, scores=True)
def _average_precision(gold: Sequence[Any], predicted: Any, labels: Sequence[str], rules: Rules) -> float:
    """Mean precision at the ranks of a class's instances when all are sorted by their score for it (area under the curve of
    precision and recall); chance is the class's share. Of two classes that of the positive one, of more a mean as in roc_auc."""
    from sklearn.metrics import average_precision_score

    return _of_scores(average_precision_score, gold, predicted, labels, rules)


def _of_scores(score: Callable[..., float], gold: Sequence[Any], scores: Any, labels: Sequence[str], rules: Rules) -> float:
    """Mean over `_names` of `score(is it the class, scores of the class)`."""
    found = []
    for name in _names(gold, labels, rules):
        here = np.array([name in _set(label) for label in gold])
        if 0 < here.sum() < len(here):
            found.append(score(here, np.asarray(scores)[:, labels.index(name)]))
    return float(np.mean(found))


# --- numbers ---------------------------------------------------------------------------------------------------------


def _constant(gold: Sequence[Any], predicted: Any, labels: Sequence[str], rules: Rules) -> str:
    for side, numbers in (("true labels", gold), ("predictions", predicted)):
        if np.ptp(numbers) == 0:
            return f"all {side} are {numbers[0]:g}"
    return ""


@_metric("pearson", _constant, low=-1.0)
def _pearson(gold: Sequence[Any], predicted: Any, labels: Sequence[str], rules: Rules) -> float:
    """Pearson correlation of true and predicted numbers: whether one is a straight line of the other."""
    return _correlation("pearsonr", gold, predicted)


@_metric("spearman", _constant, low=-1.0)
def _spearman(gold: Sequence[Any], predicted: Any, labels: Sequence[str], rules: Rules) -> float:
    """Spearman correlation of true and predicted numbers: whether their order is the same."""
    return _correlation("spearmanr", gold, predicted)


def _correlation(name: str, gold: Sequence[float], predicted: Sequence[float]) -> float:
    from scipy import stats

    return float(getattr(stats, name)(gold, predicted).statistic)


# --- words -----------------------------------------------------------------------------------------------------------


def _no_label(gold: Sequence[Any], predicted: Any, labels: Sequence[str], rules: Rules) -> str:
    return "" if any(map(any, gold)) else "no word has a label"


@_metric("token_accuracy", _no_label)
def _token_accuracy(gold: Sequence[Any], predicted: Any, labels: Sequence[str], rules: Rules) -> float:
    """Share of words with the true class, of those that have one. Words that were cut at max_length count as wrong."""
    pairs = [(t, p) for true, found in zip(gold, predicted, strict=True) for t, p in zip(true, found, strict=True) if t]
    return _accuracy([true for true, _ in pairs], [found for _, found in pairs], labels, rules)


def _no_span(gold: Sequence[Any], predicted: Any, labels: Sequence[str], rules: Rules) -> str:
    found = tags.sides(gold, predicted, _tags(gold, labels), rules.scheme or "IOB2", rules.strict)
    return "there is no true and no predicted span" if found is None else ""


def _tags(gold: Sequence[Sequence[str]], labels: Sequence[str]) -> set[str]:
    """All of them: some may have no output."""
    return {*labels, *(tag for row in gold for tag in row if tag)}


@_metric("span_f1", _no_span)
def _span_f1(gold: Sequence[Any], predicted: Any, labels: Sequence[str], rules: Rules) -> float:
    """F1 of whole spans, all types together: a span counts if its first word, its last word and its type are right. Spans cut at
    max_length count as missed. Tags that break the scheme are read as conlleval reads them, unless `strict = true`."""
    return _spans("micro", gold, predicted, labels, rules)


@_metric("span_macro_f1", _no_span)
def _span_macro_f1(gold: Sequence[Any], predicted: Any, labels: Sequence[str], rules: Rules) -> float:
    """Mean over the types of spans of the span_f1 of each: rare types count as much as frequent ones."""
    return _spans("macro", gold, predicted, labels, rules)


def span_types(
    metric: str, gold: Sequence[Any], predicted: Any, labels: Sequence[str], rules: Rules
) -> dict[str, dict[str, float]]:
    """`tags.by_type` where the metric is one of spans; else nothing."""
    if not metric.startswith("span_") or not gold:
        return {}
    return tags.by_type(gold, predicted, _tags(gold, labels), rules.scheme or "IOB2", strict=rules.strict)


def _spans(average: str, gold: Sequence[Any], predicted: Any, labels: Sequence[str], rules: Rules) -> float:
    scheme = rules.scheme or "IOB2"
    return tags.span_f1(gold, predicted, _tags(gold, labels), scheme, strict=rules.strict, average=average) or 0.0


@_metric("masked_accuracy", _no_label)
def _masked_accuracy(gold: Sequence[Any], predicted: Any, labels: Sequence[str], rules: Rules) -> float:
    """Share of masked tokens that are found."""
    return _token_accuracy(gold, predicted, labels, rules)


# --- answers ---------------------------------------------------------------------------------------------------------


@_metric("answer_f1")
def _answer_f1(gold: Sequence[Any], predicted: Any, labels: Sequence[str], rules: Rules) -> float:
    """Mean F1 of the words of the predicted and the true answer, as SQuAD compares them (lower case, without punctuation and
    articles); of several true answers the one that fits best. An answer that was cut at max_length is missed."""
    return squad.best(squad.word_f1, gold, predicted)


@_metric("exact_match")
def _exact_match(gold: Sequence[Any], predicted: Any, labels: Sequence[str], rules: Rules) -> float:
    """Share of predicted answers that are one of the true ones, compared as in answer_f1."""
    return squad.best(squad.same, gold, predicted)
