"""The list of runs: sorted, compared, packed, deleted."""

import re
from dataclasses import replace

import pytest

from gradts_engine import events
from gradts_engine.runtime.store import Store
from gradts_tui.app import GradTS
from gradts_tui.reader import Reader
from gradts_tui.state import Snapshot, advance
from tests.tui.conftest import FakeReader, approve, screen_text, settle, shown
from tests.tui.invented import RUN, make

pytestmark = pytest.mark.anyio


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


async def test_names_give_way_to_what_a_run_chose(ui):
    app = ui("waiting", run=None)
    first = app.first.runs[0]
    long = replace(first, id="a-name-that-is-longer-than-its-column-5f3a91c7")
    app.first = replace(app.first, runs=(long, replace(first, id="b", state="interrupted")))
    async with app.run_test(size=(80, 24)) as pilot:
        head, row, *_ = (await shown(app, pilot)).splitlines()[1:]
        assert "chosen" in head
        assert row.split()[0].endswith("5f3a91c7"[-5:])
        assert "mnli + qnli" in row
        await pilot.resize_terminal(140, 24)
        await settle(app, pilot)
        assert "a-name-that-is" in screen_text(app)
        await pilot.resize_terminal(80, 24)
        await settle(app, pilot)
        assert screen_text(app).splitlines()[1:3] == [head, row]


@pytest.mark.parametrize("width", [61, 101])
async def test_no_column_is_half_shown(ui, width):
    """Of what does not fit there is nothing but a mark; the arrow keys bring it, and the run's name stays."""
    app = ui("waiting", run=None)
    async with app.run_test(size=(400, 24)) as pilot:
        whole = {*re.split(r"  +", " ".join((await shown(app, pilot)).splitlines()[1:3]).strip())}
        await pilot.resize_terminal(width, 24)
        await settle(app, pilot)
        seen = set()
        for _ in range(11):
            head, row = (line.strip() for line in screen_text(app).splitlines()[1:3])
            seen |= (now := {*re.split(r"  +", head.translate(str.maketrans("◂▸", "  ")).strip()), *re.split(r"  +", row)})
            assert {found for found in now if "…" not in found} <= whole  # names alone are cut, in the middle
            assert row.startswith("glue-")
            await pilot.press("right")
            await settle(app, pilot)
        assert {"run", "encoder", "started ▼", "roberta-base"} <= seen
        assert (await shown(app, pilot, *["left"] * 11)).splitlines()[1].startswith(" run")


async def test_no_runs_yet(ui, tmp_path):
    app = ui("done", run=None)
    later, app.first = app.first, Snapshot(app.first.root, app.first.now)
    async with app.run_test(size=(80, 24)) as pilot:
        approve("runs-empty.txt", await shown(app, pilot))
        app.first = later
        await shown(app, pilot, "enter")  # the first one has come: it can be opened at once
        assert app.desk.selected == RUN


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
