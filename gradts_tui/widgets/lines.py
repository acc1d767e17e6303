"""A long list of lines, of which only those in sight are drawn; what is too long for one line goes on below it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.text import Text
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from gradts_engine.printing import printable
from gradts_tui.state import Line


class Lines(ScrollView, can_focus=True):
    """Draws each line with `text`, which puts `indent` columns in front of its words; stays at the end while `follow` holds."""

    def __init__(self, text: Callable[[Line], Text], indent: int, *, id: str | None = None) -> None:  # noqa: A002 (textual's name)
        super().__init__(id=id)
        self.text = text
        self.indent = indent
        self.lines: Sequence[Line] = ()
        self.rows: list[tuple[int, int, int]] = []
        """Line that each row shows, and from where to where."""
        self.follow = True

    def show(self, lines: Sequence[Line]) -> None:
        """Show these from now on."""
        if lines != self.lines:
            self.lines = lines
            self.lay_out()

    def lay_out(self) -> None:
        """Find the rows, and stay at the end."""
        room = self.room
        self.rows = [(i, *part) for i, line in enumerate(self.lines) for part in folds(printable(line.text), room)]
        self.virtual_size = Size(self.scrollable_content_region.width, len(self.rows))
        self.refresh()
        if self.follow:
            self.scroll_end(animate=False)

    @property
    def room(self) -> int:
        """Columns of a line's words."""
        return max(self.scrollable_content_region.width - self.indent, 10)

    def on_resize(self) -> None:
        """Folded for its new width."""
        self.call_after_refresh(self.lay_out)

    def render_line(self, y: int) -> Strip:
        row, width = y + self.scroll_offset.y, self.size.width
        if row >= len(self.rows):
            return Strip.blank(width, self.rich_style)
        line, start, end = self.rows[row]
        text = self.text(self.lines[line])
        head = Text(" " * self.indent) if start else text[: self.indent]
        text = Text.assemble(head, text[self.indent + start : self.indent + end])
        return Strip(text.render(self.app.console)).crop_extend(0, width, self.rich_style).apply_style(self.rich_style)


def folds(text: str, room: int) -> Iterator[tuple[int, int]]:
    """From where to where the parts of a text go that are at most `room` long: they end at blanks, where there are any."""
    start = 0
    while len(text) - start > room:
        blank = text.rfind(" ", start + 1, start + room + 1)
        end = start + room if blank < 0 else blank
        yield start, end
        start = end + (blank >= 0)
    yield start, len(text)
