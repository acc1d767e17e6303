"""Metrics against hand-made values and direct calls of the libraries that they come from."""

import math

import numpy as np
import pytest
from scipy import stats
from seqeval.metrics import f1_score as span_f1
from sklearn.metrics import f1_score, matthews_corrcoef

from gradts_engine.learning.metrics import METRICS

CLASSES = ("no", "yes")
GOLD = ["yes", "yes", "no", "no", "no", "yes", "no"]
PREDICTED = ["yes", "no", "no", "yes", "no", "yes", "no"]


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("accuracy", 5 / 7),
        ("f1", 2 * 2 / (2 * 2 + 1 + 1)),  # of "yes", the last class: 2 found, 1 missed, 1 wrong
        ("macro_f1", (2 / 3 + 2 * 3 / (2 * 3 + 1 + 1)) / 2),
        ("mcc", (2 * 3 - 1 * 1) / math.sqrt(3 * 3 * 4 * 4)),
    ],
)
def test_classes_by_hand(metric: str, expected: float) -> None:
    assert METRICS[metric](GOLD, PREDICTED, CLASSES) == pytest.approx(expected, abs=1e-12)
    assert METRICS[metric](GOLD, GOLD, CLASSES) == 1.0


def test_classes_as_sklearn() -> None:
    rng = np.random.default_rng(0)
    gold, predicted = (list(map(str, rng.integers(0, 4, 200))) for _ in range(2))
    labels = ("0", "1", "2", "3")
    assert METRICS["macro_f1"](gold, predicted, labels) == f1_score(gold, predicted, average="macro")
    assert METRICS["mcc"](gold, predicted, labels) == matthews_corrcoef(gold, predicted)
    yes = [[str(label == "3") for label in side] for side in (gold, predicted)]
    assert METRICS["f1"](gold, predicted, labels) == f1_score(*yes, pos_label="True")


@pytest.mark.filterwarnings("error")
def test_a_model_that_always_says_the_same_scores_nothing() -> None:
    always = ["no"] * len(GOLD)
    assert METRICS["f1"](GOLD, always, CLASSES) == 0.0
    assert METRICS["mcc"](GOLD, always, CLASSES) == 0.0
    assert METRICS["span_f1"]([("O", "O")], [("O", "O")], ()) == 0.0
    for metric in ("pearson", "spearman"):
        assert METRICS[metric]([1.0, 2.0, 3.0], [0.5, 0.5, 0.5], ()) == 0.0
        assert METRICS[metric]([2.0, 2.0, 2.0], [0.5, 0.6, 0.7], ()) == 0.0


def test_numbers() -> None:
    gold, predicted = [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 9.0, 3.0]
    assert METRICS["pearson"](gold, predicted, ()) == stats.pearsonr(gold, predicted).statistic
    assert METRICS["spearman"](gold, predicted, ()) == pytest.approx(0.8)  # 1 - 6 * 2 / (4 * 15)
    assert METRICS["pearson"](gold, [-value for value in gold], ()) == pytest.approx(-1.0)


def test_words() -> None:
    gold = [("B-x", "I-x", "O"), ("O", "B-y")]
    predicted = [("B-x", "O", "O"), ("O", "B-y")]
    assert METRICS["token_accuracy"](gold, predicted, ()) == 4 / 5
    assert METRICS["span_f1"](gold, predicted, ()) == 0.5  # one of two spans is whole
    assert METRICS["span_f1"](gold, gold, ()) == 1.0
    assert METRICS["span_f1"](gold, [("O",) * 3, ("O",) * 2], ()) == 0.0
    assert METRICS["span_f1"](gold, predicted, ()) == span_f1(list(map(list, gold)), list(map(list, predicted)))
