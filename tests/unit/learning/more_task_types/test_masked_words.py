"""Words that are masked in texts."""

import numpy as np
import pytest
import torch
from torch import nn

from gradts_engine.contracts import Instance
from gradts_engine.learning.batches import Encoded, encode
from gradts_engine.learning.encoders import Encoder
from gradts_engine.learning.task_types import IGNORED, MaskedLanguageModelling
from gradts_engine.learning.training import Dev, evaluate
from tests.unit.learning.more_task_types.made import with_head


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
    data = masked(encoder, *("the soup was " * count for count in (2, 4, 6)))
    model = with_head(encoder, data)
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
