import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from gradts_engine.contracts import TaskType
from gradts_engine.learning.task_types import IGNORED, Classification, Regression, SentenceHead, TokenClassification, TokenHead

LABELS = ("a", "b", "c")


# --- rows ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task_type", [Classification(), Regression()])
def test_sentences(task_type: TaskType) -> None:
    assert task_type.read_text(["one"]) == ("one",)
    assert task_type.read_text(["one", " two "]) == ("one", " two ")


@pytest.mark.parametrize(
    ("task_type", "values", "problem"),
    [
        (Classification(), ["one", ""], "text is empty"),
        (Classification(), [" \n\t"], "text is empty"),
        (Classification(), [None], "text is NoneType, expected a string"),
        (Regression(), [["a", "b"]], "text is list, expected a string"),
        (TokenClassification(), [7], "text is int, expected a list of words"),
        (TokenClassification(), [3], "text is int, expected a list of words"),
        (TokenClassification(), [[]], "text is empty"),
        (TokenClassification(), [["a", ""]], "a word is empty or not a string"),
        (TokenClassification(), [["a", None]], "a word is empty or not a string"),
    ],
)
def test_texts_that_cannot_be_read(task_type: TaskType, values: list[Any], problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{problem}$"):
        task_type.read_text(values)


@pytest.mark.parametrize(
    ("task_type", "value", "label"),
    [
        (Classification(), "yes", "yes"),
        (Classification(), 0, "0"),
        (Classification(), np.int64(2), "2"),
        (Classification(), True, "true"),
        (Regression(), "2.5", 2.5),
        (Regression(), 3, 3.0),
        (Regression(), -1e9, -1e9),
        (TokenClassification(), ["B", "O"], ("B", "O")),
        (TokenClassification(), np.array([1, 0]), ("1", "0")),
    ],
)
def test_labels(task_type: TaskType, value: Any, label: Any) -> None:
    found = task_type.read_label(value, ("two", "words"))
    assert found == label
    assert type(found) is type(label)


@pytest.mark.parametrize(
    ("task_type", "value", "problem"),
    [
        (Classification(), "", "label '' is not a class name"),
        (Classification(), None, "label None is not a class name"),
        (Classification(), 0.5, "label 0.5 is not a class name"),
        (Regression(), "much", "label 'much' is not a number"),
        (Regression(), None, "label None is not a number"),
        (Regression(), 10**400, "label 10+ is not a number"),
        (Regression(), True, "label True is not a finite number"),
        (Regression(), math.nan, "label nan is not a finite number"),
        (Regression(), "inf", "label 'inf' is not a number"),
        (TokenClassification(), "BO", "2 words but 1 labels"),
        (TokenClassification(), 1, "label is int, expected a list with one label a word"),
        (TokenClassification(), ["B"], "2 words but 1 labels"),
        (TokenClassification(), ["B", 0.5], "label 0.5 is not a class name"),
    ],
)
def test_labels_that_cannot_be_read(task_type: TaskType, value: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{problem}"):
        task_type.read_label(value, ("two", "words"))


def test_classes() -> None:
    assert list(Classification().classes("a")) == ["a"]
    assert list(Regression().classes(1.5)) == []
    assert list(TokenClassification().classes(("a", "b", "a"))) == ["a", "b", "a"]


# --- targets ---------------------------------------------------------------------------------------------------------


def test_targets() -> None:
    assert Classification().targets("c", LABELS, ()).item() == 2
    assert Regression().targets(1.25, (), ()).item() == 1.25
    # The second word has three sub-words; the same word twice in a row is two words.
    words = [None, 0, 1, 1, 1, 2, None]
    assert TokenClassification().targets(("a", "c", "b"), LABELS, words).tolist() == [IGNORED, 0, 2, IGNORED, IGNORED, 1, IGNORED]


def test_targets_of_a_batch() -> None:
    assert Classification().collate([np.asarray(2), np.asarray(0)], 5).tolist() == [2, 0]
    numbers = Regression().collate([np.asarray(0.5, np.float32)], 5)
    assert (numbers.tolist(), numbers.dtype) == ([0.5], torch.float32)
    tokens = TokenClassification().collate([np.array([1, 2]), np.array([IGNORED, 0, 1])], 4)
    assert tokens.tolist() == [[1, 2, IGNORED, IGNORED], [IGNORED, 0, 1, IGNORED]]


# --- losses, instance by instance as torch has them ------------------------------------------------------------------


def logits(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_loss_of_classes() -> None:
    found, targets = logits(5, 3), torch.tensor([0, 2, 1, 1, 0])
    sums, counts = Classification().loss(found, targets)
    expected = [nn.CrossEntropyLoss()(found[i : i + 1], targets[i : i + 1]) for i in range(5)]
    torch.testing.assert_close(sums, torch.stack(expected))
    assert counts.tolist() == [1.0] * 5


def test_loss_of_numbers() -> None:
    found, targets = logits(4, 1), torch.tensor([0.5, -1.25, 3.75, 0.0])
    sums, counts = Regression().loss(found, targets)
    torch.testing.assert_close(sums, torch.stack([nn.MSELoss()(found[i, 0], targets[i]) for i in range(4)]))
    assert counts.tolist() == [1.0] * 4


@given(st.lists(st.lists(st.sampled_from([IGNORED, 0, 1, 2]), min_size=6, max_size=6), min_size=1, max_size=5))
def test_loss_of_words(rows: list[list[int]]) -> None:
    """The mean over an instance's words; over a batch, over all its words. An instance without words has no loss."""
    found, targets = logits(len(rows), 6, 3), torch.tensor(rows)
    sums, counts = TokenClassification().loss(found, targets)
    for i, row in enumerate(rows):
        words = sum(label != IGNORED for label in row)
        expected = nn.CrossEntropyLoss()(found[i], targets[i]) if words else torch.tensor(0.0)
        torch.testing.assert_close(sums[i] / counts[i], expected)
        assert counts[i] == max(1, words)
    if all(any(label != IGNORED for label in row) for row in rows):
        torch.testing.assert_close(sums.sum() / counts.sum(), nn.CrossEntropyLoss()(found.flatten(0, 1), targets.flatten()))


@pytest.mark.parametrize("task_type", [Classification(), Regression(), TokenClassification()])
def test_losses_of_short_floats_are_added_up_in_float32(task_type: TaskType) -> None:
    words = isinstance(task_type, TokenClassification)
    found = logits(2, 6, 3) if words else logits(2, 3)
    targets = torch.zeros((2, 6) if words else 2, dtype=torch.float32 if type(task_type) is Regression else torch.int64)
    assert task_type.loss(found.bfloat16(), targets)[0].dtype == torch.float32


# --- answers ---------------------------------------------------------------------------------------------------------


def test_answers() -> None:
    found = torch.tensor([[0.1, 0.9, 0.0], [2.0, -1.0, 1.0]])
    assert Classification().predict(found, torch.tensor([2, 2]), LABELS) == ["b", "a"]
    assert Classification().gold(torch.tensor([2, 0]), LABELS) == ["c", "a"]
    assert Regression().predict(torch.tensor([[0.5], [-2.0]]), torch.tensor([9.0, 9.0]), ()) == [0.5, -2.0]
    assert Regression().gold(torch.tensor([0.25, 4.0]), ()) == [0.25, 4.0]


def test_answers_of_words_leave_out_what_has_no_label() -> None:
    targets = torch.tensor([[IGNORED, 0, 2, IGNORED], [1, IGNORED, IGNORED, IGNORED]])
    found = nn.functional.one_hot(torch.tensor([[2, 1, 2, 0], [0, 1, 1, 1]]), 3).float()
    assert TokenClassification().gold(targets, LABELS) == [("a", "c"), ("b",)]
    assert TokenClassification().predict(found, targets, LABELS) == [("b", "c"), ("a",)]


# --- heads -----------------------------------------------------------------------------------------------------------


def test_sentence_head() -> None:
    head = SentenceHead(4, 3, dropout=0.0)
    hidden, state = logits(2, 5, 4), {name: logits(*value.shape) for name, value in head.state_dict().items()}
    head.load_state_dict(state)
    expected = (
        torch.tanh(hidden[:, 0] @ state["dense.weight"].T + state["dense.bias"]) @ state["out.weight"].T + state["out.bias"]
    )
    torch.testing.assert_close(head(hidden), expected)


def test_token_head() -> None:
    head = TokenHead(4, 3, dropout=0.0)
    hidden, state = logits(2, 5, 4), {name: logits(*value.shape) for name, value in head.state_dict().items()}
    head.load_state_dict(state)
    torch.testing.assert_close(head(hidden), hidden @ state["out.weight"].T + state["out.bias"])


@pytest.mark.parametrize(
    ("task_type", "shape"), [(Classification(), (2, 3)), (Regression(), (2, 1)), (TokenClassification(), (2, 5, 3))]
)
def test_heads_of_task_types(task_type: TaskType, shape: tuple[int, ...]) -> None:
    head = task_type.head(4, LABELS, dropout=0.5)
    for parameter in head.parameters():
        nn.init.constant_(parameter, 1.0)
    hidden = logits(2, 5, 4)
    assert head.eval()(hidden).shape == shape
    assert torch.equal(head(hidden), head(hidden))
    assert any(not torch.equal(head.train()(hidden), head.eval()(hidden)) for _ in range(9))


def test_the_sentence_head_has_dropout_before_and_after_its_dense_layer() -> None:
    head = SentenceHead(4, 3, dropout=0.0)
    for parameter in head.parameters():
        nn.init.constant_(parameter, 1.0)
    seen: list[Tensor] = []
    head.dropout.register_forward_hook(lambda module, args, output: seen.append(args[0]))
    hidden = logits(2, 5, 4)
    head(hidden)
    assert len(seen) == 2
    torch.testing.assert_close(seen[0], hidden[:, 0])
    torch.testing.assert_close(seen[1], torch.tanh(head.dense(hidden[:, 0])))
