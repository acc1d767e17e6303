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


def view(jobs, encoder="minilm", device="cpu", **precision) -> RunView:
    """A run whose tunings had so many operations, and took so many seconds."""
    started = RunStarted("r", "c", encoder, (), (), (device,), {}, {}, precision={"training": "fp32"} | precision)
    stages = {str(i): Stage("done", str(i), "tune", seconds=s, operations=n) for i, (n, s) in enumerate(jobs)}
    return RunView(started=started, stages={**stages, "found": Stage("cached", "found", "tune", operations=1.0)})


def tuned(*views):
    """The pace of tunings."""
    return learnt(views, "minilm", "cpu", {"training": "fp32"})["tune"]


def test_a_pace_is_that_of_the_same_encoder_device_and_format():
    paces = np.linspace(1.0, 5.0, 21)
    wrong = [(1e6, 99e6)]
    others = [view(wrong, encoder="other"), view(wrong, device="cuda:0"), view(wrong, training="bf16"), RunView()]
    found = tuned(view([(1e6, pace * 1e6) for pace in paces]), *others).seconds(1.0)
    assert (found.low, found.middle, found.high) == pytest.approx(tuple(np.quantile(paces, [0.1, 0.5, 0.9])))
    few = tuned(view([(1e6, 2e6)] * (FEW - 1))).seconds(1.0)
    assert (few.low, few.middle, few.high) == pytest.approx((2 * (1 - MARGIN), 2, 2 * (1 + MARGIN)))


def test_what_jobs_take_to_begin_and_end_does_not_grow_with_their_size():
    """Of jobs of different sizes, each up to a tenth longer or shorter than that."""
    rng = np.random.default_rng(0)
    counts = rng.uniform(1e9, 20e9, 60)
    found = tuned(view((n, (3 + 2e-9 * n) * rng.uniform(0.9, 1.1)) for n in counts))
    for many in (1e9, 1e11):
        told = found.seconds(many)
        assert told.middle == pytest.approx(3 + 2e-9 * many, rel=0.1)
        assert told.low <= 0.7 * told.middle <= 1.3 * told.middle <= told.high
    alike = tuned(view([(1e9, 5.0), (1.5e9, 5.1)]))  # too near each other to tell
    assert alike.seconds(3e9).middle == pytest.approx(3e9 * np.median([5e-9, 3.4e-9]))


def test_no_job_is_told_to_take_less_than_nothing():
    shrinking = tuned(view([(1e9, 5.0), (2e9, 4.0), (4e9, 3.0)]))
    assert shrinking.start >= 0 <= shrinking.each
    steep = tuned(view([(1e9, 1.0), (2e9, 4.0), (4e9, 16.0)]))
    assert steep.start >= 0 < steep.each


def test_a_stage_without_a_pace_takes_that_of_a_like_one():
    paces = learnt([view([(1e6, 2e6)])], "minilm", "cpu", {"training": "fp32"})
    for job in (Tune(task="a"), Trial(primary="a"), Score(task="a"), Embed(task="a")):
        assert seconds(job, paces, 10.0).middle == pytest.approx(20.0)
    assert seconds(Tune(task="a"), {}, 10.0) is None
