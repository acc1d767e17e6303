"""Deciding on a proposal, and the keys that reach an engine. Commands go into the run's real inbox."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from rich.text import Text
from textual.geometry import Size

from gradts_engine import events, report, tables
from gradts_engine.page import page as page_of
from gradts_engine.report import Ranked
from gradts_engine.runtime.inbox import Confirm
from gradts_engine.runtime.store import Store
from gradts_tui.app import GradTS
from gradts_tui.choice import candidates
from gradts_tui.preferences import Preferences
from gradts_tui.screens.ask import Ask
from gradts_tui.screens.page import plain
from gradts_tui.screens.select import NOTHING, Select
from gradts_tui.state import advance
from gradts_tui.widgets.table import Table
from tests.tui.conftest import FakeReader, approve, same, screen_text, select, settle, shown, snapshot_of, told
from tests.tui.invented import RUN, make

pytestmark = pytest.mark.anyio


async def test_a_proposal_is_confirmed_as_it_is(with_inbox, launched, inbox):
    app = with_inbox()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        page = await select(app, pilot)
        assert isinstance(page, Select)
        approve("select-waiting.txt", screen_text(app))
        await pilot.press("enter")
        await settle(app, pilot)
        approve("select-ask.txt", screen_text(app))
        assert inbox() == []
        await pilot.press("escape")
        await settle(app, pilot)
        assert inbox() == []
        assert launched == []
        await pilot.press("enter", "enter")
        await settle(app, pilot)
        await app.workers.wait_for_complete()
        await settle(app, pilot)
        digest = app.first.runs[0].view.proposals["rte"].digest
        assert same(inbox(), [Confirm(primary="rte", digest=digest)])
        assert [str(config) for config, _ in launched] == ["/home/ada/experiments/glue.toml"]


async def test_keys_work_on_a_ranking_that_was_away(with_inbox):
    app = with_inbox()
    whole, run = app.first, app.first.runs[0]
    early = replace(run.view, stages={}, named={}, predicted={}, proposals={})
    async with app.run_test(size=(80, 24)) as pilot:
        await select(app, pilot)
        app.show(replace(whole, runs=(replace(run, view=early, changes=0),)))
        await settle(app, pilot)
        assert NOTHING in screen_text(app)
        await shown(app, pilot, "enter")
        assert isinstance(app.screen, Ask)


async def test_an_edited_selection(with_inbox, launched, inbox):
    app = with_inbox()
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
        (command,) = inbox()
        assert command.auxiliaries == ("qnli", "stsb")
        await pilot.press("4", "a")
        await settle(app, pilot)
        assert app.screen.choices["rte"].as_proposed


async def test_share_and_threshold_move_the_counts_at_once(with_inbox, launched, inbox):
    app = with_inbox(strategy="fine-grained")
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
        (command,) = inbox()
        assert (command.auxiliaries, command.keep, command.threshold) == (None, None, 0.32)


async def test_a_proposal_that_changed_meanwhile_is_not_confirmed(with_inbox, launched, inbox):
    app = with_inbox()
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
        assert inbox() == []
        assert "Not sent: the proposal has changed meanwhile" in told(app)
        app.show(app.desk.snapshot)
        await settle(app, pilot)
        assert page.choices["rte"].names == ("cola",)
        assert "your changes to the earlier one are dropped" in told(app)


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


# --- what the engine gives ------------------------------------------------------------------------------------------


async def test_predictors_and_verdicts_stand_beside_tau_dev_and_gain(ui):
    app = ui("judged")
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await select(app, pilot)
        head, line = (next(x for x in screen_text(app).splitlines() if word in x) for word in ("candidate", "[x]  mnli"))
        assert head.split()[:8] == ["candidate", "#", "tau", "main-effect", "dev", "gain", "verdict", "rows"]
        assert line.split()[2:8] == ["5", "0.6204", "0.0414", "0.6823", "+0.0578", "helps"]
        assert "fresh seeds: helps +5.2 points (95%: +2.1 to +8.3)" in screen_text(app)  # of both together
    app = ui("judged")
    async with app.run_test(size=(200, 60), notifications=True) as pilot:
        await select(app, pilot)
        line = next(x for x in screen_text(app).splitlines() if "[x]  mnli" in x)
        assert "helps +4.1 points (95%: +1.2 to +6.9)" in line
        assert line.count("\N{PLUS-MINUS SIGN}") == 2  # of main-effect and of probe
        assert "probe" in screen_text(app)
        await select(app, pilot, "m")  # half of the rows: nobody was asked about these
        assert "fresh seeds" not in screen_text(app)
        line = next(x for x in screen_text(app).splitlines() if "[x]  mnli" in x)
        assert "helps +4.1 points (95%: +1.2 to +6.9) at 600" in line


async def test_the_best_trial_says_why_it_has_no_verdict(tmp_path):
    """In the same words wherever results are shown."""
    store = Store(tmp_path / ".gradts")
    run = make(store, "judged")
    for score in (0.7411, 0.6011):
        run.add(events.TrialScored("rte", {"stsb": 350}, score, "f" * 64, repeat=int(score < 0.7)))
    folder = run.write()
    found = report.results(store, folder)
    assert list(found.primaries["rte"].unjudged.items()) == [
        ("stsb", "not a finalist: dev 0.6711 on 2 seeds"),
        ("mnli + qnli + mrpc", "not a finalist: dev 0.6931 on 1 seed"),
    ]
    why = report.without_verdict(found.primaries["rte"].unjudged)
    assert why.startswith("No verdict on stsb (dev 0.6711 on 2 seeds), mnli + qnli + mrpc (dev 0.6931 on 1 seed): only finalists")
    assert why in page_of(store, folder)
    app = GradTS(store, FakeReader(), RUN, Preferences())
    app.first = snapshot_of(store, run.clock)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        page = await select(app, pilot)
        text = screen_text(app)
        line = next(line for line in text.splitlines() if "[ ]  stsb" in line)
        assert line.split()[-5:] == ["+0.1166", "not", "a", "finalist", "350"]
        assert why in " ".join(text.split())
        table = page.query_one(Table)  # which has its room before anything else happens
        table.fill({"a": "a"}, {str(i): [Text("x")] for i in range(9)})
        assert table.get_content_height(Size(80, 24), Size(80, 24), 80) == 10
    assert why in " ".join(plain(tables.run_results(found)).split())


async def test_the_dialog_says_what_was_never_tried_together_and_what_it_costs(with_inbox, launched):
    app = with_inbox()
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await select(app, pilot, "enter")
        assert "Tried like this: dev 0.7004, +0.0759 against rte alone" in screen_text(app)
        await pilot.press("escape", "down", "down", "space", "enter")
        await settle(app, pilot)
        text = screen_text(app)
        assert "Never tried together" in text
        assert "takes about 1m 33s, as its trials took" in text  # mean of 91.5, 92.5, 93.5 and 94.5 seconds


async def test_one_line_tells_the_two_scores_of_the_primary_alone_apart(ui):
    app = ui("waiting")
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await select(app, pilot)
        assert "Alone: 0.6245 with the steps of a trial, 0.6245 after its own 3 epochs." in screen_text(app)


async def test_notes_that_are_cut_have_a_bar_and_can_be_scrolled(ui):
    app = ui("judged")
    async with app.run_test(size=(80, 24)) as pilot:
        page = await select(app, pilot)
        notes = page.query_one("#notes")
        assert notes.show_vertical_scrollbar
        assert "one seed are noisy too." not in screen_text(app)
        notes.scroll_end(animate=False)
        await settle(app, pilot)
        assert "one seed are noisy too." in screen_text(app)


async def test_rows_that_no_training_with_the_primary_has_are_not_counted(ui):
    """As where a text of its dev split is among them."""
    app = ui("waiting")
    run = app.first.runs[0]
    found = report.results_of(Store(run.path.parents[1]), run.view, run.id, run.state)
    rows = run.view.tasks["cola"].sizes["train"]
    async with app.run_test(size=(120, 40)) as pilot:
        page = await select(app, pilot)
        assert page.count(run, "cola", page.choices["rte"]) == rows
        some = replace(found, primaries={"rte": replace(found.primaries["rte"], left_out={"cola": 3})})
        page.desk = replace(page.desk, evidence=SimpleNamespace(results=lambda run: some))
        assert page.count(run, "cola", page.choices["rte"]) == rows - 3
