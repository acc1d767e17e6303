"""Every screen in every state, as text, and every key."""

import json
from dataclasses import replace

import pytest
from textual.events import Key
from textual.widgets import Input

from gradts_engine import events
from gradts_engine.runtime.store import Store
from gradts_tui.app import GradTS
from gradts_tui.reader import Reader
from gradts_tui.screens.help import Help, explained
from gradts_tui.screens.importance import Importance
from gradts_tui.screens.log import Log
from gradts_tui.screens.page import Page
from gradts_tui.state import Snapshot, advance
from gradts_tui.widgets.lines import Lines
from gradts_tui.widgets.matrix import MatrixView
from gradts_tui.widgets.stages import Stages
from tests.tui.conftest import FakeReader, approve, screen_text, settle
from tests.tui.invented import RUN, make

pytestmark = pytest.mark.anyio

PHASES = ("starting", "running", "trials", "waiting", "paused", "failed", "interrupted", "died", "done")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def shown(app: GradTS, pilot, *keys: str) -> str:
    """The screen after the first snapshot and some keys."""
    app.show(app.first)
    await settle(app, pilot)
    for key in keys:
        await pilot.press(key)
        await settle(app, pilot)
    return screen_text(app)


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


async def test_list_of_runs(ui):
    app = ui("waiting", run=None)
    first = app.first.runs[0]
    others = [replace(first, id=f"glue-{state}", state=state, engine="") for state in ("done", "failed", "interrupted")]
    broken = replace(first, id="glue-broken", problem="events.db cannot be read: file is not a database")
    app.first = replace(app.first, runs=(first, *others, broken))
    async with app.run_test(size=(80, 24)) as pilot:
        approve("runs.txt", await shown(app, pilot))
        await pilot.press("slash", *"fail", "enter")
        await settle(app, pilot)
        assert "glue-failed" in screen_text(app)
        assert "glue-done" not in screen_text(app)
        await pilot.press("enter")
        await settle(app, pilot)
        assert app.desk.selected == "glue-failed"


async def test_no_runs_yet(ui, tmp_path):
    app = ui("done", run=None)
    app.first = Snapshot(app.first.root, app.first.now)
    async with app.run_test(size=(80, 24)) as pilot:
        approve("runs-empty.txt", await shown(app, pilot))


async def test_another_version_and_a_store_that_cannot_be_written(ui):
    app = ui("done", version="9.9.9")
    async with app.run_test(size=(80, 24)) as pilot:
        approve("run-version.txt", await shown(app, pilot))
    app = ui("done")
    app.first = replace(app.first, writable=False)
    async with app.run_test(size=(80, 24)) as pilot:
        approve("run-read-only.txt", await shown(app, pilot))


async def test_a_terminal_that_is_too_small_and_grows(ui):
    app = ui("done")
    async with app.run_test(size=(50, 12)) as pilot:
        approve("too-small.txt", await shown(app, pilot))
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


async def test_keys_of_the_run_screen(ui):
    app = ui("trials")
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(app, pilot)
        tree = app.screen.query_one(Stages)
        assert tree.cursor_node.data.key == ("trial", "rte + mnli + qnli")
        await pilot.press("up")
        assert tree.cursor_node.data.key == ("trial", "rte + mnli")
        app.show(app.first)
        await settle(app, pilot)
        assert tree.cursor_node.data.key == ("trial", "rte + mnli")  # moved by hand: it stays
        await pilot.press("f")
        await settle(app, pilot)
        assert tree.cursor_node.data.key == ("trial", "rte + mnli + qnli")
        await pilot.press("plus", "plus", "minus")
        assert app.desk.preferences.side == 50
        await pilot.press("slash", *"wnut", "enter")
        await settle(app, pilot)
        assert {leaf.key[1] for leaf in (n.data for n in tree.nodes.values()) if hasattr(leaf, "note")} == {"wnut17"}
        await pilot.press("slash", "escape")
        await settle(app, pilot)
        assert ("tune", "cola") in tree.nodes


async def test_letters_that_come_fast_after_a_slash_are_typed(ui):
    """They are in the queue before the slash has done anything."""
    app = ui("trials")
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(app, pilot)
        for key in ("slash", "q", "X", "p", "slash"):
            app.post_message(Key(key, "/" if key == "slash" else key))
        await settle(app, pilot)
        assert app.is_running
        assert app.screen.query_one("#filter", Input).value == "qXp/"


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
        assert said == ["trial rte", ("trial", "rte + mnli + qnli")]  # with the time that is left to its branch
        assert " 75%" in screen_text(app)


