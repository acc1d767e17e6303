"""What it costs to leave the UI open beside a run that goes on."""

import gc
import re
from dataclasses import replace

import psutil
import pytest
from textual.widgets import Footer

from gradts_engine import events
from gradts_tui.state import advance
from gradts_tui.widgets.chart import Chart
from gradts_tui.widgets.matrix import MatrixView
from tests.tui.conftest import settle

pytestmark = pytest.mark.anyio


def steps(first, count):
    """Snapshots of a trial that goes on."""
    run, now = first.runs[0], first.now
    for i in range(count):
        now += 0.3
        step = events.StageProgress("trial", "rte + mnli + qnli", 120 + i, 100_000, 0.4 + 0.01 * (i % 7))
        run = advance(run, [(run.seq + 1, now, step)], run.engine)
        yield replace(first, now=now, runs=(run,))


async def test_progress_makes_no_widget_anew(ui):
    app = ui("trials")
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(app.first)
        await settle(app, pilot)
        keys, widgets = list(app.screen.query_one(Footer).children), list(app.screen.walk_children())
        for snapshot in steps(app.first, 20):
            app.show(snapshot)
            await pilot.pause()
        assert list(app.screen.query_one(Footer).children) == keys
        assert list(app.screen.walk_children()) == widgets
        paused = replace(snapshot, runs=(replace(snapshot.runs[0], engine="", state="interrupted"),))
        app.show(paused)  # other keys work now, and the footer says so
        await settle(app, pilot)
        assert list(app.screen.query_one(Footer).children) != keys


async def test_a_step_draws_few_lines_of_the_curve(ui, monkeypatch):
    app = ui("trials")
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(app.first)
        await settle(app, pilot)
        *_, last = steps(app.first, 40)
        app.show(last)
        await settle(app, pilot)
        chart = app.screen.query_one(Chart)
        drawn = []
        real = chart.render_line
        monkeypatch.setattr(chart, "render_line", lambda y: drawn.append(y) or real(y))
        app.show(replace(last, now=last.now + 1))
        await settle(app, pilot)
        assert drawn == []


@pytest.mark.torture
async def test_memory_is_flat_over_two_thousand_snapshots(ui):
    """Warmed up, the process grows by less than a tenth of what it took to rebuild the footer each time (90 MB)."""
    app, process = ui("trials"), psutil.Process()
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(app.first)
        await settle(app, pilot)
        sizes = []
        for i, snapshot in enumerate(steps(app.first, 2001)):
            app.show(snapshot)
            await pilot.pause()
            if i % 500 == 0:
                gc.collect()
                sizes.append(process.memory_info().rss)
    assert sizes[-1] - sizes[1] < 4 << 20, sizes


@pytest.mark.parametrize(("keys", "lines"), [("down", 2), ("right", 2), ("left", 2), ("up", 2)])
async def test_an_arrow_on_a_large_map_sends_two_of_its_lines(ui, monkeypatch, keys, lines):
    app = ui("scored", sizes={"rte": 40, "mrpc": 40}, shape=(24, 16))
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(app.first)
        await settle(app, pilot)
        for key in ("2", "down", "right"):
            await pilot.press(key)
            await settle(app, pilot)
        sent = []
        monkeypatch.setattr(type(app), "is_headless", False)  # a terminal is there: what reaches its driver
        monkeypatch.setattr(app._driver, "write", sent.append)
        await pilot.press(keys)
        await settle(app, pilot)
        monkeypatch.undo()
        matrix = app.screen.query_one("#main", MatrixView)
        top = matrix.region.y
        drawn = {int(y) - 1 for y in re.findall(r"\x1b\[(\d+);\d+H", "".join(sent))}
        assert len([y for y in drawn if top <= y < matrix.region.bottom]) == lines
        assert len("".join(sent).encode()) < 6_000, len("".join(sent))
