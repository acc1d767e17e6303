"""What an answer that is always the same scores, against scikit-learn's dummies."""

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.metrics import accuracy_score, f1_score

from gradts_engine.contracts import TaskSpec
from gradts_engine.learning.constants import constant_score
from gradts_engine.learning.data import read_task
from gradts_engine.learning.task_types import Classification, MultiLabel, Regression, TokenClassification

LABELS = ["no"] * 14 + ["yes"] * 6


def score(kind, metric, labels, text="text"):
    rows = [{"text": ["w"] * len(one) if text == "words" else f"{text} {i}", "label": one} for i, one in enumerate(labels)]
    spec = TaskSpec(name="t", type="classification", train=lambda: rows, dev=lambda: rows, metric=metric)
    found = constant_score(read_task(spec, kind, metric, {}, "stop", 0), kind.word_level)
    return found and found[0]


@pytest.mark.parametrize(("metric", "judge"), [("accuracy", accuracy_score), ("f1", f1_score), ("macro_f1", f1_score)])
def test_the_best_constant_class(metric, judge):
    options = (
        {} if metric == "accuracy" else {"average": "macro"} if metric == "macro_f1" else {"pos_label": "yes", "zero_division": 0}
    )
    inputs = np.zeros((len(LABELS), 1))
    dummies = (DummyClassifier(strategy="constant", constant=name).fit(inputs, LABELS) for name in ("no", "yes"))
    assert score(Classification(), metric, LABELS) == pytest.approx(
        max(judge(LABELS, d.predict(inputs), **options) for d in dummies)
    )


def test_other_kinds():
    assert score(TokenClassification(), "token_accuracy", [["O", "O", "B-X"], ["O"]], "words") == 0.75
    assert score(TokenClassification(), "span_f1", [["O", "O", "B-X"], ["O"]], "words") == pytest.approx(
        2 / 5
    )  # every word a span
    assert score(MultiLabel(), "subset_accuracy", [["a"], ["a", "b"], ["a"], []]) == 0.5
    assert score(Regression(), "pearson", [1.0, 2.0, 3.0]) == 0
    assert score(Classification(), "mcc", LABELS) == 0
    assert score(Classification(), "roc_auc", LABELS) == 0.5
