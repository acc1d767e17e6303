"""Answers to questions, as in SQuAD."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gradts_engine.contracts import Answer, EncoderSpec, Instance
from gradts_engine.learning.batches import Encoded, encode
from gradts_engine.learning.encoders import Encoder, load_encoder
from gradts_engine.learning.metrics import METRICS
from gradts_engine.learning.task_types import Spans
from gradts_engine.learning.task_types.spans import END, MAY, START
from gradts_engine.learning.training import answers
from gradts_engine.testing import tiny_encoder

CONTEXT = "The road to Lima was long, and in Lima it was fine."


def answer(text: list[str], starts: list[int]) -> dict[str, Any]:
    return {"text": text, "answer_start": starts}


def test_answers_are_checked() -> None:
    kind, text = Spans(), ("where?", CONTEXT)
    assert kind.read_label(answer(["Lima", "in Lima"], [12, 31]), text) == (Answer("Lima", 12), Answer("in Lima", 31))
    assert kind.read_label(answer([], []), text) == ()
    with pytest.raises(ValueError, match="answer 'Lima' is not what the context has at 13"):
        kind.read_label(answer(["Lima"], [13]), text)
    for wrong in ("Lima", None, {"text": ["Lima"]}, answer(["Lima"], []), answer([""], [0]), {"text": "L", "answer_start": [0]}):
        with pytest.raises(ValueError, match="answer"):
            kind.read_label(wrong, text)


def span_data(encoder: Encoder, *labels: Any, length: int = 40, question: str = "where is it?") -> Encoded:
    kind = Spans()
    instances = [Instance(i, (question, CONTEXT), kind.read_label(label, ("", CONTEXT))) for i, label in enumerate(labels)]
    return encode("task", kind, (), instances, encoder.tokenizer, length)


def test_targets_of_answers_are_the_tokens_of_their_characters(encoder: Encoder) -> None:
    data = span_data(encoder, answer(["in Lima"], [31]), answer([], []))
    for target, ids in zip(data.targets[:1], data.inputs["input_ids"], strict=False):
        bits = target[:, 0]
        start, end = (int(np.flatnonzero(bits & bit)[0]) for bit in (START, END))
        assert CONTEXT[target[start, 1] : target[end, 2]] == "in Lima"
        assert bits[0] == MAY
        assert len(bits) == len(ids)
    assert data.targets[1][0, 0] == MAY | START | END  # no answer
    cut = span_data(encoder, answer(["fine"], [46]), answer(["The"], [0]), length=16)
    assert cut.truncated == 2
    assert [target[0, 0] for target in cut.targets] == [MAY | START | END, MAY]
    assert len(span_data(encoder, answer([], []), question="where " * 60).targets[0]) == 40


@pytest.mark.parametrize(
    ("context", "text", "read"),
    [
        ("It is Lima , so.", " Lima ", "Lima"),
        ("It is \u200bLima\xad .", "\u200bLima\xad", "Lima"),
        ("In cafe\u0301 .", "cafe\u0301", "cafe"),
    ],
)
def test_characters_that_have_no_token_are_no_end_of_an_answer(context: str, text: str, read: str, tmp_path: Path) -> None:
    """Blanks, and what BERT's normaliser drops; where a text is cut, an answer that goes on behind it is none."""
    folder = tiny_encoder(tmp_path, "bert", words=("it", "is", "lima", "in", "cafe", "so", ",", "."))
    tokenizer = load_encoder(EncoderSpec(name="tiny", source=lambda: str(folder))).tokenizer
    kind = Spans()
    label = kind.read_label(answer([text], [context.index(text)]), ("where?", context))
    instance = Instance(0, ("where?", context), label)
    (target,) = encode("task", kind, (), [instance], tokenizer, 40).targets
    start, end = (int(np.flatnonzero(target[:, 0] & bit)[0]) for bit in (START, END))
    assert context[target[start, 1] : target[end, 2]] == read
    (cut,) = encode("task", kind, (), [instance], tokenizer, 6).targets
    assert cut[0, 0] == MAY | START | END


def test_an_answer_that_is_cut_in_two_is_none(encoder: Encoder) -> None:
    whole = answer([CONTEXT[4:]], [4])
    (target,) = span_data(encoder, whole, length=200).targets
    assert int(np.flatnonzero(target[:, 0] & START)[0]) > 0
    (cut,) = span_data(encoder, whole, length=16).targets
    assert cut[0, 0] == MAY | START | END


def test_loss_of_answers_is_over_the_context_alone(encoder: Encoder) -> None:
    data = span_data(encoder, answer(["Lima"], [12]))
    _, targets = data.batch([0])
    logits = torch.randn(1, targets.shape[1], 2, generator=torch.Generator().manual_seed(0))
    sums, counts = data.type.loss(logits, targets)
    bits = targets[0, :, 0]
    places = torch.nonzero(bits & MAY)[:, 0].tolist()
    assert 0 in places
    assert len(places) < len(bits)
    expected = 0.0
    for column, bit in enumerate((START, END)):
        (true,) = (k for k, place in enumerate(places) if int(bits[place]) & bit)
        expected += float(nn.CrossEntropyLoss()(logits[:, places, column], torch.tensor([true])))
    assert float(sums[0]) == pytest.approx(expected, rel=1e-5)
    assert counts.tolist() == [2.0]


def test_predicted_answers_are_parts_of_the_context(encoder: Encoder) -> None:
    data = span_data(encoder, answer(["in Lima", "Lima"], [31, 34]), answer([], []))
    _, targets = data.batch([0, 1])
    logits = torch.zeros(2, targets.shape[1], 2)
    start, end = (int(((targets[0, :, 0] & bit) > 0).int().argmax()) for bit in (START, END))
    logits[0, start, 0] = logits[0, end, 1] = logits[1, 0, 0] = logits[1, 0, 1] = 5.0
    gold, predicted = answers(data, [0, 1], logits, targets)
    assert gold == [("in Lima", "Lima"), ()]
    assert predicted == ["in Lima", ""]
    assert METRICS["exact_match"](gold, predicted, ()) == METRICS["answer_f1"](gold, predicted, ()) == 1.0
    wrong_order = torch.zeros(2, targets.shape[1], 2)
    wrong_order[0, end, 0] = wrong_order[0, start, 1] = 5.0  # an end before its start is no span
    assert answers(data, [0, 1], wrong_order, targets)[1][0] != "in Lima"


def test_answers_are_compared_as_in_squad() -> None:
    gold = [("The Eiffel Tower", "Tower"), ("rome",), ()]
    assert METRICS["exact_match"](gold, ["eiffel tower!", "Rome", ""], ()) == 1.0
    assert METRICS["exact_match"](gold, ["a tower", "in Rome", "x"], ()) == pytest.approx(1 / 3)
    assert METRICS["answer_f1"](gold, ["Eiffel", "in Rome", "x"], ()) == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
