"""Importance and states on a GPU are those of a CPU."""

import copy

import numpy as np
import pytest
import torch

from gradts_engine.learning.embedding import mean_state
from gradts_engine.learning.model import MultiTaskModel, make_head
from gradts_engine.learning.states import labelled_states
from gradts_engine.scoring.importance import GradientPass
from tests.gpu.made import long_texts, memory, split

KINDS = ("mood", "pair", "stars", "tags")


def made(encoder, data, dropout=0.1):
    module = encoder.build()
    return MultiTaskModel(module, {data.task: make_head(data.type, module, encoder.hidden_size, data.labels, dropout, 0)})


def plain(encoder, model, data, heads=4):
    """Importance [N, L, H] by the definition: float64, on a CPU, an instance at a time, from the gradients of the weights."""
    model = copy.deepcopy(model).double().eval()
    found = []
    for row in range(len(data)):
        inputs, targets = data.batch([row])
        model.zero_grad()
        sums, counts = data.type.loss(model(data.task, inputs), targets)
        (sums / counts).sum().backward()
        layers = [layer.attention.self for layer in model.encoder.encoder.layer]
        weights = [[self.key.weight.grad, self.value.weight.grad] for self in layers]
        found.append([sum(w.abs().view(heads, -1).mean(1) for w in pair).tolist() for pair in weights])
    return np.array(found)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 5e-5), ("bf16", 0.05)])
def test_importance_is_that_of_a_plain_loop(device, encoder, kind, precision, tolerance):
    data = split(encoder, kind)
    model = made(encoder, data)
    expected = plain(encoder, model, data)
    passing = GradientPass(model, data, encoder.head_sites(model.encoder), device=device, precision=precision)
    np.testing.assert_allclose(passing.importance(), expected, rtol=0, atol=tolerance * expected.max())


def test_importance_is_the_same_bytes_each_time(device, encoder):
    data = split(encoder, "pair")
    model = made(encoder, data)
    passing = GradientPass(model, data, encoder.head_sites(model.encoder), device=device)
    assert passing.importance().tobytes() == passing.importance().tobytes()


def test_importance_makes_smaller_batches_where_memory_is_short(gpu, wide):
    data = long_texts(wide, 64)
    model = made(wide, data)
    sites = wide.head_sites(model.encoder)
    whole = GradientPass(model, data, sites, device=gpu, batch_tokens=128 * 64)
    torch.cuda.reset_peak_memory_stats(gpu)
    held = torch.cuda.memory_allocated(gpu)
    expected = whole.importance()
    needed = torch.cuda.max_memory_allocated(gpu) - held
    whole.gradients.buffers.clear()
    short = GradientPass(model, data, sites, device=gpu, batch_tokens=128 * 64)
    with memory(gpu, needed // 2):
        found = short.importance()
    assert short.batch_tokens < 128 * 64
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * expected.max())


def test_the_probe_knows_how_much_memory_is_free(gpu, wide):
    data = long_texts(wide, 8)
    model = made(wide, data)
    sites = wide.head_sites(model.encoder)
    roomy = GradientPass(model, data, sites, device=gpu).batch_tokens
    held = torch.empty(int(0.97 * torch.cuda.mem_get_info(gpu)[0]), dtype=torch.uint8, device=gpu)
    tight = GradientPass(model, data, sites, device=gpu).batch_tokens
    del held
    torch.cuda.empty_cache()
    assert 500 <= tight <= roomy == 16_000


@pytest.mark.parametrize("kind", KINDS)
def test_states_are_those_of_a_cpu(device, encoder, kind):
    data = split(encoder, kind)
    here, there = (labelled_states(encoder.build(), data, where) for where in ("cpu", device))
    np.testing.assert_allclose(there.values, here.values, atol=1e-5)
    np.testing.assert_array_equal(there.targets, here.targets)
    np.testing.assert_array_equal(there.rows, here.rows)
    np.testing.assert_allclose(mean_state(encoder.build(), data, device), mean_state(encoder.build(), data, "cpu"), atol=1e-5)
