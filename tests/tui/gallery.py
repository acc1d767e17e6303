"""Every state of the UI as pictures, to be looked at: `python -m tests.tui.gallery FOLDER [WORD ...]`.

Writes an SVG a state, size and look (themes, and terminals of 256 and 16 colours), and sheets (HTML) that show many at once.
With words, only pictures with all of them in their names.
"""

from __future__ import annotations

import asyncio
import io
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
from rich.color import Color, ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style

from gradts_engine.runtime.store import Store
from gradts_tui import preferences
from gradts_tui.app import GradTS
from gradts_tui.preferences import Preferences
from gradts_tui.screens.plan import Plan
from gradts_tui.state import Snapshot
from tests.tui.conftest import FakeReader, settle, snapshot_of
from tests.tui.invented import RUN, make
from tests.tui.test_plan import GOOD, PLANNED

SIZES = ((80, 24), (120, 40), (200, 60))
LOOKS = {  # theme, COLORTERM, TERM
    "dark": ("dark", "truecolor", "xterm-256color"),
    "light": ("light", "truecolor", "xterm-256color"),
    "contrast": ("high-contrast", "truecolor", "xterm-256color"),
    "256": ("dark", "", "xterm-256color"),
    "16": ("dark", "", "xterm"),
}
STATES: dict[str, tuple[str, str]] = {  # phase, keys
    "run-starting": ("starting", ""),
    "run-running": ("running", ""),
    "run-trials": ("trials", ""),
    "run-waiting": ("waiting", ""),
    "run-paused": ("paused", ""),
    "run-failed": ("failed", ""),
    "run-interrupted": ("interrupted", ""),
    "run-died": ("died", ""),
    "run-done": ("done", ""),
    "run-leaf": ("done", "down down down"),
    "run-filter": ("done", "slash m n l i"),
    "run-stop": ("trials", "X"),
    "importance": ("done", "2 down right"),
    "importance-two": ("done", "2 v down right"),
    "importance-none": ("starting", "2"),
    "correlation": ("done", "3 down"),
    "correlation-none": ("starting", "3"),
    "select": ("judged", "4"),
    "select-edited": ("judged", "4 down down space m"),
    "select-ask": ("judged", "4 down down space enter"),
    "select-done": ("done", "4"),
    "results": ("judged-done", "5"),
    "results-none": ("starting", "5"),
    "log": ("failed", "6"),
    "runs": ("runs", "down space"),
    "runs-none": ("none", ""),
    "runs-delete": ("runs", "down space D"),
    "plan": ("plan", ""),
    "plan-reading": ("plan", ""),
    "plan-problem": ("plan", ""),
    "commands": ("done", "ctrl+p"),
    "help": ("done", "4 question_mark"),
    "compare": ("runs", "space down space c"),
}
CSS = "body { background: #777; margin: 8px } figure { display: inline-block; margin: 4px } img { height: 460px }"


def app_of(phase: str, theme: str, folder: Path) -> GradTS:
    """The UI over an invented store in a phase."""
    store = Store(folder / phase / ".gradts")
    source = {"died": "running", "runs": "done"}.get(phase, phase)
    clock = time.time()
    if phase not in ("none", "plan"):
        run = make(store, source)
        clock = run.clock
        if not store.runs():
            run.write()
            if phase == "runs":
                for i, other in enumerate(("trials", "waiting", "failed", "judged-done")):
                    make(store, other, name=f"night-{i}-{other}").write()
    snapshot = snapshot_of(store, clock, phase)
    if phase == "died":
        snapshot = replace(snapshot, runs=(replace(snapshot.runs[0], engine="", state="died"),))
    if phase in ("none", "plan"):
        snapshot = Snapshot(Path("/home/ada/experiments/.gradts"), clock)
    config = folder / "tasks.toml" if phase == "plan" else None
    if config:
        (folder / "planted").mkdir(exist_ok=True)
        config.write_text(GOOD, encoding="utf-8")
    app = GradTS(store, FakeReader(), None if phase in ("runs", "none", "plan") else RUN, Preferences(theme=theme), config)
    app.first = snapshot  # type: ignore[attr-defined]  # as the tests have it
    return app


async def picture(state: str, look: str, size: tuple[int, int], folder: Path) -> str:
    """The SVG of a state."""
    phase, keys = STATES[state]
    theme, colorterm, term = LOOKS[look]
    os.environ.update(COLORTERM=colorterm, TERM=term)
    app = app_of(phase, theme, folder)
    async with app.run_test(size=size) as pilot:
        app.show(app.first)  # type: ignore[attr-defined]
        await settle(app, pilot)
        if state == "plan":
            app.screen.found(PLANNED, "")  # type: ignore[attr-defined]
        if state == "plan-problem":
            app.screen.found(None, "tasks.toml:3: run.sede: unknown key 'sede'")  # type: ignore[attr-defined]
        for key in keys.split():
            await pilot.press(key)
            await settle(app, pilot)
        await app.workers.wait_for_complete()
        await settle(app, pilot)
        lines = app.screen._compositor.render_strips()
        console = Console(
            width=size[0],
            height=size[1],
            record=True,
            force_terminal=True,
            color_system="truecolor",
            file=io.StringIO(),
        )
        system = {"256": ColorSystem.EIGHT_BIT, "16": ColorSystem.STANDARD}.get(look)
        for line in lines:
            console._record_buffer.extend([*(reduced(s, system) for s in line), Segment("\n")])
        return console.export_svg(title=f"{state} {look} {size[0]}x{size[1]}")


def reduced(segment: Segment, system: ColorSystem | None) -> Segment:
    """As a terminal of fewer colours would show it."""
    style = segment.style
    if style is None or system is None:
        return segment

    def near(colour: Color | None) -> Color | None:
        """The nearest one that it has."""
        return None if colour is None else Color.from_triplet(colour.downgrade(system).get_truecolor())

    drawn = Style(color=near(style.color), bgcolor=near(style.bgcolor), bold=style.bold, dim=style.dim, reverse=style.reverse)
    return Segment(segment.text, drawn)


def names(words: list[str]) -> Iterator[tuple[str, str, tuple[int, int]]]:
    """Which pictures are asked for."""
    for size in SIZES:
        for look in LOOKS:
            for state in STATES:
                name = f"{state} {look} {size[0]}x{size[1]}"
                if all(word in name for word in words):
                    yield state, look, size


def main(folder: Path, words: list[str]) -> None:
    """Write them."""
    os.environ["TZ"] = "UTC"
    time.tzset()
    os.environ.pop("NO_COLOR", None)
    folder.mkdir(parents=True, exist_ok=True)
    sheets: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as made:
        preferences.config_folder = lambda: Path(made) / "config"
        Plan.read = lambda self: None  # type: ignore[method-assign]  # what the data hold is given here
        for state, look, size in names(words):
            name = f"{state}-{look}-{size[0]}x{size[1]}.svg"
            (folder / name).write_text(asyncio.run(picture(state, look, size, Path(made))), encoding="utf-8")
            sheets.setdefault(f"{look}-{size[0]}x{size[1]}", []).append(name)
            click.echo(name)
    for sheet, pictures in sheets.items():
        body = "".join(f'<figure><img src="{name}"></figure>' for name in pictures)
        (folder / f"{sheet}.html").write_text(f"<!doctype html><style>{CSS}</style>{body}", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