async def test_keys_of_the_importance_screen(ui, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    app = ui("done")
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(app, pilot, "2")
        page = app.screen
        assert isinstance(page, Importance)
        assert "layer 11 head 0" in screen_text(app)
        await pilot.press("down", "right", "right")
        await settle(app, pilot)
        assert "layer 10 head 2" in screen_text(app)
        await pilot.press("n")
        await settle(app, pilot)
        assert page.chosen == "mrpc"
        await pilot.press("b")
        await pilot.press("v")
        await settle(app, pilot)
        assert (page.chosen, page.other) == ("rte", "mrpc")
        approve("importance-compared.txt", screen_text(app))
        await pilot.press("o")
        await settle(app, pilot)
        assert page.other == "cola"
        assert page.query_one("#two-map", MatrixView).at == page.query_one("#main", MatrixView).at == (1, 2)
        await pilot.press("v")
        await settle(app, pilot)
        assert page.other == ""
        await pilot.press("e")
        await app.workers.wait_for_complete()
        assert (tmp_path / f"{RUN}-rte.safetensors").exists()


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


async def test_keys_of_the_correlation_screen(ui):
    app = ui("done")
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(app, pilot, "3")
        assert "mnli for rte" in screen_text(app)
        await pilot.press("u")
        await settle(app, pilot)
        assert app.screen.order[:3] == ["rte", "mrpc", "cola"]
        await pilot.press("right", "s")
        await settle(app, pilot)
        assert app.screen.order[0] == "mrpc"
        assert "sorted by mrpc" in screen_text(app)


async def test_keys_of_the_log(ui):
    app = ui("done")
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(app, pilot, "6")
        page = app.screen
        assert isinstance(page, Log)
        lines = page.query_one(Lines)
        assert "run done" in screen_text(app)
        assert lines.follow
        await pilot.press("home")
        assert not lines.follow
        await settle(app, pilot)
        assert "run glue-5f3a91c7: 8 tasks" in screen_text(app)
        await pilot.press("f")
        await settle(app, pilot)
        assert lines.follow
        assert "run done" in screen_text(app)
        before = len(lines.lines)
        await pilot.press("l")
        await settle(app, pilot)
        assert app.desk.preferences.level == 2
        assert len(lines.lines) < before
        await pilot.press("l", "l")
        await settle(app, pilot)
        assert len(lines.lines) > before
        await pilot.press("slash", *"mrpc", "enter")
        await settle(app, pilot)
        assert lines.lines
        assert all("mrpc" in line.text for line in lines.lines)


async def test_results_are_exported(ui, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    app = ui("done")
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(app, pilot, "5", "e", "o")
        await app.workers.wait_for_complete()
        assert "Train rte with mnli" in (tmp_path / f"{RUN}.html").read_text()
        found = json.loads((tmp_path / f"{RUN}-results.json").read_text())
        assert found["primaries"]["rte"]["confirmed"] == [{"task": "mnli", "instances": 600}, {"task": "qnli", "instances": 450}]


@pytest.mark.parametrize("key", ["1", "2", "3", "5", "6", "r"])
async def test_every_screen_copies(ui, key, tmp_path):
    app = ui("done")
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(app, pilot, key, "y")
        (path,) = (tmp_path / "cache").iterdir()
        assert path.read_text() == app.clipboard + "\n"
        assert "rte" in app.clipboard


async def test_help_names_every_key_with_what_it_does(ui):
    app = ui("done")
    async with app.run_test(size=(100, 50)) as pilot:
        for key in "123r56":
            await shown(app, pilot, key, "question_mark")
            assert isinstance(app.screen, Help)
            ours = {b.action for kind in (GradTS, Page, type(app.screen_stack[-2])) for b in kind.BINDINGS}
            seen = [active for active in app.screen.bindings if active.binding.action in ours]
            assert len(seen) >= 5
            assert all(explained(active) for active in seen)
            await pilot.press("escape")
        await pilot.press("1")
        approve("help.txt", await shown(app, pilot, "question_mark"))


async def test_themes_resources_and_bell_are_remembered(ui, tmp_path):
    app = ui("done")
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(app, pilot, "t")
        assert app.theme == "light"
        await pilot.press("t")
        assert app.theme == "high-contrast"
        await pilot.press("g")
        await pilot.pause(0.5)
        assert "CPU" in screen_text(app)
        app.action_switch_bell()
    kept = json.loads((tmp_path / "config" / "tui.json").read_text())
    assert (kept["theme"], kept["resources"], kept["bell"]) == ("high-contrast", True, False)


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


async def test_leaving_asks_nothing(ui):
    app = ui("trials")
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(app, pilot, "q")
    assert app.return_code == 0
    assert app.source.stopped


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


async def test_runs_are_compared_packed_and_deleted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = Store(tmp_path / ".gradts")
    for name in ("one", "two"):
        made = make(store, "done", name=name)
        made.write()
    app = GradTS(store, FakeReader())
    app.first = Reader(store, lambda: made.clock).look()
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await shown(app, pilot, "c")
        assert "Mark two runs with Space" in " ".join(n.message for n in app._notifications)
        await shown(app, pilot, "space", "down", "space", "c")
        assert "no setting differs" in screen_text(app)
        await pilot.press("escape")
        await pilot.press("up", "space", "A")
        await app.workers.wait_for_complete()
        (packed,) = tmp_path.glob("*.tar.gz")
        left = packed.name.removesuffix(".tar.gz")
        await pilot.press("D")
        await app.workers.wait_for_complete()
        await settle(app, pilot)
        assert "Delete for good?" in screen_text(app)
        await pilot.press("escape")
        assert len(store.runs()) == 2
        await pilot.press("D")
        await app.workers.wait_for_complete()
        await settle(app, pilot)
        await pilot.press("y")
        await settle(app, pilot)
        await app.workers.wait_for_complete()
        assert [run.id for run in store.runs()] == list({"one", "two"} - {left})


async def test_runs_are_sorted_by_a_key_and_by_a_click(ui):
    app = ui("done", run=None)
    first = app.first.runs[0]
    worse = advance(first, [(first.seq + 1, first.view.last, events.FinalModel("rte", 0.61, "/m", 0.6, 0.7))])
    waits = replace(first, id="beta", state="interrupted", view=replace(first.view, first=first.view.first - 60, finals={}))
    others = (replace(worse, id="alpha", view=replace(worse.view, first=first.view.first - 90)), waits)
    app.first = replace(app.first, runs=(first, *others))

    async def names(pilot, *keys):
        lines = (await shown(app, pilot, *keys)).splitlines()
        return [line.split()[0] for line in lines[2:5]]

    async with app.run_test(size=(200, 30)) as pilot:
        assert await names(pilot) == [RUN, "beta", "alpha"]  # the latest first
        assert await names(pilot, "s") == [RUN, "beta", "alpha"]  # the best first
        text = screen_text(app)
        assert "gain ▼" in text
        assert "+0.0759" in text
        assert "-0.0145" in text
        assert "mnli + qnli" in text
        await pilot.click("RunTable", offset=(text.splitlines()[1].index("gain"), 0))
        assert await names(pilot) == ["alpha", RUN, "beta"]
        await pilot.click("RunTable", offset=(3, 0))
        assert await names(pilot) == ["alpha", "beta", RUN]


async def test_keys_of_a_run_do_nothing_where_none_is_looked_at(ui):
    """`c` compares in the list of runs: it starts no engine of the run that was looked at before."""
    app = ui("interrupted")
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await shown(app, pilot)
        assert app.check_action("go_on", ())
        await shown(app, pilot, "r", "c")
        assert not app.check_action("go_on", ())
        assert app.desk.starting == ""


async def test_the_conclusion_comes_first_and_gains_are_coloured(ui):
    app = ui("judged-done")
    async with app.run_test(size=(120, 40)) as pilot:
        lines = (await shown(app, pilot, "5")).splitlines()
        assert lines[2].strip().startswith("Train rte with mnli (600 instances), qnli (450 instances).")
        inks = {}
        for strip in app.screen._compositor.render_strips():
            inks |= {s.text.strip(): s.style.color.get_truecolor().hex for s in strip if s.style and s.style.color}
        assert inks["+0.0759"] == inks["+0.0594"] == app.theme_variables["text-success"]
