"""States of what is labelled, against one pass an instance through the model as it comes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gradts_engine.contracts import EncoderSpec
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.learning.batches import encode
from gradts_engine.learning.data import read_task
from gradts_engine.learning.encoders import load_encoder
from gradts_engine.learning.states import labelled_states, why_unprobed
from gradts_engine.testing.tiny import tiny_encoder
from gradts_engine.testing.toy import TOY_WORDS, toy_tasks

TASKS = {spec.name: spec for spec in toy_tasks()}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    folder = str(tiny_encoder(tmp_path_factory.mktemp("tiny"), words=TOY_WORDS, num_hidden_layers=5))
    return load_encoder(EncoderSpec(name="tiny", source=lambda: folder))


def encoded(encoder, name):
    spec = TASKS[name]
    kind = load_catalog().task_types[spec.type].load()
    data = read_task(spec, kind, "", {}, "stop", 0)
    return encode(name, kind, data.labels, data.splits["dev"], encoder.tokenizer_for(kind.word_level), 32)


@pytest.mark.parametrize("name", ["mood", "pair", "stars", "tags"])
def test_states_are_of_the_upper_layers_row_by_row(encoder, name):
    data, model = encoded(encoder, name), encoder.build().eval()
    found = labelled_states(model, data, "cpu")
    values, targets = [], []
    for row in range(len(data)):
        inputs, goal = data.batch([row])
        with torch.no_grad():
            hidden = model(**inputs, output_hidden_states=True).hidden_states
        mean = (hidden[3] + hidden[4] + hidden[5])[0].numpy() / 3  # layers 3 to 5 of 5
        if name == "tags":
            marked = goal[0] != -100
            values += list(mean[marked])
            targets += goal[0][marked].tolist()
        else:
            values.append(mean.mean(0))
            targets.append(goal[0].item())
    np.testing.assert_allclose(found.values, values, atol=1e-5)
    np.testing.assert_array_equal(found.targets, np.array(targets, found.targets.dtype))
    assert found.rows.tolist() == sorted(found.rows)
    assert len(set(found.rows)) == len(data)


@pytest.mark.parametrize(("name", "most"), [("mood", 7), ("tags", 30), ("tags", 1)])
def test_a_limit_leaves_whole_instances_out(encoder, name, most):
    data, model = encoded(encoder, name), encoder.build()
    whole, found = labelled_states(model, data, "cpu"), labelled_states(model, data, "cpu", most)
    kept = np.isin(whole.rows, found.rows)
    np.testing.assert_array_equal(found.targets, whole.targets[kept])
    np.testing.assert_allclose(found.values, whole.values[kept], atol=1e-5)
    assert len(found.targets) <= most or len({*found.rows}) == 1
    assert most > 1 or len({*found.rows}) == 1


def test_types_without_labels_of_a_text_or_a_word_have_no_states(encoder):
    types = load_catalog().task_types
    unprobed = {name for name, spec in types.items() if why_unprobed(spec.load())}
    assert unprobed == {"ranking", "span", "masked_lm"}
    data = replace(encoded(encoder, "mood"), type=types["masked_lm"].load())
    found = labelled_states(encoder.build(), data, "cpu")
    assert (len(found.values), len(found.targets), len(found.rows)) == (0, 0, 0)
