"""A curve of a training: its loss as a line, its dev scores as points."""

from __future__ import annotations

import os
from collections.abc import Sequence

from rich.text import Text
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from gradts_tui.driver import Ascii
from gradts_tui.plot import Point, plot
from gradts_tui.widgets.looks import colour

NO_BRAILLE = ("linux",)
"""Kinds of terminal whose font has none."""


class Chart(Widget):
    """Only lines that differ from before are drawn again: that costs a tenth of the bytes."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 (textual's name)
        super().__init__(id=id)
        self.shown: tuple[object, ...] = ()
        self.drawn: list[Text] = []
        self.plain = Ascii() if os.environ.get("TERM") in NO_BRAILLE else None

    def show(self, line: Sequence[Point], points: Sequence[Point], end: float) -> None:
        """Draw these from now on; `end` is the right end of the x axis."""
        self.shown = (line, points, end)
        self.draw_anew()

    def draw_anew(self) -> None:
        """Draw the lines that changed."""
        if not self.shown or not self.size:
            return
        line, points, end = self.shown
        inks = (colour(self.app, "primary") or "bold", colour(self.app, "text-warning") or "bold")
        drawn = plot(line, points, end, (self.size.width, self.size.height), inks)  # type: ignore[arg-type]
        before, self.drawn = self.drawn, drawn
        if len(before) != len(drawn):
            self.refresh()
            return
        for y, (old, new) in enumerate(zip(before, drawn, strict=True)):
            if old != new:
                self.refresh(Region(0, y, self.size.width, 1))

    def on_resize(self) -> None:
        """Drawn for its new size."""
        self.draw_anew()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y >= len(self.drawn):
            return Strip.blank(width, self.rich_style)
        text = self.drawn[y]
        if self.plain is not None:
            text = Text(text.plain.translate(self.plain), spans=text.spans)
        return Strip(text.render(self.app.console)).crop_extend(0, width, self.rich_style).apply_style(self.rich_style)
