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

from gradts_engine.contracts import EncoderSpec, TaskSpec
from gradts_engine.errors import ProblemsError
from gradts_engine.exported import load_model
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.learning.batches import Encoded, encode
from gradts_engine.learning.data import read_task
from gradts_engine.learning.encoders import Encoder, load_encoder
from gradts_engine.learning.export import export_model
from gradts_engine.learning.model import MultiTaskModel, make_head
from gradts_engine.learning.task_types import Spans
from gradts_engine.scoring.importance import instance_importance
from gradts_engine.testing import TaskTypeContract, tiny_encoder
from tests.unit.learning.more_task_types.made import BAD, GOOD, PLACES, WORDS, with_head

TYPES = load_catalog().task_types


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


def prepared(encoder: Encoder, name: str) -> tuple[MultiTaskModel, Encoded]:
    contract = CONTRACTS[name]()
    contract.encoder = encoder
    return with_head(encoder, contract.encoded), contract.encoded


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


def test_importance_of_queries_with_candidates_where_positions_go_through_the_same_projections(tmp_path: Path) -> None:
    """DeBERTa-v3 has the projections of keys read relative positions too, once for all sequences."""
    folder = tiny_encoder(tmp_path, "deberta-v2", words=WORDS, share_att_key=True)
    encoder = load_encoder(EncoderSpec(name="tiny", source=lambda: str(folder)))
    test_importance_equals_gradients_of_single_instances(encoder, "ranking", "output")


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
