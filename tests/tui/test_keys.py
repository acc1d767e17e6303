"""Every key of every screen."""

import asyncio
import json
from dataclasses import replace

import pytest
from textual.events import Key
from textual.widgets import Input

from gradts_tui.app import GradTS
from gradts_tui.screens.help import Help, explained
from gradts_tui.screens.importance import Importance
from gradts_tui.screens.log import Log
from gradts_tui.screens.page import Page
from gradts_tui.screens.runs import Runs
from gradts_tui.widgets.lines import Lines
from gradts_tui.widgets.matrix import MatrixView
from gradts_tui.widgets.stages import Stages
from gradts_tui.widgets.title import Title
from tests.tui.conftest import approve, screen_text, settle, shown, told
from tests.tui.invented import RUN

pytestmark = pytest.mark.anyio


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


async def test_no_key_overtakes_another(ui, monkeypatch):
    """One that a busy screen still has comes before what is pressed on the next."""
    gate = asyncio.Event()

    async def late(self, event: Key) -> bool:
        if event.key == "3":
            await gate.wait()
        return False

    async def seen(name: str) -> bool:
        for _ in range(100):
            await asyncio.sleep(0.02)
            if name == app.screen.NAME and app.screen.is_mounted and not app.shelf.busy:
                return True
        return False

    app = ui("done")
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(app, pilot)
        monkeypatch.setattr(Stages, "handle_key", late)
        app.app_focus = False  # as in a browser, up to the first key
        for key in "23":
            app.post_message(Key(key, key))
        assert await seen("importance") or app.screen.NAME == "correlation"
        app.post_message(Key("4", "4"))
        assert await seen("select")
        gate.set()
        await settle(app, pilot)
        assert app.screen.NAME == "select"


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


async def test_what_is_said_has_the_colours_of_the_theme_that_is_on(ui):
    app = ui("done")
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(app, pilot, "1")
        before = app.screen.query_one(Title).said.markup
        assert "done" in before
        await shown(app, pilot, "t")
        assert app.screen.query_one(Title).said.markup != before


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


@pytest.mark.parametrize("key", ["4", "question_mark"])
async def test_nothing_stays_of_a_run_that_is_removed_while_it_is_looked_at(ui, key):
    app = ui("waiting")
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await shown(app, pilot, key)
        app.show(replace(app.first, runs=(), problem="the disk is away"))
        await settle(app, pilot)
        app.show(app.first)
        await settle(app, pilot)
        assert RUN in screen_text(app).splitlines()[0]  # it was only away
        app.show(replace(app.first, runs=()))
        await settle(app, pilot)
        assert "No runs in" in screen_text(app)
        assert f"{RUN} is gone" in told(app)
        await pilot.press("1", "enter", "p")
        assert isinstance(app.screen, Runs)


async def test_leaving_asks_nothing(ui):
    app = ui("trials")
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(app, pilot, "q")
    assert app.return_code == 0
    assert app.source.stopped
