"""A table whose rows have names; a cell is drawn again only when it differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.cells import cell_len
from rich.text import Text
from textual.geometry import Size
from textual.widgets import DataTable


class Table(DataTable[Text]):
    """With a cursor on a row, and columns that come with the rows."""

    def __init__(self) -> None:
        super().__init__(id="main", cursor_type="row")
        self.heads: dict[str, str] = {}
        """Names of the columns and what stands above them."""

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
        as wide as what is in them: Textual would find out later, and draw cut words until then."""
        wide = {name: max([cell_len(heads[name]), *(x[i].cell_len for x in cells.values())]) for i, name in enumerate(heads)}
        known = {str(key.value): column.width for key, column in self.columns.items()}
        fresh = self.heads != heads or any(wide[name] > known[name] for name in wide)
        if fresh or [key.value for key in self.rows] != list(cells):
            chosen, across = self.chosen or first, self.scroll_x
            self.clear(columns=True)
            for name in heads:
                self.add_column(heads[name], key=name, width=wide[name])
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
