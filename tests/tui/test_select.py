"""Deciding on a proposal, and the keys that reach an engine. Commands go into the run's real inbox."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradts_engine import events
from gradts_engine.errors import RunError
from gradts_engine.report import Prediction, PrimaryResults, Ranked, count_kept
from gradts_engine.runtime.inbox import Cancel, Confirm, Pause, Resume, read
from gradts_engine.runtime.store import RunFolder
from gradts_engine.selection.strategies import keep_instances
from gradts_tui import engines
from gradts_tui.choice import Choice, candidates, takes
from gradts_tui.screens.ask import Ask
from gradts_tui.screens.select import Select
from gradts_tui.state import advance
from gradts_tui.widgets.candidates import columns, row
from tests.tui.conftest import approve, screen_text, settle
from tests.tui.invented import RUN

pytestmark = pytest.mark.anyio
PROPOSED = events.Proposed("rte", "d" * 64, {"mnli": 600, "qnli": 450})
ORDER = ["mnli", "qnli", "stsb", "mrpc"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def open_select(ui, tmp_path, monkeypatch):
    """An app on the Select screen of a run whose inbox is this test's own, and a list of what was launched."""

    async def opened(pilot_of, phase="waiting", **options):
        app = ui(phase, **options)
        path = tmp_path / RUN
        shutil.rmtree(path, ignore_errors=True)
        (path / "inbox").mkdir(parents=True)
        app.first = replace(app.first, runs=(replace(app.first.runs[0], path=path),))
        return app

    return opened


@pytest.fixture
def launched(monkeypatch):
    """What `launch` was called with, in place of an engine."""
    calls = []

    def launch(config, store, *, say):
        calls.append((config, store))
        say("reading 8 tasks")
        return engines_launched

    engines_launched = type("Launched", (), {"run": RUN})()
    monkeypatch.setattr(engines, "launch", launch)
    return calls


async def select(app, pilot, *keys):
    app.show(app.first)
    await settle(app, pilot)
    for key in ("4", *keys):
        await pilot.press(key)
        await settle(app, pilot)
    await app.workers.wait_for_complete()
    await settle(app, pilot)
    return app.screen


def told(app):
    """What the app has notified of."""
    return " | ".join(notification.message for notification in app._notifications)


def inbox(tmp_path):
    return [command for _, command in read(RunFolder(tmp_path / RUN).inbox)]


def same(sent, expected):
    return [command.model_dump(exclude={"id"}) for command in sent] == [c.model_dump(exclude={"id"}) for c in expected]


async def test_a_proposal_is_confirmed_as_it_is(open_select, launched, tmp_path):
    app = await open_select(None)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        page = await select(app, pilot)
        assert isinstance(page, Select)
        approve("select-waiting.txt", screen_text(app))
        await pilot.press("enter")
        await settle(app, pilot)
        approve("select-ask.txt", screen_text(app))
        assert inbox(tmp_path) == []
        await pilot.press("escape")
        await settle(app, pilot)
        assert inbox(tmp_path) == []
        assert launched == []
        await pilot.press("enter", "enter")
        await settle(app, pilot)
        await app.workers.wait_for_complete()
        await settle(app, pilot)
        digest = app.first.runs[0].view.proposals["rte"].digest
        assert same(inbox(tmp_path), [Confirm(primary="rte", digest=digest)])
        assert [str(config) for config, _ in launched] == ["/home/ada/experiments/glue.toml"]


async def test_an_edited_selection(open_select, launched, tmp_path):
    app = await open_select(None)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await select(app, pilot, "space", "down", "down", "space")
        assert "against the proposal: + stsb, - mnli" in screen_text(app)
        approve("select-edited.txt", screen_text(app))
        await pilot.press("d")
        await settle(app, pilot)
        assert "Against the proposal: + stsb, - mnli" in told(app)
        await pilot.press("enter", "y")
        await settle(app, pilot)
        await app.workers.wait_for_complete()
        (command,) = inbox(tmp_path)
        assert command.auxiliaries == ("qnli", "stsb")
        await pilot.press("4", "a")
        await settle(app, pilot)
        assert app.screen.choices["rte"].as_proposed


