"""A table whose rows have names; a cell is drawn again only when it differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text
from textual.widgets import DataTable


class Table(DataTable[Text]):
    """With a cursor on a row."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(id="main", cursor_type="row")
        self.names = names

    def on_mount(self) -> None:
        """Make the columns."""
        for name in self.names:
            self.add_column(name, key=name)

    @property
    def chosen(self) -> str | None:
        """The name of the row under the cursor."""
        if not self.is_valid_row_index(self.cursor_row):
            return None
        return self.coordinate_to_cell_key(self.cursor_coordinate).row_key.value

    def fill(self, cells: Mapping[str, Sequence[Text]], first: str | None = None) -> None:
        """Show these rows, with the cursor on the one where it was; where it was on none, on the one named `first`."""
        if [key.value for key in self.rows] != list(cells):
            chosen = self.chosen or first
            self.clear()
            for name, row in cells.items():
                self.add_row(*row, key=name)
            if chosen is not None and chosen in cells:
                self.move_cursor(row=self.get_row_index(chosen))
            return
        for name, row in cells.items():
            for column, cell in zip(self.names, row, strict=True):
                if self.get_cell(name, column) != cell:
                    self.update_cell(name, column, cell, update_width=True)
