"""Several labels a text, and the best of several candidates."""

import math

import pytest
import torch
from torch import nn

from gradts_engine.contracts import Instance
from gradts_engine.learning.batches import encode
from gradts_engine.learning.embedding import mean_state
from gradts_engine.learning.encoders import Encoder
from gradts_engine.learning.metrics import METRICS
from gradts_engine.learning.model import MultiTaskModel, make_head
from gradts_engine.learning.task_types import MultiLabel, Ranking

# --- several labels --------------------------------------------------------------------------------------------------


def test_multi_label_rows_and_loss() -> None:
    kind = MultiLabel()
    assert kind.read_label([], ("a",)) == ()
    assert kind.read_label(["x", 3], ("a",)) == ("x", "3")
    for wrong in ("x", None, ["x", "x"], [None]):
        with pytest.raises(ValueError, match="label"):
            kind.read_label(wrong, ("a",))
    targets = kind.collate([kind.targets(label, ("a", "b", "c"), ()) for label in (("c", "a"), ())], 9)
    assert targets.tolist() == [[1, 0, 1], [0, 0, 0]]
    logits = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    sums, counts = kind.loss(logits, targets)
    for i in range(2):
        torch.testing.assert_close(sums[i] / counts[i], nn.BCEWithLogitsLoss()(logits[i], targets[i]))
    assert kind.predict(torch.tensor([[1.0, -1.0, 0.5]]), targets[:1], ("a", "b", "c")) == [("a", "c")]
    assert kind.gold(targets, ("a", "b", "c")) == [("a", "c"), ()]


def test_multi_label_metrics() -> None:
    gold, predicted = [("a",), ("a", "b"), ()], [("a",), ("b",), ("b",)]
    assert METRICS["micro_f1"](gold, predicted, ("a", "b")) == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
    assert METRICS["macro_f1"](gold, predicted, ("a", "b")) == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert METRICS["subset_accuracy"](gold, predicted, ("a", "b")) == pytest.approx(1 / 3)


# --- ranking ---------------------------------------------------------------------------------------------------------


def test_ranking_rows() -> None:
    kind = Ranking()
    text = kind.read_text(["q", ["a", "b", "c"]])
    assert text == ("q", "a", "b", "c")
    assert [kind.read_label(value, text) for value in (2, "1", [0.1, 0.7, 0.7], [0, 0, 10**400])] == ["2", "1", "1", "2"]
    for wrong in (3, -1, True, "x", None, [1, 2], ["a", "b", "c"], 0.5, [0.2, 1.0, math.nan]):
        with pytest.raises(ValueError, match="candidates"):
            kind.read_label(wrong, text)
    for values in (["q", "a"], ["q", ["a"]], ["q", None], ["q", {"text": ["a", "b"], "label": ["A", "B"]}]):
        with pytest.raises(ValueError, match="candidate"):
            kind.read_text(values)


def test_the_loss_of_a_query_is_over_its_own_candidates_whatever_is_added() -> None:
    kind = Ranking()
    logits = torch.randn(2 * 4, 1, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([[1, 2], [3, 4]])  # the first query has two candidates, and two that fill its place
    sums, counts = kind.loss(logits, targets)
    expected = [nn.CrossEntropyLoss()(logits[:2].T, torch.tensor([1])), nn.CrossEntropyLoss()(logits[4:].T, torch.tensor([3]))]
    torch.testing.assert_close(sums, torch.stack(expected))
    assert counts.tolist() == [1.0, 1.0]
    high = torch.tensor([[0.0], [1.0], [9.0], [9.0]])
    assert kind.predict(high, targets[:1], ()) == ["1"]


def test_a_query_has_the_same_loss_among_others_with_more_candidates(encoder: Encoder) -> None:
    few, many = Instance(0, ("where", "the road", "it was"), "0"), Instance(1, ("where", "a", "b", "c", "d", "e"), "4")
    kind = Ranking()
    losses = []
    for instances in ([few], [few, many]):
        data = encode("task", kind, (), instances, encoder.tokenizer, 32)
        module = encoder.build()
        model = MultiTaskModel(module, {"task": make_head(kind, module, encoder.hidden_size, (), 0.0, seed=1)}).eval()
        inputs, targets = data.batch(range(len(data)))
        assert len(inputs["input_ids"]) == len(data) * data.sequences
        losses.append(float(kind.loss(model("task", inputs).detach(), targets)[0][0]))
        assert mean_state(module, data, "cpu").shape == (32,)
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
