"""Several labels, ranking, answers, masked words: the contract, and everything by hand or one instance at a time."""

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gradts_engine.contracts import Answer, EncoderSpec, Instance, TaskSpec
from gradts_engine.errors import ProblemsError
from gradts_engine.exported import load_model
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.learning.batches import Encoded, encode
from gradts_engine.learning.data import read_task
from gradts_engine.learning.embedding import mean_state
from gradts_engine.learning.encoders import Encoder, load_encoder
from gradts_engine.learning.export import export_model
from gradts_engine.learning.metrics import METRICS
from gradts_engine.learning.model import MultiTaskModel, make_head
from gradts_engine.learning.task_types import IGNORED, MaskedLanguageModelling, MultiLabel, Ranking, Spans
from gradts_engine.learning.task_types.spans import END, MAY, START
from gradts_engine.learning.training import Dev, answers, evaluate
from gradts_engine.scoring.importance import instance_importance
from gradts_engine.testing import TaskTypeContract, tiny_encoder

TYPES = load_catalog().task_types
GOOD, BAD, PLACES = "lovely nice fine dear".split(), "grim awful sad sour".split(), "rome paris oslo lima".split()
WORDS = (*GOOD, *BAD, *PLACES, *"the a soup was in to road where is it and".split())


def _labels(rng: random.Random) -> dict[str, Any]:
    chosen = {"good": GOOD, "bad": BAD, "place": PLACES}
    labels = [name for name in chosen if rng.random() < 0.5]
    words = ["the", "soup", *(rng.choice(chosen[name]) for name in labels)]
    return {"text": " ".join(words), "label": labels}


def _ranked(rng: random.Random) -> dict[str, Any]:
    candidates = [f"the soup was {rng.choice(BAD)}" for _ in range(rng.randint(1, 3))]
    best = rng.randint(0, len(candidates))
    candidates.insert(best, f"a {rng.choice(GOOD)} road")
    return {"query": "where is it", "candidates": candidates, "label": best}


def _span(rng: random.Random) -> dict[str, Any]:
    place = rng.choice(PLACES)
    context = f"{rng.choice(['the', 'a'])} road to {place}" + " and the soup" * rng.randint(0, 2)
    return {"question": "where", "context": context, "answers": {"text": [place], "answer_start": [context.index(place)]}}


def _masked(rng: random.Random) -> dict[str, Any]:
    return {"text": " ".join(["the soup was the soup was"] * rng.randint(1, 3))}


def rows(make: Any, count: int = 16) -> list[dict[str, Any]]:
    return [make(random.Random(i)) for i in range(count)]


class TestMultiLabel(TaskTypeContract):
    spec = TYPES["multi_label"]
    rows = rows(_labels)
    words = WORDS


class TestRanking(TaskTypeContract):
    spec = TYPES["ranking"]
    rows = rows(_ranked)
    text = ("query", "candidates")
    words = WORDS


class TestSpans(TaskTypeContract):
    spec = TYPES["span"]
    rows = rows(_span)
    text, label = ("question", "context"), "answers"
    words = WORDS
    steps = 120


class TestMasked(TaskTypeContract):
    spec = TYPES["masked_lm"]
    rows = rows(_masked)
    words = WORDS


CONTRACTS: Mapping[str, type[TaskTypeContract]] = {
    "multi_label": TestMultiLabel,
    "ranking": TestRanking,
    "span": TestSpans,
    "masked_lm": TestMasked,
}


@pytest.fixture(scope="module", params=["bert", "roberta"])
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    folder = tiny_encoder(tmp_path_factory.mktemp("encoder"), request.param, words=WORDS)
    return load_encoder(EncoderSpec(name="tiny", source=lambda: str(folder)))


def prepared(encoder: Encoder, name: str) -> tuple[MultiTaskModel, Encoded]:
    """In float64, so that only a wrong formula can make a difference."""
    contract = CONTRACTS[name]()
    contract.encoder = encoder
    data, module = contract.encoded, encoder.build().double()
    head = make_head(contract.type, module, encoder.hidden_size, data.labels, 0.0, seed=1).double()
    return MultiTaskModel(module, {"task": head}).eval(), data


@pytest.mark.parametrize("axis", ["output", "input"])
@pytest.mark.parametrize("name", CONTRACTS)
def test_importance_equals_gradients_of_single_instances(encoder: Encoder, name: str, axis: Any) -> None:
    model, data = prepared(encoder, name)
    sites = encoder.head_sites(model.encoder)
    found = instance_importance(model, data, sites, axis=axis, batch_tokens=150)
    for i in range(len(data)):
        inputs, targets = data.batch([i])
        model.zero_grad()
        sums, counts = data.type.loss(model("task", inputs), targets)
        (sums / counts).sum().backward()
        expected = np.zeros((2, 4))
        for layer, kinds in enumerate(sites.layers):
            for kind in ("key", "value"):
                weight: Any = model.encoder.get_submodule(kinds[kind].module).weight
                heads = weight.grad.chunk(4, 0 if axis == "output" else 1)
                expected[layer] += [float(head.abs().mean()) for head in heads]
        np.testing.assert_allclose(found[i], expected, rtol=1e-5, atol=1e-7 * expected.max())


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
    assert [kind.read_label(value, text) for value in (2, "1", [0.1, 0.7, 0.7], [0, 0, 1])] == ["2", "1", "1", "2"]
    for wrong in (3, -1, True, "x", None, [1, 2], ["a", "b", "c"], 0.5):
        with pytest.raises(ValueError, match="candidates"):
            kind.read_label(wrong, text)
    for values in (["q", "a"], ["q", ["a"]], ["q", None]):
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


# --- answers ---------------------------------------------------------------------------------------------------------

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


