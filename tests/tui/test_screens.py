"""Every screen in every state, as text, and every key."""

import time
from dataclasses import replace

import pytest

from gradts_engine import events
from gradts_tui.app import GradTS
from gradts_tui.preferences import Preferences
from gradts_tui.state import advance
from gradts_tui.widgets.matrix import MatrixView
from gradts_tui.widgets.stages import Stages
from tests.tui.conftest import FakeReader, approve, screen_text, settle, shown, snapshot_of
from tests.tui.invented import RUN
from tests.unit.test_page import told

pytestmark = pytest.mark.anyio

PHASES = ("starting", "running", "trials", "waiting", "paused", "failed", "interrupted", "died", "done")


@pytest.mark.parametrize("phase", PHASES)
async def test_run_in_every_state(ui, phase):
    app = ui(phase if phase != "died" else "running")
    if phase == "died":
        app.first = replace(app.first, runs=(replace(app.first.runs[0], engine="", state="died"),))
    async with app.run_test(size=(80, 24)) as pilot:
        approve(f"run-{phase}.txt", await shown(app, pilot))


@pytest.mark.parametrize("page", ["importance", "correlation", "results", "log"])
async def test_screens_of_a_finished_run(ui, page):
    key = {"importance": "2", "correlation": "3", "results": "5", "log": "6"}[page]
    app = ui("done")
    async with app.run_test(size=(80, 24)) as pilot:
        approve(f"{page}-done.txt", await shown(app, pilot, key))


@pytest.mark.parametrize("page", ["importance", "correlation", "results", "log"])
async def test_screens_of_a_run_that_has_just_begun(ui, page):
    key = {"importance": "2", "correlation": "3", "results": "5", "log": "6"}[page]
    app = ui("starting")
    async with app.run_test(size=(80, 24)) as pilot:
        approve(f"{page}-starting.txt", await shown(app, pilot, key))


async def test_another_version_and_a_store_that_cannot_be_written(ui):
    app = ui("done", version="9.9.9")
    async with app.run_test(size=(80, 24)) as pilot:
        approve("run-version.txt", await shown(app, pilot))
    app = ui("done")
    app.first = replace(app.first, writable=False)
    async with app.run_test(size=(80, 24)) as pilot:
        approve("run-read-only.txt", await shown(app, pilot))


@pytest.mark.parametrize(("phase", "what"), [("failed", "press c to go on"), ("waiting", "press 4 to look")])
async def test_what_to_do_is_seen_however_much_there_is_to_say(ui, phase, what):
    app = ui(phase)
    run = app.first.runs[0]
    many = [f"a-task-with-quite-a-long-name-{i:02}" for i in range(20)]
    proposed = {name: replace(proposal, primary=name) for proposal in run.view.proposals.values() for name in many}
    failed = {("tune", name): "the loss is not finite after 71 steps; try a lower learning_rate" for name in many}
    view = replace(run.view, proposals=proposed, failures=failed if phase == "failed" else {})
    app.first = replace(app.first, runs=(replace(run, view=view),))
    async with app.run_test(size=(60, 16)) as pilot:
        text = await shown(app, pilot)
        assert what in " ".join(text.split())
        assert "more" in text


async def test_a_terminal_that_is_too_small_and_grows(ui):
    app = ui("done")
    async with app.run_test(size=(50, 12)) as pilot:
        approve("too-small.txt", await shown(app, pilot))
        await pilot.press("2", "slash", "x", "X", "y", "p")  # what nobody sees does nothing
        await pilot.resize_terminal(80, 24)
        await settle(app, pilot)
        assert "Trials of rte" in screen_text(app)


async def test_a_wide_terminal_shows_twenty_tasks_and_a_large_map_whole(ui):
    sizes = {f"task{i:02}": 24 for i in range(19)} | {"rte": 40}
    app = ui("scored", sizes=sizes, shape=(24, 16))
    async with app.run_test(size=(200, 60)) as pilot:
        await shown(app, pilot, "2")
        assert app.screen.query_one("#main", MatrixView).hidden == ""
        await pilot.press("3")
        await settle(app, pilot)
        assert app.screen.query_one("#main", MatrixView).hidden == ""
        assert all(task in screen_text(app) for task in sizes)
        await pilot.resize_terminal(80, 24)
        await settle(app, pilot)
        matrix = app.screen.query_one("#main", MatrixView)
        assert matrix.hidden == "rows 1-17, columns 1-10"
        for _ in range(19):
            await pilot.press("down", "right")
        await settle(app, pilot)
        assert matrix.at == (19, 19)
        assert f"20 {app.screen.order[19]}" in screen_text(app)


