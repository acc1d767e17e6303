"""The UI over invented runs, without a terminal; a screen can be compared with how it looked when it was last approved."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gradts_engine.runtime.inbox import read
from gradts_engine.runtime.store import RunFolder, Store
from gradts_tui import engines, preferences
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


@pytest.fixture
def anyio_backend() -> str:
    """What runs the tests that wait."""
    return "asyncio"


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


@pytest.fixture
def inbox(tmp_path: Path) -> Callable[[], list]:
    """Reads the commands in the inbox of `with_inbox`."""
    return lambda: [command for _, command in read(RunFolder(tmp_path / RUN).inbox)]


@pytest.fixture
def with_inbox(ui, tmp_path):
    """Makes an app that shows a run whose inbox is this test's own."""

    def made(phase: str = "waiting", **options: object) -> GradTS:
        app = ui(phase, **options)
        path = tmp_path / RUN
        shutil.rmtree(path, ignore_errors=True)
        (path / "inbox").mkdir(parents=True)
        app.first = replace(app.first, runs=(replace(app.first.runs[0], path=path),))
        return app

    return made


@pytest.fixture
def launched(monkeypatch):
    """What `launch` was called with, in place of an engine."""
    calls = []

    def launch(config, store, *, say):
        calls.append((config, store))
        say("reading 8 tasks")
        return type("Launched", (), {"run": RUN})()

    monkeypatch.setattr(engines, "launch", launch)
    return calls


def same(sent, expected) -> bool:
    """Whether these are the same commands, whatever their ids."""
    return [command.model_dump(exclude={"id"}) for command in sent] == [c.model_dump(exclude={"id"}) for c in expected]


async def settle(app: GradTS, pilot) -> None:
    """Until everything that was asked for is read and drawn, and the screen stays as it is."""
    deadline = time.monotonic() + 30
    before, same = "", 0
    while same < 2 and time.monotonic() < deadline:  # what was read is drawn, and then laid out: a pause each, or more if busy
        await pilot.pause(0.02 if app.shelf.busy else None)
        now = screen_text(app)
        same = same + 1 if now == before and not app.shelf.busy else 0
        before = now


async def shown(app: GradTS, pilot, *keys: str) -> str:
    """The screen after the first snapshot and some keys."""
    app.show(app.first)
    await settle(app, pilot)
    for key in keys:
        await pilot.press(key)
        await settle(app, pilot)
    return screen_text(app)


async def select(app: GradTS, pilot, *keys: str):
    """The page on which one decides, after some keys, once all is read."""
    await shown(app, pilot, "4", *keys)
    await app.workers.wait_for_complete()
    await settle(app, pilot)
    return app.screen


def told(app: GradTS) -> str:
    """What the app has notified of."""
    return " | ".join(notification.message for notification in app._notifications)


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