async def test_share_and_threshold_move_the_counts_at_once(open_select, launched, tmp_path):
    app = await open_select(None, strategy="fine-grained")
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        page = await select(app, pilot)
        assert "mnli (300), qnli (225)" in screen_text(app)
        await pilot.press("m")
        await settle(app, pilot)
        await pilot.press("left_square_bracket", "left_square_bracket")
        await settle(app, pilot)
        assert page.choices["rte"].words() == "the 40% nearest"
        assert "mnli (240), qnli (180)" in screen_text(app)
        await pilot.press("m", "right_square_bracket")
        await settle(app, pilot)
        assert page.choices["rte"].words() == "tau >= 0.32"
        tau = app.desk.evidence.instance_tau(app.first.runs[0], "rte")
        assert f"mnli ({np.count_nonzero(tau['mnli'] >= 0.32)})" in screen_text(app)
        await pilot.press("enter", "enter")
        await settle(app, pilot)
        await app.workers.wait_for_complete()
        (command,) = inbox(tmp_path)
        assert (command.auxiliaries, command.keep, command.threshold) == (None, None, 0.32)


async def test_a_proposal_that_changed_meanwhile_is_not_confirmed(open_select, launched, tmp_path):
    app = await open_select(None)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        page = await select(app, pilot, "space")
        await pilot.press("enter")
        await settle(app, pilot)
        assert isinstance(app.screen, Ask)
        run = app.first.runs[0]
        other = advance(run, [(run.seq + 1, run.view.last, events.Proposed("rte", "e" * 64, {"cola": 400}))])
        app.desk.snapshot = replace(app.first, runs=(other,))
        await pilot.press("enter")
        await settle(app, pilot)
        assert inbox(tmp_path) == []
        assert "Not sent: the proposal has changed meanwhile" in told(app)
        app.show(app.desk.snapshot)
        await settle(app, pilot)
        assert page.choices["rte"].names == ("cola",)
        assert "your changes to the earlier one are dropped" in told(app)


async def test_a_refusal_of_the_engine_is_explained(open_select, launched, tmp_path):
    app = await open_select(None)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await select(app, pilot, "enter", "enter")
        await app.workers.wait_for_complete()
        (command,) = inbox(tmp_path)
        run = app.first.runs[0]
        answer = events.CommandAnswered("confirm", command.id, False, "it answers another proposal than the present one")
        app.show(replace(app.first, runs=(advance(run, [(run.seq + 1, run.view.last, answer)]),)))
        await settle(app, pilot)
        assert "refused: it answers another proposal" in told(app)


async def test_nothing_can_be_confirmed_in_a_store_that_cannot_be_written(open_select, launched, tmp_path):
    app = await open_select(None)
    app.first = replace(app.first, writable=False)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await select(app, pilot, "enter")
        assert not isinstance(app.screen, Ask)
        assert "for looking only" in told(app)
        assert inbox(tmp_path) == []


async def test_a_command_that_cannot_be_written_is_told(open_select, launched, tmp_path):
    app = await open_select(None)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await select(app, pilot, "enter")
        shutil.rmtree(tmp_path / RUN / "inbox")
        await pilot.press("enter")
        await settle(app, pilot)
        await app.workers.wait_for_complete()
        await settle(app, pilot)
        assert "confirmation of rte: not sent: " in told(app)
        assert launched == []


async def test_what_was_confirmed_is_shown(ui):
    app = ui("done")
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await select(app, pilot)
        approve("select-done.txt", screen_text(app))