async def test_progress_draws_no_other_line(ui):
    """A tick of a running stage touches that line of the tree, and no branch is made anew."""
    app = ui("trials")
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(app, pilot)
        tree = app.screen.query_one(Stages)
        node = tree.nodes["trial", "rte + mnli + qnli"]
        said = []
        real = tree.say
        tree.say = lambda node, data, label: (said.append(data.key) if node.label != label else None, real(node, data, label))
        run = app.first.runs[0]
        step = events.StageProgress("trial", "rte + mnli + qnli", 150, 200, 0.4)
        later = advance(run, [(run.seq + 1, app.first.now + 3, step)], run.engine)
        app.show(replace(app.first, now=app.first.now + 3, runs=(later,)))
        await settle(app, pilot)
        assert tree.nodes["trial", "rte + mnli + qnli"] is node
        assert said == [("trial", "rte + mnli + qnli")]
        assert " 75%" in screen_text(app)


async def test_maps_are_drawn_only_when_data_or_cursor_change(ui, monkeypatch):
    app = ui("trials")
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(app, pilot, "2")
        matrix, drawn = app.screen.query_one("#main", MatrixView), []
        real = matrix.render_line
        monkeypatch.setattr(matrix, "render_line", lambda y: drawn.append(y) or real(y))
        for later in range(5):
            app.show(replace(app.first, now=app.first.now + later))
            await settle(app, pilot)
        assert drawn == []
        await pilot.press("right")
        await settle(app, pilot)
        assert set(drawn) == {0, 1}  # the names of the columns, and the cursor's row


@pytest.mark.parametrize(("bell", "rung"), [(True, 1), (False, 0)])
async def test_the_bell_rings_once_for_a_proposal(ui, bell, rung, monkeypatch):
    app = ui("waiting")
    app.desk.preferences = replace(app.desk.preferences, bell=bell)
    rings = []
    monkeypatch.setattr(app, "bell", lambda: rings.append(1))
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(app, pilot)
        app.show(app.first)
        await settle(app, pilot)
        assert len(rings) == rung
        assert app.sub_title == f"{RUN} waits for you"


async def test_text_from_outside_is_never_markup_nor_escape_codes(ui):
    app = ui("done")
    run = app.first.runs[0]
    evil = "[bold red]x[/] \x1b[31m \u202e end"
    run = advance(run, [(run.seq + 1, run.view.last + 1, events.Warned(evil))])
    run = replace(run, problem=evil)
    app.first = replace(app.first, runs=(run,))
    async with app.run_test(size=(100, 30)) as pilot:
        text = await shown(app, pilot, "6")
        assert text.count("[bold red]x[/]") == 2
        assert "\x1b" not in text
        assert "\u202e" not in text


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_whatever_a_run_says_sends_nothing_to_the_terminal_that_does_something(size, tmp_path):
    store, run = told(tmp_path, "t", "[/] \x1b]52;c;aGk=\x07 \x1b]777;notify;a;b\x07 \u202e\u200b")
    app = GradTS(store, FakeReader(), run.id, Preferences())
    app.first = snapshot_of(store, time.time())
    async with app.run_test(size=size) as pilot:
        await shown(app, pilot)
        for key in "1 down right 2 3 4 d space enter escape 5 6 r s D escape ctrl+p".split():
            await pilot.press(key)
            await settle(app, pilot)
            lines = screen_text(app).splitlines()
            assert [line for line in lines if not line.isprintable()] == [], key
            assert key not in "123456" or "[/]" in "".join(lines), key


async def test_the_conclusion_comes_first_and_gains_are_coloured(ui):
    app = ui("judged-done")
    async with app.run_test(size=(120, 40)) as pilot:
        lines = (await shown(app, pilot, "5")).splitlines()
        assert lines[2].strip().startswith("Train rte with mnli (600 instances), qnli (450 instances).")
        inks = {}
        for strip in app.screen._compositor.render_strips():
            inks |= {s.text.strip(): s.style.color.get_truecolor().hex for s in strip if s.style and s.style.color}
        assert inks["+0.0759"] == inks["+0.0594"] == app.theme_variables["text-success"]
