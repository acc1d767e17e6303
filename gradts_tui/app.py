"""The application: which run is looked at, the newest snapshot of the store, the screens, and keys that work everywhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

from rich.terminal_theme import TerminalTheme
from textual import on
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen

from gradts_engine import tables
from gradts_engine.runtime.inbox import Cancel, Pause, Resume
from gradts_engine.runtime.store import Store
from gradts_tui.host import Host, Source
from gradts_tui.messages import Open, Send, Start
from gradts_tui.news import news, notification, window_title
from gradts_tui.preferences import Preferences
from gradts_tui.screens.ask import Ask
from gradts_tui.screens.correlation import Correlation
from gradts_tui.screens.help import Help, explained
from gradts_tui.screens.importance import Importance
from gradts_tui.screens.log import Log
from gradts_tui.screens.page import Page
from gradts_tui.screens.plan import Plan
from gradts_tui.screens.results import Results
from gradts_tui.screens.run import Run
from gradts_tui.screens.runs import Runs
from gradts_tui.screens.select import Select
from gradts_tui.state import Snapshot
from gradts_tui.themes import THEMES, ansi
from gradts_tui.widgets.title import PAGES

PAGE_KINDS: tuple[type[Page], ...] = (Runs, Run, Importance, Correlation, Select, Results, Log)


class GradTS(Host):
    """Shows what `source` posts. `run` is the id of the run to open, `config` a tasks.toml to check and start; with neither, the
    list of runs opens. `plain`: the terminal knows ASCII alone."""

    TITLE = "GradTS"
    CSS_PATH = "app.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]  # noqa: RUF012 (textual declares it)
    VERTICAL_BREAKPOINTS = [(0, "-low"), (20, "-short"), (40, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(number), f"page('{name}')", name.title(), show=False, tooltip=about)
            for number, (name, about) in enumerate(PAGES.items(), 1)
        ),
        Binding("p", "pause", "Pause or resume", show=False),
        Binding("X", "stop", "Stop", show=False),
        Binding("c", "go_on", "Go on", show=False),
        Binding("r", "runs", "Runs", show=False),
        Binding("g", "resources", "Resources", show=False),
        Binding("t", "next_theme", "Theme", show=False),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("q", "leave", "Leave"),
    ]

    class Taken(Message):
        """There is a new snapshot."""

    def __init__(
        self,
        store: Store,
        source: Source,
        run: str | None = None,
        preferences: Preferences | None = None,
        config: Path | None = None,
        plain: bool = False,
    ) -> None:
        super().__init__(store, source, run, preferences, plain)
        self.config = config
        self.animation_level = "none"
        self.newest: Snapshot | None = None

    # --- start and end -----------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Open the first screen, and begin to read the store."""
        for theme in THEMES.values():
            self.register_theme(theme)
        known = self.desk.preferences.theme in self.available_themes
        self.theme = self.desk.preferences.theme if known else next(iter(THEMES))
        self.set_class(self.console.color_system == "standard", "-sixteen")
        self.theme_changed_signal.subscribe(self, lambda theme: self.rethemed(theme.name))
        for name, screen in self.pages().items():
            self.install_screen(screen, name)
        self.push_screen(Plan(self.desk, self.config) if self.config else "run" if self.desk.selected else "runs")
        self.source.start(self.take)

    def pages(self) -> dict[str, Page]:
        """All screens by name."""
        return {page.NAME: page for page in (kind(self.desk) for kind in PAGE_KINDS)}

    def on_unmount(self) -> None:
        """Leave no thread behind."""
        self.source.stop()
        self.shelf.close()

    @property
    def ansi_theme(self) -> TerminalTheme:
        """The theme's own green, red and yellow, for what is drawn with these names."""
        return ansi(self.current_theme) if self.theme in THEMES else super().ansi_theme

    # --- snapshots ---------------------------------------------------------------------------------------------------

    def take(self, snapshot: Snapshot) -> None:
        """Called by the reader's thread: the newest snapshot is drawn as soon as there is time, older ones are not."""
        self.newest = snapshot
        self.post_message(self.Taken())

    def on_grad_ts_taken(self, message: Taken) -> None:
        """Draw a snapshot, unless a later one has been drawn."""
        if self.newest is not None and self.newest is not self.desk.snapshot:
            self.show(self.newest)

    def show(self, snapshot: Snapshot) -> None:
        """Draw the newest snapshot."""
        before, self.desk.snapshot = self.desk.snapshot, snapshot
        self.call(before, snapshot)
        self.answers(snapshot)
        if before and before.run(self.desk.selected) and not (self.desk.run or snapshot.problem):
            self.part()
        self.redraw()

    def part(self) -> None:
        """The run that is looked at was removed: nothing of it stays on the screen."""
        if not isinstance(self.screen, Runs):
            self.notify(f"{self.desk.selected} is gone: it was removed from the store, or moved.", severity="warning")
        self.desk.selected = None
        while not isinstance(self.screen, Page):
            self.pop_screen()
        self.action_runs()

    def call(self, before: Snapshot | None, snapshot: Snapshot) -> None:
        """Tell of runs that wait for a person or have ended, by the bell, on the desktop, and in the terminal's title (OSC 2)."""
        told = news(before, snapshot)
        if told and self.desk.preferences.bell:
            self.bell()
            for line in told:
                self.write(notification(line, os.environ.get("TERM", "")))
        title = window_title((run.id for run in snapshot.runs if run.waiting), self.desk.run)
        if title != self.sub_title:
            self.write(f"\x1b]2;{''.join(c for c in title if c.isprintable())}\x07")
        self.sub_title = title

    def write(self, sequence: str) -> None:
        """Send something to the terminal that draws nothing."""
        if sequence and self._driver is not None and not (self.is_headless or self.is_web):
            self._driver.write(sequence)

    @on(Open)
    def open(self, message: Open) -> None:
        """Show what a tasks.toml would run."""
        self.switch_screen(Plan(self.desk, message.config))

    # --- actions -----------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Which keys work now."""
        if action in ("page", "runs") and not isinstance(self.screen, Page):
            return False
        if action in ("pause", "stop", "go_on"):
            looked_at = isinstance(self.screen, Page) and not isinstance(self.screen, Runs)  # there, no run is
            return looked_at and self.desk.can(action)
        if action == "page":
            return self.desk.run is not None and self.is_screen_installed(str(parameters[0]))
        return not (action == "runs" and isinstance(self.screen, Runs))

    def get_key_display(self, binding: Binding) -> str:
        """Enter by its name, as our sentences have it: fonts lack its sign."""
        return super().get_key_display(binding).replace("⏎", "Enter")

    def action_page(self, name: str) -> None:
        """Go to a screen."""
        if not (isinstance(self.screen, Page) and name == self.screen.NAME):
            self.switch_screen(name)

    def action_runs(self) -> None:
        """Go to the list of runs."""
        self.switch_screen("runs")

    def action_pause(self) -> None:
        """Hold the run after its present step, or have it go on."""
        if run := self.desk.run:
            paused = run.state == "paused"
            self.post_message(Send(run, Resume(), "go on") if paused else Send(run, Pause(), "pause"))

    def action_stop(self) -> None:
        """Ask, and end the run after its present step."""
        run = self.desk.run
        if run is None:
            return
        text = tables.label(run.id, "bold").append(
            "\nIt ends after the present step. What it has done is kept, and c goes on with it later.\n"
            "(To leave it running, press q instead.)"
        )

        def stop(yes: bool | None) -> None:
            """What the answer means."""
            if yes:
                self.post_message(Send(run, Cancel(), "stop"))

        self.push_screen(Ask("Stop this run?", text), stop)

    def action_go_on(self) -> None:
        """Start an engine that goes on with the run."""
        if (run := self.desk.run) and run.view.started:
            self.post_message(Start(Path(run.view.started.config)))

    def action_leave(self) -> None:
        """Leave; engines go on."""
        self.exit(0)

    def action_resources(self) -> None:
        """Show CPU, memory and GPUs, or hide them."""
        self.remember(resources=not self.desk.preferences.resources)
        self.redraw()

    def rethemed(self, theme: str) -> None:
        """Texts have the colours of the theme that they were said in."""
        self.remember(theme=theme)
        self.redraw()

    def action_next_theme(self) -> None:
        """Dark, light, high contrast."""
        names = list(THEMES)
        place = names.index(self.theme) if self.theme in names else -1
        self.theme = names[(place + 1) % len(names)]

    def action_switch_bell(self) -> None:
        """Ring when a run waits for a person or ends, or do not."""
        self.remember(bell=not self.desk.preferences.bell)
        self.notify(f"The bell is {'on' if self.desk.preferences.bell else 'off'}.")

    def action_help(self) -> None:
        """Say what the keys do."""
        self.push_screen(Help(self.screen.active_bindings.values()))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """What Ctrl+P offers: textual's own, and everything that a key does here."""
        yield from super().get_system_commands(screen)
        yield SystemCommand("Bell on or off", "Ring when a run waits for a person or ends", self.action_switch_bell)
        for active in screen.active_bindings.values():
            if active.enabled and explained(active) and active.binding.action not in ("quit", "command_palette"):
                key = self.get_key_display(active.binding)
                about = f"{explained(active)} Key: {key}"
                yield SystemCommand(f"GradTS: {active.binding.description}", about, self.runner(active.binding.action))

    def runner(self, action: str) -> Callable[[], Any]:
        """A function that does what a key of the present screen does."""
        return lambda: self.call_later(self.run_action, action, self.screen)
