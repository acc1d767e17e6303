"""A table whose rows have names; a cell is drawn again only when it differs, and a column that does not fit is not half shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.strip import Strip
from textual.widgets import DataTable

from gradts_engine import words
from gradts_engine.printing import printable
from gradts_tui.widgets.looks import harmless

BEFORE, BEHIND = "◂", "▸"
"""There are more columns, a step of the arrow keys away."""

LEAST = 12
"""Columns that a cell has in any case."""


class Table(DataTable[Text]):
    """With a cursor on a row, and columns that come with the rows; the first `fixed` stay where the others are scrolled."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "cursor_left", "Columns before", show=False),
        Binding("right", "cursor_right", "More columns", show=False),
    ]

    def __init__(self, fixed: int = 1) -> None:
        super().__init__(id="main", cursor_type="row", fixed_columns=fixed)
        self.heads: dict[str, str] = {}
        """Names of the columns and what stands above them."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action not in ("cursor_left", "cursor_right") or self.overflows

    def on_resize(self) -> None:
        """Columns are made anew: they may have become narrower."""
        self.heads = {}

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Lines of the rows that it has now: Textual counts them when nothing else is to be done, and may lay out the screen
        before, with none."""
        return self.row_count + (self.header_height if self.show_header else 0)

    @property
    def chosen(self) -> str | None:
        """The name of the row under the cursor."""
        if not self.is_valid_row_index(self.cursor_row):
            return None
        return self.coordinate_to_cell_key(self.cursor_coordinate).row_key.value

    def fill(self, heads: Mapping[str, str], cells: Mapping[str, Sequence[Text]], first: str | None = None) -> None:
        """Show these rows, with the cursor on the one where it was; where it was on none, on the one named `first`. Columns are
        as wide as what is in them: Textual would find out later, and draw cut words until then. What is wider than there is room
        for is cut."""
        heads = {name: printable(head) for name, head in heads.items()}
        cells = self.cut({name: [*map(harmless, row)] for name, row in cells.items()})
        wide = {name: max([cell_len(heads[name]), *(x[i].cell_len for x in cells.values())]) for i, name in enumerate(heads)}
        known = {str(key.value): column.width for key, column in self.columns.items()}
        fresh = self.heads != heads or any(wide[name] > known[name] for name in wide)
        if fresh or [key.value for key in self.rows] != list(cells):
            chosen, across = self.chosen or first, self.scroll_x
            self.clear(columns=True)
            for name in heads:
                self.add_column(Text(heads[name]), key=name, width=wide[name])
            self.heads = dict(heads)
            for name, row in cells.items():
                self.add_row(*row, key=name)
            if chosen is not None and chosen in cells:
                self.move_cursor(row=self.get_row_index(chosen))
            self.scroll_to(x=across, animate=False)
            self.refresh(layout=True)
            return
        for name, row in cells.items():
            for column, cell in zip(heads, row, strict=True):
                if self.get_cell(name, column) != cell:
                    self.update_cell(name, column, cell)

    # --- columns that do not fit -------------------------------------------------------------------------------------

    def cut(self, cells: Mapping[str, Sequence[Text]]) -> dict[str, list[Text]]:
        """With what is too wide for the room beside the fixed columns cut in the middle, as names are everywhere."""
        fixed = self.fixed_columns
        columns = zip(*(row[:fixed] for row in cells.values()), strict=True)
        taken = sum(max(text.cell_len for text in column) + 2 for column in columns)
        most = max(LEAST, self.screen.size.width - taken - 4)  # a blank on either side, a mark, and a bar to scroll by

        def shortened(i: int, text: Text) -> Text:
            return Text(words.shortened(text.plain, most), text.style) if i >= fixed and text.cell_len > most else text

        return {name: [shortened(i, text) for i, text in enumerate(row)] for name, row in cells.items()}

    @property
    def overflows(self) -> bool:
        """Whether there is more than fits. (`virtual_size` says so later than this is drawn.)"""
        whole = sum(column.get_render_width(self) for column in self.ordered_columns)
        return whole - 1 > self.size.width  # behind the last column is a blank

    def edges(self) -> Iterator[tuple[int, int]]:
        """From where to where the columns that are scrolled lie, beside the fixed ones."""
        at = 0
        for column in self.ordered_columns[self.fixed_columns :]:
            yield at, at + column.get_render_width(self)
            at += column.get_render_width(self)

    def action_cursor_right(self) -> None:
        """Bring the next columns into sight."""
        self.scroll_to(x=next((start for start, _ in self.edges() if start > self.scroll_x), self.scroll_x), animate=False)

    def action_cursor_left(self) -> None:
        """Back by a column."""
        self.scroll_to(x=max((start for start, _ in self.edges() if start < self.scroll_x), default=0), animate=False)

    def render_line(self, y: int) -> Strip:
        strip, (width, _), at = super().render_line(y), self.size, round(self.scroll_x)
        if not self.overflows:
            return strip
        begin = sum(column.get_render_width(self) for column in self.ordered_columns[: self.fixed_columns])
        places = [(begin + start - at, begin + end - at) for start, end in self.edges()]
        last = len(places) - 1
        end = next((start for i, (start, stop) in enumerate(places) if stop - (i == last) > width), width)
        start = min(max((stop for start, stop in places if start < begin), default=begin), end)
        whole, before, behind = strip.crop(start, end), strip.crop(begin, start), strip.crop(end, width)
        strip = Strip.join([strip.crop(0, begin), blank(before), whole, blank(behind)])
        if y or not self.show_header:
            return strip
        for mark, place, there in ((BEFORE, begin, at > 0), (BEHIND, width - 1, places[last][1] - 1 > width)):
            if there:
                strip = Strip.join([strip.crop(0, place), blank(strip.crop(place, place + 1), mark), strip.crop(place + 1)])
        return strip


def blank(strip: Strip, mark: str = " ") -> Strip:
    """Of the same colours, but with nothing in it, or a mark in each column."""
    return Strip([Segment(mark * cell_len(text), style) for text, style, _ in strip], strip.cell_length)
