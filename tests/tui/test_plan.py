"""A tasks.toml before it runs. What its data hold is given here; in the tests of a terminal it is read by a real process."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gradts_engine.hooks.catalog import Plugin, load_catalog
from gradts_engine.runtime.store import Store
from gradts_tui import engines
from gradts_tui.app import GradTS
from gradts_tui.preferences import Preferences
from gradts_tui.screens import plan
from gradts_tui.screens.plan import Plan
from gradts_tui.state import Snapshot
from tests.tui.conftest import FakeReader, approve, screen_text, settle

pytestmark = pytest.mark.anyio
GOOD = """[run]
encoder = "planted"
[tasks.rte]
type = "classification"
text = ["premise", "hypothesis"]
train = "rte.jsonl"
dev = "dev.jsonl"
[tasks.stars]
type = "regression"
train = "stars.csv"
dev_fraction = 0.1
"""
PLANNED = {
    "run": "tasks-1a2b3c4d",
    "state": "new",
    "encoder": "planted",
    "devices": ["cpu"],
    "precision": {"training": "fp32", "scoring": "fp32"},
    "primaries": ["rte", "stars"],
    "strategy": "trial",
    "confirm": "ask",
    "seconds": 96.0,
    "trials": 4,
    "trials found": 0,
    "trial seconds": 31.0,
    "costs": {
        "tune": {"jobs": 1, "low": 50.0, "high": 90.0, "disk": 90_000_000},
        "trial": {"jobs": 4, "low": 60.0, "high": 160.0, "disk": 360_000_000},
    },
    "memory": 700_000_000,
    "tasks": [
        {"task": "rte", "type": "classification", "metric": "accuracy", "train": 240, "dev": 60, "test": None, "found": []}
        | {"seconds": 96.0, "classes": {"no": {"train": 120, "dev": 30}, "yes": {"train": 120, "dev": 30}}, "warnings": []},
        {"task": "stars", "type": "regression", "metric": "pearson", "train": 350, "dev": 39, "test": None}
        | {"found": ["tune", "score"], "seconds": 0.0, "classes": {}, "warnings": ["3 texts are in train and dev"]},
    ],
}


@pytest.fixture
def app(tmp_path, monkeypatch):
    """An app on the plan of a file that is right; `reads` is what its process finds."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "planted").mkdir()
    config = tmp_path / "tasks.toml"
    config.write_text(GOOD)
    monkeypatch.setattr(Plan, "read", lambda self: None)
    with TemporaryDirectory() as folder:  # shorter than tmp_path, so that the pictures do not depend on where the tests run
        store = Store(Path(folder) / ".gradts")
        made = GradTS(store, FakeReader(), None, Preferences(), config)
        made.first = Snapshot(store.root, 1000.0)
        yield made


def shown(app) -> str:
    """The screen without this test's folder."""
    return screen_text(app).replace(str(app.config.parent), "/experiments")


async def test_what_will_run_and_enter_starts_it(app, monkeypatch):
    launched = []
    answer = type("Launched", (), {"run": "tasks-1a2b3c4d"})()
    monkeypatch.setattr(engines, "launch", lambda config, store, *, say: launched.append(config) or answer)
    async with app.run_test(size=(80, 24)) as pilot:
        app.show(app.first)
        await settle(app, pilot)
        page = app.screen
        assert "reading the data" in shown(app)
        page.found(PLANNED, "")
        await settle(app, pilot)
        approve("plan.txt", shown(app).replace(str(app.desk.store.root), "/experiments/.gradts"))
        await pilot.press("enter")
        await app.workers.wait_for_complete()
        await settle(app, pilot)
        assert launched == [app.config]
        assert app.desk.selected == "tasks-1a2b3c4d"


async def test_several_workers_share_the_time(app):
    async with app.run_test(size=(80, 40)) as pilot:
        app.show(app.first)
        await settle(app, pilot)
        app.screen.found({**PLANNED, "devices": ["cpu", "cpu"]}, "")
        await settle(app, pilot)
        text = " ".join(shown(app).split())
        assert "on 2 x cpu" in text
        assert "together 1m 50s to 4m 10s 450.0 MB by 2 workers 55s to 2m 05s" in text


async def test_a_run_that_has_an_engine_is_looked_at(app, monkeypatch):
    monkeypatch.setattr(engines, "launch", lambda *_, **__: pytest.fail("started a second engine"))
    async with app.run_test(size=(80, 24)) as pilot:
        app.show(app.first)
        await settle(app, pilot)
        app.screen.found({**PLANNED, "state": "running"}, "")
        await pilot.press("enter")
        await settle(app, pilot)
        assert app.desk.selected == "tasks-1a2b3c4d"


async def test_a_bad_file_is_explained_and_checked_again(app):
    app.config.write_text('[run]\nencoder = "planted"\nsede = 1\n[tasks.rte]\ntype = "clasification"\n')
    async with app.run_test(size=(100, 24)) as pilot:
        app.show(app.first)
        await settle(app, pilot)
        text = " ".join(shown(app).split())
        assert ":3: run.sede: unknown key 'sede'; did you mean 'seed'?" in text
        assert ":5: tasks.rte.type: unknown task type 'clasification'" in text
        assert "Start" not in text
        await pilot.press("enter")  # nothing to start
        app.config.write_text(GOOD)
        await pilot.press("k")
        await settle(app, pilot)
        assert "reading the data" in shown(app)
        app.screen.found(None, "rte.jsonl:3: label: is missing")
        await settle(app, pilot)
        assert "rte.jsonl:3: label: is missing" in shown(app)


async def test_a_broken_plugin_is_named_and_hurts_nobody(app, monkeypatch):
    catalog = load_catalog()
    broken = Plugin("gradts-broken", "gradts-broken", "1.0", "ModuleNotFoundError: No module named 'nothing'")
    monkeypatch.setattr(plan, "load_catalog", lambda: replace(catalog, plugins=(*catalog.plugins, broken)))
    async with app.run_test(size=(80, 24)) as pilot:
        app.show(app.first)
        await settle(app, pilot)
        app.screen.found(PLANNED, "")
        await settle(app, pilot)
        approve("plan-broken-plugin.txt", shown(app).replace(str(app.desk.store.root), "/experiments/.gradts"))


async def test_nothing_starts_in_a_store_that_cannot_be_written(app):
    app.first = replace(app.first, writable=False)
    async with app.run_test(size=(80, 24)) as pilot:
        app.show(app.first)
        await settle(app, pilot)
        app.screen.found(PLANNED, "")
        await settle(app, pilot)
        assert "Start" not in screen_text(app).splitlines()[-1]
