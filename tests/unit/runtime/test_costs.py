"""Costs: operations against those that torch counts, and what becomes of a pace."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertModel

from gradts_engine.config import MultitaskSettings, ScoringSettings, TrainingSettings
from gradts_engine.contracts import Auxiliary
from gradts_engine.events import RunStarted
from gradts_engine.runtime.costs import FEW, MARGIN, learnt, operations, seconds
from gradts_engine.runtime.facts import Facts, TaskFacts
from gradts_engine.runtime.jobs import Align, Embed, Part, Score, States, Trial, Tune
from gradts_engine.runtime.view import RunView, Stage

LAYERS, HIDDEN, LENGTH = 3, 64, 20
SIZES = {"a": {"train": 8, "dev": 4}, "b": {"train": 40, "dev": 4}}
FACTS = Facts(
    seed=0,
    max_length=32,
    training=TrainingSettings(epochs=3, batch_size=4, precision="fp32"),
    multitask=MultitaskSettings(epochs=2, batch_size=4, accumulation=2, steps=5, precision="fp32"),
    scoring=ScoringSettings(),
    encoder="e",
    encoder_version=1,
    tasks={name: TaskFacts("classification", "accuracy", sizes, {}) for name, sizes in SIZES.items()},
)


def cost(job, facts=FACTS) -> float:
    return operations(job, facts, lambda task: LENGTH, LAYERS, HIDDEN)


@pytest.fixture(scope="module")
def counted() -> tuple[float, float]:
    """What torch counts of an instance: forward, and forward and backward."""
    shape = {"num_hidden_layers": LAYERS, "hidden_size": HIDDEN, "intermediate_size": 4 * HIDDEN, "num_attention_heads": 4}
    model = BertModel(BertConfig(**shape, vocab_size=50), add_pooling_layer=False)
    counts = []
    for backward in (False, True):
        with FlopCounterMode(display=False) as counter:
            states = model(input_ids=torch.ones(1, LENGTH, dtype=torch.long)).last_hidden_state
            if backward:
                states.sum().backward()
        counts.append(float(counter.get_total_flops()))
    return counts[0], counts[1]


def test_operations_are_those_that_torch_counts(counted):
    forward, both = counted
    assert cost(Embed(task="a")) == pytest.approx(8 * forward, rel=0.02)
    assert cost(States(task="b", tuned="a")) == pytest.approx(40 * forward, rel=0.02)
    assert cost(Tune(task="a")) == pytest.approx(3 * (8 * both + 4 * forward), rel=0.05)
    assert cost(Part(task="a", share=0.5)) == pytest.approx(1.5 * 6 * both + 2 * 3 * forward, rel=0.05)
    assert cost(Align(task="b", primary="a", share=0.5)) == pytest.approx(40 * 3 * forward, rel=0.05)


def test_trials_of_a_primary_cost_the_same_at_equal_steps():
    alone = cost(Trial(primary="a"))
    assert alone == cost(Trial(primary="a", auxiliaries=(Auxiliary("b"),)))  # texts are equally long here
    assert alone == pytest.approx(cost(Embed(task="a")) / 8 * (3 * 5 * 2 * 4 + 2 * 4))
    epochs = replace(FACTS, multitask=MultitaskSettings(epochs=2, length="epochs", precision="fp32"))
    assert cost(Trial(primary="a", auxiliaries=(Auxiliary("b"),)), epochs) > 4 * cost(Trial(primary="a"), epochs)


def test_the_pass_costs_less_than_an_epoch_of_training():
    assert cost(Embed(task="b")) < cost(Score(task="b")) < cost(Tune(task="b")) / 3


def view(paces, encoder="minilm", device="cpu", **precision) -> RunView:
    started = RunStarted("r", "c", encoder, (), (), (device,), {}, {}, precision={"training": "fp32"} | precision)
    stages = {str(i): Stage("done", str(i), "tune", seconds=p * 1e6, operations=1e6) for i, p in enumerate(paces)}
    return RunView(started=started, stages={**stages, "found": Stage("cached", "found", "tune", operations=1.0)})


def test_a_pace_is_that_of_the_same_encoder_device_and_format():
    paces = np.linspace(1.0, 5.0, 21)
    others = [view([99.0], encoder="other"), view([99.0], device="cuda:0"), view([99.0], training="bf16"), RunView()]
    pace = learnt([view(paces), *others], "minilm", "cpu", {"training": "fp32"})["tune"]
    assert (pace.low, pace.middle, pace.high) == pytest.approx(tuple(np.quantile(paces, [0.1, 0.5, 0.9])))
    few = learnt([view([2.0] * (FEW - 1))], "minilm", "cpu", {"training": "fp32"})["tune"]
    assert (few.low, few.middle, few.high) == pytest.approx((2 * (1 - MARGIN), 2, 2 * (1 + MARGIN)))


def test_a_stage_without_a_pace_takes_that_of_a_like_one():
    pace = learnt([view([2.0])], "minilm", "cpu", {"training": "fp32"})
    for job in (Tune(task="a"), Trial(primary="a"), Score(task="a"), Embed(task="a")):
        assert seconds(job, pace, 10.0).middle == pytest.approx(20.0)
    assert seconds(Tune(task="a"), {}, 10.0) is None
