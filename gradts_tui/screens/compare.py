"""Two runs side by side."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from gradts_engine import tables
from gradts_engine.report import Comparison


class Compare(ModalScreen[None]):
    """Settings that differ, rankings and scores, as `gradts-engine results A B` prints them."""

    CSS_PATH = "compare.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,c,q", "dismiss", "Close")]

    def __init__(self, found: Comparison) -> None:
        super().__init__()
        self.found = found

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static(tables.comparison(self.found))
        yield Footer(show_command_palette=False, compact=True)
