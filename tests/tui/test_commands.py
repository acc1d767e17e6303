"""Keys that reach an engine: commands go into the run's real inbox."""

import shutil
from dataclasses import replace

import pytest

from gradts_engine import events
from gradts_engine.errors import RunError
from gradts_engine.runtime.inbox import Cancel, Pause, Resume
from gradts_tui import engines
from gradts_tui.screens.ask import Ask
from gradts_tui.state import advance
from tests.tui.conftest import approve, same, screen_text, select, settle, told
from tests.tui.invented import RUN

pytestmark = pytest.mark.anyio


async def test_a_refusal_of_the_engine_is_explained(with_inbox, launched, inbox):
    app = with_inbox()
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await select(app, pilot, "enter", "enter")
        await app.workers.wait_for_complete()
        (command,) = inbox()
        run = app.first.runs[0]
        answer = events.CommandAnswered("confirm", command.id, False, "it answers another proposal than the present one")
        app.show(replace(app.first, runs=(advance(run, [(run.seq + 1, run.view.last, answer)]),)))
        await settle(app, pilot)
        assert "refused: it answers another proposal" in told(app)


async def test_nothing_can_be_confirmed_in_a_store_that_cannot_be_written(with_inbox, launched, inbox):
    app = with_inbox()
    app.first = replace(app.first, writable=False)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await select(app, pilot, "enter")
        assert not isinstance(app.screen, Ask)
        assert "for looking only" in told(app)
        assert inbox() == []


async def test_a_command_that_cannot_be_written_is_told(with_inbox, launched, tmp_path):
    app = with_inbox()
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await select(app, pilot, "enter")
        shutil.rmtree(tmp_path / RUN / "inbox")
        await pilot.press("enter")
        await settle(app, pilot)
        await app.workers.wait_for_complete()
        await settle(app, pilot)
        assert "confirmation of rte: not sent: " in told(app)
        assert launched == []


async def test_pause_resume_and_stop(with_inbox, inbox):
    app = with_inbox("trials")
    async with app.run_test(size=(80, 24)) as pilot:
        app.show(app.first)
        await settle(app, pilot)
        await pilot.press("p")
        await app.workers.wait_for_complete()
        assert same(inbox(), [Pause()])
        run = app.first.runs[0]
        app.show(replace(app.first, runs=(replace(run, state="paused"),)))
        await settle(app, pilot)
        await pilot.press("p")
        await app.workers.wait_for_complete()
        assert same(inbox(), [Pause(), Resume()])
        await pilot.press("X")
        await settle(app, pilot)
        approve("stop.txt", screen_text(app))
        await pilot.press("enter")  # not by accident
        await pilot.press("escape")
        await app.workers.wait_for_complete()
        assert len(inbox()) == 2
        await pilot.press("X", "y")
        await app.workers.wait_for_complete()
        assert same(inbox()[2:], [Cancel()])
        assert app.source.woken == 3


async def test_going_on_with_a_run_that_died(with_inbox, launched):
    app = with_inbox("running")
    app.first = replace(app.first, runs=(replace(app.first.runs[0], engine="", state="died"),))
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        app.show(app.first)
        await settle(app, pilot)
        await pilot.press("p", "X")  # there is no engine to ask
        assert not isinstance(app.screen, Ask)
        await pilot.press("c")
        await app.workers.wait_for_complete()
        assert len(launched) == 1


async def test_an_engine_that_cannot_start_says_why(with_inbox, monkeypatch):
    def launch(config, store, *, say):
        raise RunError("run glue-5f3a91c7 is already being worked on: process 4711 on gpu7")

    monkeypatch.setattr(engines, "launch", launch)
    app = with_inbox("interrupted")
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        app.show(app.first)
        await settle(app, pilot)
        await pilot.press("c")
        await app.workers.wait_for_complete()
        await settle(app, pilot)
        assert "already being worked on" in told(app)


async def test_what_the_app_notifies_of_cannot_reach_the_terminal(with_inbox):
    app = with_inbox()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        app.complain("a\x1b[2J\u202e[red]b\nc")
        await settle(app, pilot)
        assert "a\\x1b[2J\\u202e[red]b\nc" in told(app)
        assert "\x1b[2J" not in screen_text(app)
