"""The UI over invented runs, without a terminal; a screen can be compared with how it looked when it was last approved."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gradts_engine.runtime.store import Store
from gradts_tui import preferences
from gradts_tui.app import GradTS
from gradts_tui.preferences import Preferences
from gradts_tui.reader import Reader
from gradts_tui.state import Snapshot
from tests.tui.invented import RUN, make

ENGINE = "process 4711 on gpu7, since 2026-09-21 14:13:20"
ALIVE = {"starting": "starting", "running": "running", "trials": "running", "paused": "paused"}
"""Phases in which an engine is at work, and the state that this makes."""

APPROVED = Path(__file__).parent / "approved"


class FakeReader:
    """Posts what it is given."""

    def __init__(self) -> None:
        self.woken = 0
        self.stopped = False

    def start(self, post: Callable[[Snapshot], object]) -> None:
        self.post = post

    def stop(self) -> None:
        self.stopped = True

    def wake(self) -> None:
        self.woken += 1


@pytest.fixture(autouse=True)
def _settled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """One time zone, one palette, and nobody's own preferences."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    for name, value in {"COLORTERM": "truecolor", "TERM": "xterm-256color"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(preferences, "config_folder", lambda: tmp_path / "config")
    monkeypatch.setattr("gradts_tui.outside.cache_folder", lambda: tmp_path / "cache")
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(scope="session")
def invented(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Store, float]]:
    """Makes a store with one run in a phase; each is made once. The time of its last event comes with it."""
    made: dict[object, tuple[Store, float]] = {}

    def get(phase: str, **options: object) -> tuple[Store, float]:
        key = (phase, repr(options))
        if key not in made:
            store = Store(tmp_path_factory.mktemp("invented") / ".gradts")
            run = make(store, phase, **options)
            run.write()
            made[key] = (store, run.clock)
        return made[key]

    return get


def snapshot_of(store: Store, clock: float, phase: str = "") -> Snapshot:
    """What the reader sees of a store, two seconds after its last event."""
    snapshot = replace(Reader(store, lambda: clock + 2).look(), root=Path("/home/ada/experiments/.gradts"))
    if phase not in ALIVE:
        return snapshot
    return replace(snapshot, runs=tuple(replace(run, engine=ENGINE, state=ALIVE[phase]) for run in snapshot.runs))


@pytest.fixture
def ui(invented):
    """Makes an app that shows a phase; `run=None` for the list of runs."""

    def make_app(phase: str, run: str | None = RUN, theme: str = "dark", **options: object) -> GradTS:
        store, clock = invented(phase, **options)
        app = GradTS(store, FakeReader(), run, Preferences(theme=theme))
        app.first = snapshot_of(store, clock, phase)
        return app

    return make_app


async def settle(app: GradTS, pilot) -> None:
    """Until everything that was asked for is read and drawn."""
    for _ in range(200):
        await pilot.pause()
        if not app.shelf.busy:
            break
        await pilot.pause(0.02)
    await pilot.pause()


def screen_text(app: GradTS) -> str:
    """What is on the screen, without colours."""
    return "\n".join(strip.text.rstrip() for strip in app.screen._compositor.render_strips()).rstrip() + "\n"


def approve(name: str, text: str) -> None:
    """Compare with what was approved; with GRADTS_PICTURES=write approve it instead."""
    path = APPROVED / name
    if os.environ.get("GRADTS_PICTURES") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.exists(), f"no {path}: look at the screen and approve it with `make pictures`"
    assert text == path.read_text(encoding="utf-8"), f"{path} looks different: approve it with `make pictures`, or put it right"
