"""Metrics against hand-made values and direct calls of the libraries that they come from."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from seqeval.metrics import f1_score as span_f1
from sklearn.metrics import average_precision_score, f1_score, matthews_corrcoef, roc_auc_score

from gradts_engine.contracts import Rules
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
        ("micro_f1", 5 / 7),
        ("weighted_f1", (3 * 2 / 3 + 4 * 3 / 4) / 7),
        ("mcc", (2 * 3 - 1 * 1) / math.sqrt(3 * 3 * 4 * 4)),
    ],
)
def test_classes_by_hand(metric: str, expected: float) -> None:
    assert METRICS[metric](GOLD, PREDICTED, CLASSES) == pytest.approx(expected, abs=1e-12)
    assert METRICS[metric](GOLD, GOLD, CLASSES) == 1.0


def test_the_positive_class_can_be_the_other_one() -> None:
    assert METRICS["f1"](GOLD, PREDICTED, CLASSES, Rules(positive="no")) == f1_score(GOLD, PREDICTED, pos_label="no")
    assert METRICS["f1"](GOLD, PREDICTED, CLASSES) == f1_score(GOLD, PREDICTED, pos_label="yes")


def test_classes_as_sklearn() -> None:
    rng = np.random.default_rng(0)
    gold, predicted = (list(map(str, rng.integers(0, 4, 200))) for _ in range(2))
    labels = ("0", "1", "2", "3")
    for average in ("macro", "micro", "weighted"):
        assert METRICS[f"{average}_f1"](gold, predicted, labels) == f1_score(gold, predicted, average=average)
    assert METRICS["mcc"](gold, predicted, labels) == matthews_corrcoef(gold, predicted)
    yes = [[str(label == "3") for label in side] for side in (gold, predicted)]
    assert METRICS["f1"](gold, predicted, labels) == f1_score(*yes, pos_label="True")


def test_scores_as_sklearn() -> None:
    rng = np.random.default_rng(1)
    labels, gold = ("a", "b", "c"), list(rng.choice(["a", "b", "c"], 80))
    scores = rng.dirichlet([1, 1, 1], 80)
    assert METRICS["roc_auc"](gold, scores, labels) == pytest.approx(roc_auc_score(gold, scores, multi_class="ovr"))
    one_hot = np.array([[label == name for name in labels] for label in gold])
    assert METRICS["average_precision"](gold, scores, labels) == pytest.approx(average_precision_score(one_hot, scores))
    two, halves = [label == "a" for label in gold], np.stack([scores[:, 0], 1 - scores[:, 0]], 1)
    names = ["yes" if here else "no" for here in two]
    expected = average_precision_score(two, scores[:, 0])
    assert METRICS["average_precision"](names, halves[:, ::-1], CLASSES) == pytest.approx(expected)
    assert METRICS["average_precision"](names, halves, ("yes", "no"), Rules(positive="yes")) == pytest.approx(expected)
    assert METRICS["roc_auc"](names, halves[:, ::-1], CLASSES) == pytest.approx(roc_auc_score(two, scores[:, 0]))
    sets = [tuple(name for name in labels if rng.random() < 0.4) for _ in range(80)]
    hot = np.array([[name in row for name in labels] for row in sets])
    assert METRICS["roc_auc"](sets, scores, labels) == pytest.approx(roc_auc_score(hot, scores))
    assert METRICS["average_precision"](sets, scores, labels) == pytest.approx(average_precision_score(hot, scores))


@pytest.mark.parametrize(
    ("metric", "gold", "predicted", "labels", "why"),
    [
        ("accuracy", [], [], CLASSES, "there is nothing to score"),
        ("f1", ["no", "no"], ["no", "no"], CLASSES, "no true and no predicted label is 'yes'"),
        ("mcc", ["no", "no"], ["no", "yes"], CLASSES, "all true labels are 'no'"),
        ("micro_f1", [(), ()], [(), ()], CLASSES, "neither a true nor a predicted label names a class"),
        ("macro_f1", [(), ()], [(), ()], CLASSES, "neither a true nor a predicted label names a class"),
        ("roc_auc", ["no", "no"], np.eye(2), CLASSES, "all or none of the true labels are 'yes'"),
        ("average_precision", [(), ()], np.eye(2), CLASSES, "all or none of the true labels are 'no' or 'yes'"),
        ("pearson", [1.0, 2.0, 3.0], [0.5, 0.5, 0.5], (), "all predictions are 0.5"),
        ("spearman", [2.0, 2.0, 2.0], [0.5, 0.6, 0.7], (), "all true labels are 2"),
        ("pearson", [2.0], [0.5], (), "all true labels are 2"),
    ],
)
def test_what_is_not_defined_is_not_0(metric, gold, predicted, labels, why) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        score, said = METRICS[metric].explained(gold, predicted, labels)
        assert (math.isnan(score), said) == (True, why)
        assert math.isnan(METRICS[metric](gold, predicted, labels))


@pytest.mark.filterwarnings("error")
def test_a_model_that_always_says_the_same_scores_nothing() -> None:
    always = ["no"] * len(GOLD)
    assert METRICS["f1"](GOLD, always, CLASSES) == 0.0
    assert METRICS["mcc"](GOLD, always, CLASSES) == 0.0


def test_a_class_that_the_model_does_not_have_counts_as_missed() -> None:
    assert METRICS["accuracy"](["yes", "perhaps"], ["yes", "no"], CLASSES) == 0.5
    assert METRICS["macro_f1"](["yes", "perhaps"], ["yes", "yes"], CLASSES) == pytest.approx((2 / 3 + 0) / 2)
    assert METRICS["micro_f1"]([("yes",), ("yes", "perhaps")], [("yes",), ("yes",)], CLASSES) == pytest.approx(4 / 5)
    assert METRICS["roc_auc"](["yes", "perhaps", "no"], np.array([[0, 1], [0.2, 0.8], [0.1, 0.9]]), CLASSES) == 1.0
    assert METRICS["span_f1"]([("B-X", "B-Y")], [("B-X", "O")], ("B-X", "O"), Rules(scheme="IOB2")) == pytest.approx(2 / 3)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from("abcd"), min_size=1), st.sampled_from(["abcd", "dcba", "aaaa"]), st.integers(0, 2**32))
def test_every_score_is_in_its_range_and_true_answers_have_the_best(gold, labels, seed) -> None:
    rng = np.random.default_rng(seed)
    names = tuple(dict.fromkeys(labels))
    predicted = list(rng.choice(list(names), len(gold)))
    for name in ("accuracy", "f1", "macro_f1", "micro_f1", "weighted_f1", "mcc", "roc_auc", "average_precision"):
        metric = METRICS[name]
        score = metric(gold, rng.random((len(gold), len(names))) if metric.scores else predicted, names)
        assert math.isnan(score) or metric.low - 1e-9 <= score <= metric.high + 1e-9
        if not metric.hopeless(gold, names) and set(gold) <= set(names) and not metric.scores:
            assert metric(gold, gold, names) == pytest.approx(1.0)


def test_hopeless_splits_are_told_by_their_labels_alone() -> None:
    assert METRICS["f1"].hopeless(["no", "no"], CLASSES) == "no true and no predicted label is 'yes'"
    assert METRICS["roc_auc"].hopeless(["no", "no"], CLASSES)
    assert METRICS["roc_auc"].hopeless(["no", "yes"], CLASSES) == ""
    assert METRICS["pearson"].hopeless([1.0, 1.0], ()) == "all true labels are 1"
    assert METRICS["span_f1"].hopeless([("O", "O")], ("B-X", "O")) == "there is no true and no predicted span"
    assert METRICS["accuracy"].hopeless(["no", "no"], CLASSES) == ""


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
    cut = [("B-x", "", ""), ("", "")]  # what was cut is wrong, whatever its label
    assert METRICS["token_accuracy"](gold, cut, ()) == 1 / 5
    assert METRICS["span_f1"](gold, cut, ()) == 0.0


def test_every_metric_says_what_it_is() -> None:
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.description.endswith(".")
        assert (metric.low, metric.high) in ((0, 1), (-1, 1))
