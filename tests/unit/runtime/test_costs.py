"""Costs: operations against those that torch counts, steps against those of plans, and what becomes of a pace."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertModel

from gradts_engine.config import MultitaskSettings, ScoringSettings, TrainingSettings
from gradts_engine.contracts import Auxiliary
from gradts_engine.events import RunStarted
from gradts_engine.learning.batches import plan_epochs
from gradts_engine.runtime.costs import operations, steps
from gradts_engine.runtime.facts import Facts, TaskFacts
from gradts_engine.runtime.jobs import Align, Embed, Part, Score, States, Trial, Tune
from gradts_engine.runtime.paces import FEW, MARGIN, Size, learnt, seconds
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


def test_steps_are_those_that_a_plan_has():
    rows = {"a": 8, "b": 40}
    for accumulation in (1, 3):
        training = FACTS.training.model_copy(update={"accumulation": accumulation})
        multitask = MultitaskSettings(epochs=2, batch_size=3, accumulation=accumulation, length="epochs", precision="fp32")
        facts = replace(FACTS, training=training, multitask=multitask)
        for task, count in rows.items():
            plan = plan_epochs({task: np.full(count, LENGTH)}, epochs=3, batch_size=4, accumulation=accumulation, seed=0)
            assert steps(Tune(task=task), facts) == sum(map(len, plan))
        lengths = {"a": np.full(8, LENGTH), "b": np.full(4, LENGTH)}
        plan = plan_epochs(lengths, epochs=2, batch_size=3, accumulation=accumulation, seed=0)
        assert steps(Trial(primary="a", auxiliaries=(Auxiliary("b", (1, 2, 3, 4)),)), facts) == sum(map(len, plan))
    assert steps(Trial(primary="a", auxiliaries=(Auxiliary("b"),)), FACTS) == 5
    assert steps(Part(task="b", share=0.5), FACTS) == 12  # 30 of 40 rows are not held out: 8 steps an epoch, 24 in all
    assert steps(Part(task="a", share=0.01), FACTS) == 1
    assert {steps(job, FACTS) for job in (Embed(task="a"), Score(task="a"), States(task="a"))} == {0}


def view(jobs, stage="embed", encoder="minilm", device="cpu", **precision) -> RunView:
    """A run with jobs of so many operations and steps, that took so many seconds."""
    started = RunStarted("r", "c", encoder, (), (), (device,), {}, {}, precision={"training": "fp32"} | precision)
    done = enumerate(jobs)
    stages = {
        str(i): Stage("done", str(i), stage, operations=n, steps=steps, seconds=s, computed=True) for i, (n, steps, s) in done
    }
    return RunView(started=started, stages={**stages, "found": Stage("cached", "found", stage, operations=1.0)})


def pace(*views):
    """Of the only stage that they have."""
    (found,) = learnt(views, "minilm", "cpu", {"training": "fp32"}).values()
    return found


def test_a_pace_is_that_of_the_same_encoder_device_and_format():
    paces = np.linspace(1.0, 5.0, 21)
    wrong = [(1e6, 0, 99e6)]
    others = [view(wrong, encoder="other"), view(wrong, device="cuda:0"), view(wrong, training="bf16"), RunView()]
    uncounted = view(wrong, "tune")
    found = pace(view([(1e6, 0, pace * 1e6) for pace in paces]), *others, uncounted).seconds(Size(1.0))
    assert (found.low, found.middle, found.high) == pytest.approx(tuple(np.quantile(paces, [0.1, 0.5, 0.9])))
    few = pace(view([(1e6, 0, 2e6)] * (FEW - 1))).seconds(Size(1.0))
    assert (few.low, few.middle, few.high) == pytest.approx((2 * (1 - MARGIN), 2, 2 * (1 + MARGIN)))


def test_what_jobs_take_to_begin_and_end_does_not_grow_with_their_size():
    """Of jobs of different sizes, each up to a tenth longer or shorter than that."""
    rng = np.random.default_rng(0)
    counts = rng.uniform(1e9, 20e9, 60)
    found = pace(view((n, 0, (3 + 2e-9 * n) * rng.uniform(0.9, 1.1)) for n in counts))
    for many in (1e9, 1e11):
        told = found.seconds(Size(many))
        assert told.middle == pytest.approx(3 + 2e-9 * many, rel=0.1)
        assert told.low <= 0.7 * told.middle <= 1.3 * told.middle <= told.high
    alike = pace(view([(1e9, 0, 5.0), (1.5e9, 0, 5.1)]))  # too near each other to tell
    assert alike.seconds(Size(3e9)).middle == pytest.approx(3e9 * np.median([5e-9, 3.4e-9]))


def test_a_step_takes_its_time_however_few_texts_it_is_for():
    """Of trainings on short and on long texts, each up to a tenth longer or shorter than that."""
    rng = np.random.default_rng(0)
    sizes = [(each * steps, steps) for steps, each in zip(rng.integers(10, 200, 60), rng.uniform(5e9, 50e9, 60), strict=True)]
    found = pace(view([(n, m, (2 + 1e-11 * n + 0.1 * m) * rng.uniform(0.9, 1.1)) for n, m in sizes], "trial"))
    for n, m in ((1e11, 20), (1e13, 2000), (1e13, 200)):
        assert found.seconds(Size(n, m)).middle == pytest.approx(2 + 1e-11 * n + 0.1 * m, rel=0.1)


def test_what_jobs_cannot_tell_apart_has_equal_shares():
    """Four trainings that took as long, in as many steps: by itself each of these explains all of it."""
    alike = pace(view([(1e9, 10, 6.0)] * 4, "tune"))
    assert alike.seconds(Size(1e9, 10)).middle == pytest.approx(6)
    assert alike.seconds(Size(2e9, 10)).middle == alike.seconds(Size(1e9, 20)).middle == pytest.approx(9)
    apart = pace(view([(1e9, 10, 6.0), (4e9, 10, 6.0)], "tune"))  # no operation takes anything: half each to the others
    assert apart.seconds(Size(1e9, 20)).middle == pytest.approx(9, rel=0.05)


def test_no_job_is_told_to_take_less_than_nothing():
    shrinking = pace(view([(1e9, 0, 5.0), (2e9, 0, 4.0), (4e9, 0, 3.0)]))
    assert 3 >= shrinking.start >= 0 <= shrinking.each
    steep = pace(view([(1e9, 0, 1.0), (2e9, 0, 4.0), (4e9, 0, 16.0)]))
    assert steep.start >= 0 < steep.each
    for found in (shrinking, steep):
        assert np.isfinite([found.start, found.each, found.step, found.low, found.high]).all()


def test_a_stage_without_a_pace_takes_that_of_a_like_one():
    paces = learnt([view([(1e6, 2, 2e6)], "tune")], "minilm", "cpu", {"training": "fp32"})
    for job in (Tune(task="a"), Trial(primary="a"), Score(task="a"), Embed(task="a")):
        assert seconds(job, paces, Size(10.0, 1)).middle == pytest.approx(5e5 + 10)
    assert seconds(Tune(task="a"), {}, Size(10.0)) is None