async def test_a_confirmed_edit_stands_there_and_later_edits_say_that_they_are_not_confirmed(ui):
    app = ui("waiting")
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        page = await select(app, pilot, "space")  # without mnli
        run = app.first.runs[0]
        decision = events.Confirmed("rte", run.view.proposals["rte"].digest, {"qnli": 450}, "person")
        app.show(replace(app.first, runs=(advance(run, [(run.seq + 1, run.view.last + 1, decision)]),)))
        await settle(app, pilot)
        assert "confirmed by person: qnli (450)" in screen_text(app)
        assert "not confirmed" not in screen_text(app)
        assert "[ ]  mnli" in screen_text(app)
        await pilot.press("a")
        await settle(app, pilot)
        text = screen_text(app)
        assert "confirmed by person: qnli (450)" in text
        assert "not confirmed: Enter trains again" in text
        assert "chosen: mnli (600), qnli (450)" in text
        await pilot.press("u")
        await settle(app, pilot)
        assert "not confirmed" not in screen_text(app)
        await pilot.press("u")
        await settle(app, pilot)
        assert page.choices["rte"].as_proposed
        assert not page.check_action("undo", ())


async def test_a_decision_from_elsewhere_is_shown_where_nothing_was_edited(ui):
    app = ui("waiting")
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await select(app, pilot)
        run = app.first.runs[0]
        decision = events.Confirmed("rte", run.view.proposals["rte"].digest, {"stsb": 350}, "person")
        app.show(replace(app.first, runs=(advance(run, [(run.seq + 1, run.view.last + 1, decision)]),)))
        await settle(app, pilot)
        assert "confirmed by person: stsb (350)" in screen_text(app)
        assert "[x]  stsb" in screen_text(app)
        assert "not confirmed" not in screen_text(app)


async def test_a_score_is_shown_with_the_rows_that_it_was_measured_with(ui):
    app = ui("waiting", strategy="fine-grained")
    run = app.first.runs[0]
    cut = events.TrialScored("rte", {"mnli": 300}, 0.7111, "f" * 64)
    run = advance(run, [(run.seq + 1, run.view.last, cut)])
    rows = {c.name: c for c in candidates(run.view, "rte", [Ranked("mnli", 0.6, None), Ranked("qnli", 0.5, None)])}
    assert {count: round(t.gain, 4) for count, t in rows["mnli"].trials.items()} == {600: 0.0578, 300: 0.0866}
    assert rows["mnli"].tried(300).score == 0.7111
    assert rows["mnli"].tried(123).instances == 600
    app.first = replace(app.first, runs=(run,))
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await select(app, pilot)
        text = screen_text(app)
        assert next(line for line in text.splitlines() if "mnli" in line).split()[4:7] == ["0.7111", "+0.0866", "300"]
        assert next(line for line in text.splitlines() if "qnli" in line).split()[4:7] == ["0.7004", "at", "450"]


async def test_before_there_is_anything_to_select(ui):
    app = ui("running")
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await select(app, pilot)
        assert "Nothing yet: candidates are ranked once all are scored" in screen_text(app)


# --- commands -------------------------------------------------------------------------------------------------------


async def test_pause_resume_and_stop(open_select, tmp_path):
    app = await open_select(None, "trials")
    async with app.run_test(size=(80, 24)) as pilot:
        app.show(app.first)
        await settle(app, pilot)
        await pilot.press("p")
        await app.workers.wait_for_complete()
        assert same(inbox(tmp_path), [Pause()])
        run = app.first.runs[0]
        app.show(replace(app.first, runs=(replace(run, state="paused"),)))
        await settle(app, pilot)
        await pilot.press("p")
        await app.workers.wait_for_complete()
        assert same(inbox(tmp_path), [Pause(), Resume()])
        await pilot.press("X")
        await settle(app, pilot)
        approve("stop.txt", screen_text(app))
        await pilot.press("enter")  # not by accident
        await pilot.press("escape")
        await app.workers.wait_for_complete()
        assert len(inbox(tmp_path)) == 2
        await pilot.press("X", "y")
        await app.workers.wait_for_complete()
        assert same(inbox(tmp_path)[2:], [Cancel()])
        assert app.source.woken == 3


