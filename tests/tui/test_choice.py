"""A decision in the making: what is counted, toggled and shown."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from gradts_engine import events
from gradts_engine.report import Prediction, PrimaryResults, Ranked, count_kept
from gradts_engine.selection.strategies import keep_instances
from gradts_tui.choice import Choice, candidates, takes
from gradts_tui.widgets.candidates import columns, row

pytestmark = pytest.mark.anyio
PROPOSED = events.Proposed("rte", "d" * 64, {"mnli": 600, "qnli": 450})
ORDER = ["mnli", "qnli", "stsb", "mrpc"]
taus = st.lists(st.floats(-1, 1) | st.just(float("nan")), min_size=1, max_size=60).map(np.array)


@given(taus, st.floats(0.01, 1), st.floats(-1, 1))
def test_counts_are_those_of_the_engine(tau, keep, threshold):
    assert count_kept(tau, keep=keep) == len(keep_instances(tau, threshold=None, keep=keep))
    assert count_kept(tau, threshold=threshold) == len(keep_instances(tau, threshold=threshold, keep=1.0))


@given(st.lists(st.sampled_from(ORDER), max_size=8))
def test_toggling_twice_changes_nothing(names):
    choice = Choice.of(PROPOSED)
    for name in [*names, *reversed(names)]:
        choice = choice.toggled(name, ORDER)
    assert choice == Choice.of(PROPOSED)
    assert choice.command().auxiliaries is None


@given(st.lists(st.sampled_from(["m", "+", "-"]), max_size=60))
def test_whatever_is_moved_can_be_sent(keys):
    choice = Choice.of(PROPOSED)
    for key in keys:
        choice = choice.next_cut({}) if key == "m" else choice.moved(1 if key == "+" else -1)
    command = choice.command()
    assert (command.keep is None) + (command.threshold is None) >= 1


async def test_a_run_without_tau_shows_the_predictor_that_it_has(ui):
    app = ui("judged")
    shown = PrimaryResults(
        "accuracy",
        "probe",
        (Ranked("mnli", None, None, {"probe": Prediction(0.5, None, None, 1)}),),
        *[{}] * 2,
        *[()] * 2,
        *[None] * 3,
    )
    assert columns(shown, 80) == ("", "candidate", "#", "probe", "dev", "gain", "rows", "why")
    async with app.run_test(size=(80, 24)):
        (candidate,) = candidates(app.first.runs[0].view, "rte", shown.ranking)
        assert candidate.reason == "best trial"
        told = row(columns(shown, 80), candidate, (1, shown.ranking[0]), Text(), None, 600, 80)
        assert [str(cell) for cell in told[2:5]] == ["1", "0.5000", "0.6823"]


def test_what_a_training_takes_is_by_rows_where_trials_are_of_equal_epochs(ui):
    view = ui("waiting").first.runs[0].view
    assert takes(view, "rte", {"mnli": 600, "cola": 400}) == 93.0
    settings = view.started.settings | {"multitask": {"length": "epochs", "epochs": 5}}
    by_rows = replace(view, started=replace(view.started, settings=settings))
    rows = 240 + 840 + 1290 + 1590
    assert takes(by_rows, "rte", {"mnli": 600, "cola": 400}) == pytest.approx(372.0 / rows * 1240)
    assert takes(replace(view, trials={}), "rte", {}) is None


def test_a_gain_is_against_the_same_seed(ui):
    view = ui("waiting").first.runs[0].view
    first, *_ = view.trials["rte"]
    made = [
        replace(first, auxiliaries=of, score=score, repeat=repeat)
        for of, score, repeat in (({}, 0.5, 0), ({}, 0.75, 1), ({"mnli": 600}, 0.625, 0))
    ]
    (found,) = candidates(replace(view, trials={"rte": made}), "rte", (Ranked("mnli", 0.1, None),))
    assert found.trials[600].gain == 0.125
