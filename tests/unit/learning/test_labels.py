"""Labels of words, and of several classes in a cell."""

import pytest

from gradts_engine.errors import UsageError
from tests.unit.learning.rows import read, rows


@pytest.mark.parametrize("none", [-1, "-1", None, ""])
def test_words_without_a_label_are_no_class(none):
    """They are counted, have no part in loss and score, and are predicted like all others."""
    row = lambda n: {"text": ["a", f"b{n}", "c"], "label": ["X", none, "Y"]}  # noqa: E731
    data = read(lambda: map(row, range(4)), lambda: map(row, range(4, 6)), kind="token_classification")
    assert data.labels == ("X", "Y")
    assert data.splits["train"][0].label == ("X", "", "Y")
    assert data.classes == {"X": {"train": 4, "dev": 2, "test": 0}, "Y": {"train": 4, "dev": 2, "test": 0}}
    assert "train words without a label (empty, or -1 for none): 4 of 12, left out" in data.warnings


def test_minus_one_can_be_the_class_of_words():
    pairs = rows((["a", "b"], ["-1", "Y"]))
    assert read(pairs, pairs, kind="token_classification", labels=("-1", "Y")).splits["train"][0].label == ("-1", "Y")


@pytest.mark.parametrize(
    ("strings", "separator"),
    [
        (("a|b", "b", "c|a", ""), "|"),
        (("a; b", "b;c", "c"), ";"),
        (("Rome, Italy", "Pisa, Italy"), ","),
        (("Rome, Italy", "Paris, France"), None),
        (("a|b;c", "b"), None),
        (("a", "b"), None),
    ],
)
def test_what_separates_classes_is_found_where_there_is_no_doubt(strings, separator):
    pairs = rows(*((f"text {i}", string) for i, string in enumerate(strings)))
    if separator is None:
        with pytest.raises(UsageError, match=r"holds strings such as .* separator = ") as caught:
            read(pairs, pairs, kind="multi_label")
        assert "\n" not in str(caught.value)
        return
    data = read(pairs, pairs, kind="multi_label")
    assert data.separator == separator
    expected = [tuple(map(str.strip, string.split(separator))) if string else () for string in strings]
    assert [row.label for row in data.splits["train"]] == expected
    assert any(f"'{separator}' in 'label' is taken to separate classes" in warning for warning in data.warnings)


def test_a_class_that_the_cut_has_taken_is_named():
    with pytest.raises(UsageError, match=r"one class, '[xy]', once dev_fraction = 0.5 has taken '[xy]', expected at least 2"):
        read(rows(("a", "x"), ("b", "y")), None, dev_fraction=0.5)


def test_whole_floats_are_whole_numbers():
    """What integers are in a table in which one is missing."""
    data = read(rows(("a", 0.0), ("b", 1.0), ("c", float("nan"))), rows(("d", 1)))
    assert data.labels == ("0", "1")