async def test_going_on_with_a_run_that_died(open_select, launched):
    app = await open_select(None, "running")
    app.first = replace(app.first, runs=(replace(app.first.runs[0], engine="", state="died"),))
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        app.show(app.first)
        await settle(app, pilot)
        await pilot.press("p", "X")  # there is no engine to ask
        assert not isinstance(app.screen, Ask)
        await pilot.press("c")
        await app.workers.wait_for_complete()
        assert len(launched) == 1


async def test_an_engine_that_cannot_start_says_why(open_select, monkeypatch):
    def launch(config, store, *, say):
        raise RunError("run glue-5f3a91c7 is already being worked on: process 4711 on gpu7")

    monkeypatch.setattr(engines, "launch", launch)
    app = await open_select(None, "interrupted")
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        app.show(app.first)
        await settle(app, pilot)
        await pilot.press("c")
        await app.workers.wait_for_complete()
        await settle(app, pilot)
        assert "already being worked on" in told(app)


# --- a choice -------------------------------------------------------------------------------------------------------

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


async def test_what_the_app_notifies_of_cannot_reach_the_terminal(open_select):
    app = await open_select(None)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        app.complain("a\x1b[2J\u202e[red]b\nc")
        await settle(app, pilot)
        assert "a\\x1b[2J\\u202e[red]b\nc" in told(app)
        assert "\x1b[2J" not in screen_text(app)


# --- what the engine gives ------------------------------------------------------------------------------------------


async def test_predictors_and_verdicts_stand_beside_tau_dev_and_gain(ui):
    app = ui("judged")
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await select(app, pilot)
        head, line = (next(x for x in screen_text(app).splitlines() if word in x) for word in ("candidate", "[x]  mnli"))
        assert head.split()[:8] == ["candidate", "#", "tau", "main-effect", "dev", "gain", "verdict", "rows"]
        assert line.split()[2:8] == ["5", "0.6204", "0.0414", "0.6823", "+0.0578", "helps"]
        assert "fresh seeds: helps +5.2 points (95%: +2.1 to +8.3)" in screen_text(app)  # of both together
        await pilot.resize_terminal(200, 60)
        await settle(app, pilot)
        line = next(x for x in screen_text(app).splitlines() if "[x]  mnli" in x)
        assert "helps +4.1 points (95%: +1.2 to +6.9)" in line
        assert line.count("\N{PLUS-MINUS SIGN}") == 2  # of main-effect and of probe
        assert "probe" in screen_text(app)


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
        told = row(columns(shown, 80), candidate, (1, shown.ranking[0]), None, None, 600, 80)
        assert [str(cell) for cell in told[2:5]] == ["1", "0.5000", "0.6823"]


async def test_the_dialog_says_what_was_never_tried_together_and_what_it_costs(open_select, launched):
    app = await open_select(None)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await select(app, pilot, "enter")
        assert "Tried like this: dev 0.7004, +0.0759 against rte alone" in screen_text(app)
        await pilot.press("escape", "down", "down", "space", "enter")
        await settle(app, pilot)
        text = screen_text(app)
        assert "Never tried together" in text
        assert "takes about 1m 33s, as its trials took" in text  # mean of 91.5, 92.5, 93.5 and 94.5 seconds


def test_what_a_training_takes_is_by_rows_where_trials_are_of_equal_epochs(ui):
    view = ui("waiting").first.runs[0].view
    assert takes(view, "rte", {"mnli": 600, "cola": 400}) == 93.0
    settings = view.started.settings | {"multitask": {"length": "epochs", "epochs": 5}}
    by_rows = replace(view, started=replace(view.started, settings=settings))
    rows = 240 + 840 + 1290 + 1590
    assert takes(by_rows, "rte", {"mnli": 600, "cola": 400}) == pytest.approx(372.0 / rows * 1240)
    assert takes(replace(view, trials={}), "rte", {}) is None


async def test_one_line_tells_the_two_scores_of_the_primary_alone_apart(ui):
    app = ui("waiting")
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await select(app, pilot)
        assert "Alone: 0.6245 with the steps of a trial, 0.6245 after its own 3 epochs." in screen_text(app)
