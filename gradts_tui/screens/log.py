"""What happened, a line an event."""

from __future__ import annotations

import time
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from gradts_engine import tables
from gradts_tui.messages import Prefer
from gradts_tui.screens.page import Page
from gradts_tui.state import ERROR, INFO, LEVELS, WARNING, Line, RunState
from gradts_tui.widgets.lines import Lines
from gradts_tui.widgets.looks import colour
from gradts_tui.widgets.say import Say

STAMP = len("01 Jan 00:00:00  ")


class Log(Page):
    """Follows the end until one scrolls."""

    NAME = "log"
    FILTERS = True
    CSS_PATH = "log.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "follow", "Follow"),
        Binding("l", "level", "Level"),
    ]

    def body(self) -> ComposeResult:
        yield Lines(self.text, STAMP, id="main")
        yield Say(id="status")

    def draw(self, run: RunState) -> None:
        lines = self.query_one(Lines)
        level, wanted = self.desk.preferences.level, self.wanted
        shown = [x for x in run.log if x.level >= level and wanted in x.text.lower()]
        lines.show(shown)
        follow = "following" if lines.follow else "not following"
        narrowed = f", of {len(run.log)}" if len(shown) < len(run.log) else ""
        self.query_one("#status", Say).say(f"{len(shown)} lines{narrowed} · level {LEVELS[level]} and above · {follow}")

    def text(self, line: Line) -> Text:
        """A line with its time, in the colour of its level."""
        ink = {WARNING: "text-warning", ERROR: "text-error"}.get(line.level, "")
        style = colour(self.app, ink) if ink else "" if line.level == INFO else "dim"
        when = time.strftime("%d %b %H:%M:%S  ", time.localtime(line.time))
        return Text().append(when, "dim").append_text(tables.label(line.text, style))

    def action_follow(self) -> None:
        """Stay at the newest line, or do not."""
        lines = self.query_one(Lines)
        lines.follow = not lines.follow
        if lines.follow:
            lines.scroll_end(animate=False)
        self.refresh_run()

    def action_level(self) -> None:
        """Least level that is shown: detail, info, warning, error."""
        self.post_message(Prefer(level=(self.desk.preferences.level + 1) % len(LEVELS)))
        self.refresh_run()

    def notice(self, key: str) -> None:
        """Whoever looks up is not taken back to the end."""
        if key in ("up", "pageup", "home"):
            self.query_one(Lines).follow = False
            self.refresh_run()

    def copied(self) -> str:
        return "\n".join(self.text(line).plain for line in self.query_one(Lines).lines)
