"""A matrix with a cursor, of which as much is drawn as fits: the rest is a step of the cursor away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from gradts_engine import tables

MARK = Style(bold=True, reverse=True)
"""Of the names of the cursor's row and column."""
CURSOR = Style(bold=True, reverse=True, color="#ffffff", bgcolor="#000000")
"""Black on white, whatever the screen's own colours are: no step of a ramp looks like it."""

Values = Mapping[tuple[str, str], float | None]


class MatrixView(Widget, can_focus=True):
    """Rendered anew only when the data, what is in sight or the size change; a step of the cursor sends the lines that it left
    and came to."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(0, -1)", "Left", show=False, system=True),
        Binding("right", "move(0, 1)", "Right", show=False, system=True),
        Binding("up", "move(-1, 0)", "Up", show=False, system=True),
        Binding("down", "move(1, 0)", "Down", show=False, system=True),
        Binding("pageup", "page(-1, 0)", "Page up", show=False, system=True),
        Binding("pagedown", "page(1, 0)", "Page down", show=False, system=True),
        Binding("home", "move(0, -10000)", "First column", show=False, system=True),
        Binding("end", "move(0, 10000)", "Last column", show=False, system=True),
    ]

    class Moved(Message):
        """The cursor is on another cell, or there is room for more or fewer of them."""

    def __init__(self, axes: tuple[str, str] = ("rows", "columns"), *, id: str | None = None) -> None:  # noqa: A002 (textual's name)
        super().__init__(id=id)
        self.axes = axes
        self.rows: Sequence[str] = ()
        self.columns: Sequence[str] = ()
        self.values: Values = {}
        self.corner = ""
        self.pitch = 4
        """Columns of a cell with the space behind it."""
        self.at = (0, 0)
        self.first = (0, 0)
        self.marked = False
        """Show the cursor without having the keys."""
        self.drawn: list[Strip] = []
        """Lines without the cursor."""

    def show(self, rows: Sequence[str], columns: Sequence[str], values: Values, corner: str = "") -> None:
        """Show these values, with the cursor where it was as far as that is possible."""
        if (rows, columns, values, corner) == (self.rows, self.columns, self.values, self.corner):
            return
        self.rows, self.columns, self.values, self.corner = rows, columns, values, corner
        self.pitch = tables.Matrix(rows, columns, values).width + 1
        self.put(*self.at)
        self.scroll_into_sight()
        self.lay_out()
        self.refresh(layout=True)

    def put(self, row: int, column: int) -> None:
        """Put the cursor on a cell, the nearest one there is."""
        if not self.rows or not self.columns:
            return
        row = min(max(row, 0), len(self.rows) - 1)
        column = min(max(column, 0), len(self.columns) - 1)
        if (row, column) != self.at:
            (old_row, old_column), self.at = self.at, (row, column)
            if not self.scroll_into_sight():
                lines = {old_row - self.first[0], row - self.first[0], *([-1] if column != old_column else [])}
                self.refresh(*(Region(0, line + 1, self.size.width, 1) for line in lines))
            self.post_message(self.Moved())

    def scroll_into_sight(self) -> bool:
        """See to it that the cursor is; whether that changed what is."""
        height, width = self.room
        top = scrolled(self.first[0], self.at[0], height, len(self.rows))
        first = top, scrolled(self.first[1], self.at[1], width, len(self.columns))
        if moved := first != self.first:
            self.first = first
            self.lay_out()
        return moved

    def lay_out(self) -> None:
        """Render what is in sight, without the cursor."""
        height, width = self.room
        (top, left), console = self.first, self.app.console
        seen = self.rows[top : top + height], self.columns[left : left + width]
        matrix = tables.Matrix(*seen, self.values, self.corner, self.bounds)
        options = console.options.update(width=max(self.size.width, self.names + self.pitch * width), height=None)
        lines = console.render_lines(matrix, options, pad=False) if self.rows and self.size else []
        self.drawn = [Strip(line) for line in lines]
        self.refresh()

    @property
    def bounds(self) -> tuple[float, float]:
        """The ends of the ramp, whatever part is in sight."""
        return tables.bounds(self.values.values())

    @property
    def scale(self) -> Text:
        """What the colours stand for."""
        return tables.Matrix((), (), self.values).scale(tables.ramp_of(self.app.console)) if self.values else Text()

    @property
    def cell(self) -> tuple[str, str] | None:
        """Row and column under the cursor."""
        return (self.rows[self.at[0]], self.columns[self.at[1]]) if self.rows and self.columns else None

    @property
    def room(self) -> tuple[int, int]:
        """How many rows and columns fit."""
        return max(1, self.size.height - 1), max(1, (self.size.width - self.names) // self.pitch)

    @property
    def names(self) -> int:
        """Columns that the names of the rows take."""
        return max((len(name) for name in (*self.rows, self.corner)), default=0) + 1

    @property
    def whole(self) -> int:
        """Columns of the screen that all of it takes."""
        return self.names + self.pitch * len(self.columns)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Lines that all of it takes."""
        return len(self.rows) + 1

    @property
    def hidden(self) -> str:
        """Which rows and columns are in sight, by the first words of their names; empty where all are."""
        parts = [
            f"{axis} {seen[0].split()[0]}-{seen[-1].split()[0]}"
            for axis, names, room, first in zip(self.axes, (self.rows, self.columns), self.room, self.first, strict=True)
            if len(seen := names[first : first + room]) < len(names)
        ]
        return ", ".join(parts)

    def render_line(self, y: int) -> Strip:
        """A line with what the cursor changes in it."""
        width, ground = self.size.width, self.rich_style
        if y >= len(self.drawn):
            return Strip.blank(width, ground)
        strip = self.drawn[y]
        if self.has_focus or self.marked:
            for start, end, style in self.marks(y):
                parts = strip.crop(0, start), strip.crop(start, end), strip.crop(end)
                strip = Strip.join([parts[0], Strip(Segment.apply_style(parts[1], post_style=style)), parts[2]])
        return strip.crop_extend(0, width, ground).apply_style(ground)

    def marks(self, y: int) -> list[tuple[int, int, Style]]:
        """What the cursor changes in a line: from which column to which, and how."""
        row, column = self.at[0] - self.first[0], self.at[1] - self.first[1]
        left = self.names + column * self.pitch
        right = left + self.pitch - 1
        if y == 0:
            return [(max(right - len(self.columns[self.at[1]]), left), right, MARK)]
        return [(0, len(self.rows[self.at[0]]), MARK), (left, right, CURSOR)] if y == row + 1 else []

    def on_resize(self) -> None:
        """Other cells may be in sight."""
        self.scroll_into_sight()
        self.lay_out()
        self.post_message(self.Moved())

    def on_focus(self) -> None:
        """The cursor is drawn where keys go."""
        self.refresh()

    def on_blur(self) -> None:
        """The cursor is drawn where keys go."""
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """The cursor goes to the cell that was clicked."""
        self.put(self.first[0] + event.y - 1, self.first[1] + max(0, event.x - self.names) // self.pitch)

    def action_move(self, rows: int, columns: int) -> None:
        """Move the cursor."""
        self.put(self.at[0] + rows, self.at[1] + columns)

    def action_page(self, rows: int, columns: int) -> None:
        """Move the cursor by what fits."""
        self.put(self.at[0] + rows * self.room[0], self.at[1] + columns * self.room[1])


def scrolled(first: int, at: int, room: int, total: int) -> int:
    """The first of `total` lines to show where `room` of them fit: the one before, unless line `at` would be out of sight."""
    return min(max(first, at - room + 1, 0), at, max(total - room, 0))