# --- masked words ----------------------------------------------------------------------------------------------------


def masked(encoder: Encoder, *texts: str) -> Encoded:
    return encode(
        "task", MaskedLanguageModelling(), (), [Instance(i, (t,), "") for i, t in enumerate(texts)], encoder.tokenizer, 64
    )


def test_what_is_masked_is_a_function_of_the_text(encoder: Encoder) -> None:
    long = "the soup was in rome and it was lovely " * 5
    one, two = masked(encoder, long, "a road"), masked(encoder, "a road", long)
    for name in one.inputs:
        assert np.array_equal(one.inputs[name][0], two.inputs[name][1])
    assert np.array_equal(one.targets[0], two.targets[1])
    plain = np.array(encoder.tokenizer([long])["input_ids"][0])
    chosen = np.flatnonzero(one.targets[0] != IGNORED)
    assert len(chosen) == round(0.15 * (len(plain) - 2))
    assert np.array_equal(one.targets[0][chosen], plain[chosen])
    same = np.flatnonzero(one.inputs["input_ids"][0] == plain)
    assert set(range(len(plain))) - set(same) <= set(chosen)
    assert len(np.flatnonzero(one.targets[1] != IGNORED)) == 1  # at least one, however short the text


def test_shares_of_masked_words(encoder: Encoder) -> None:
    data = masked(encoder, *(f"{i} soup in rome and it was lovely on the road to oslo" for i in range(1200)))
    ids = np.concatenate([np.asarray(i) for i in data.inputs["input_ids"]])
    targets = np.concatenate(list(data.targets))
    chosen = targets != IGNORED
    assert np.mean(ids[chosen] == encoder.tokenizer.mask_token_id) == pytest.approx(0.8, abs=0.03)
    assert np.mean(ids[chosen] == targets[chosen]) == pytest.approx(0.1, abs=0.02)


def test_masked_words_are_found_with_the_encoders_own_embeddings(encoder: Encoder) -> None:
    model, data = prepared(encoder, "masked_lm")
    head = model.head("task")
    table = model.encoder.get_input_embeddings().weight  # type: ignore[operator]
    assert all(parameter is not table for parameter in head.parameters())
    hidden = torch.randn(1, 3, encoder.hidden_size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    states = nn.functional.gelu(hidden @ head.dense.weight.T + head.dense.bias)  # type: ignore[union-attr, operator]
    states = (states - states.mean(-1, keepdim=True)) / (states.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(head(hidden), states @ table.T + head.bias)
    inputs, targets = data.batch([0, 1, 2])
    logits = model("task", inputs)
    sums, counts = data.type.loss(logits, targets)
    for i in range(3):
        expected = nn.CrossEntropyLoss(ignore_index=IGNORED)(logits[i].float(), targets[i])
        torch.testing.assert_close(sums[i] / counts[i], expected)
    assert 0.0 <= evaluate(model.float(), Dev(data, "masked_accuracy"), "cpu") <= 1.0


# --- a whole run, and what it leaves ---------------------------------------------------------------------------------


def test_rows_of_all_kinds_are_read_from_files(tmp_path: Path) -> None:
    for name, contract in CONTRACTS.items():
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in contract.rows))
        spec = TaskSpec(name=name, type=name, train=str(path), dev_fraction=0.2, text=contract.text, label=contract.label)
        data = read_task(spec, TYPES[name].load(), TYPES[name].metrics[0], {}, "stop", 0)
        assert len(data.splits["train"]) + len(data.splits["dev"]) == len(contract.rows)
        assert 0 < len(data.splits["dev"]) < len(data.splits["train"])
        assert data.digests["train"] == read_task(spec, TYPES[name].load(), "x", {}, "stop", 0).digests["train"]
    path.write_text('{"question": "x", "context": "y", "answers": {"text": ["\\ud800"], "answer_start": [0]}}\n')
    spec = TaskSpec(name="x", type="span", train=str(path), dev_fraction=0.2, text=("question", "context"), label="answers")
    with pytest.raises(ProblemsError, match=r":1: "):
        read_task(spec, Spans(), "x", {}, "stop", 0)


@pytest.mark.parametrize("name", ["multi_label", "ranking", "span", "masked_lm"])
def test_exported_models_compute_the_same(encoder: Encoder, name: str, tmp_path: Path) -> None:
    model, data = prepared(encoder, name)
    folder = tmp_path / "model"
    arguments: dict[str, Any] = {"word_level": False, "labels": data.labels, "max_length": 32, "folder": folder, "card": "# card"}
    native = export_model(encoder, model.float().encoder, model.head("task"), task=name, **arguments)
    assert native is (name != "masked_lm")
    inputs, _ = data.batch([0])
    with torch.no_grad():
        found: Tensor = load_model(folder)(**inputs).logits
        torch.testing.assert_close(found, model("task", inputs), rtol=1e-4, atol=1e-5)
    config, about = (json.loads((folder / file).read_text()) for file in ("config.json", "gradts.json"))
    assert about["task"] == name
    assert config.get("problem_type") == {"multi_label": "multi_label_classification"}.get(name)
    assert "regression" not in (folder / "config.json").read_text() + (folder / "gradts.json").read_text()


def test_a_task_type_that_lacks_inputs_or_a_head_is_named() -> None:
    class Half:
        """Neither `PlainInputs` nor `OwnInputs`, neither `PlainHead` nor `OwnHead`."""

    with pytest.raises(TypeError, match="Half has neither targets nor tokenise"):
        encode("t", Half(), (), [], None, 10)
    with pytest.raises(TypeError, match="Half has neither head nor head_on"):
        make_head(Half(), nn.Identity(), 4, (), 0.0, 0)
