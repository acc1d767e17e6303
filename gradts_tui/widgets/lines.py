"""A long list of lines, of which only those in sight are drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.text import Text
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from gradts_tui.state import Line


class Lines(ScrollView, can_focus=True):
    """Draws each line with `text`; stays at the end while `follow` holds."""

    def __init__(self, text: Callable[[Line], Text], *, id: str | None = None) -> None:  # noqa: A002 (textual's name)
        super().__init__(id=id)
        self.text = text
        self.lines: Sequence[Line] = ()
        self.follow = True

    def show(self, lines: Sequence[Line]) -> None:
        """Show these from now on."""
        if lines == self.lines:
            return
        self.lines = lines
        width = max((len(line.text) for line in lines), default=0) + 20
        self.virtual_size = Size(width, len(lines))
        self.refresh()
        if self.follow:
            self.scroll_end(animate=False)

    def render_line(self, y: int) -> Strip:
        left, top = self.scroll_offset
        row = y + top
        width = self.size.width
        if row >= len(self.lines):
            return Strip.blank(width, self.rich_style)
        segments = self.text(self.lines[row]).render(self.app.console)
        return Strip(segments).crop_extend(left, left + width, self.rich_style).apply_style(self.rich_style)
