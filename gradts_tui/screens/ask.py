"""A question that has to be answered before anything happens."""

from __future__ import annotations

from typing import ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from gradts_engine import tables


class Ask(ModalScreen[bool]):
    """True for `y` (or Enter, where `enter`), False for Escape or `n`."""

    CSS_PATH = "ask.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("enter", "accept", "Yes", show=False),
        Binding("escape,n", "answer(False)", "No", key_display="esc"),
    ]

    def __init__(self, title: str, body: RenderableType, *, enter: bool = False) -> None:
        super().__init__()
        self.heading = title
        self.body = body
        self.enter = enter

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static(tables.label(self.heading, "bold"), id="heading")
            yield Static(self.body)
            yield Static(Text(f"\n{'Enter or y' if self.enter else 'y'}: yes    Esc: no", "dim"))
        yield Footer(show_command_palette=False, compact=True)

    def action_answer(self, answer: bool) -> None:
        """Answer."""
        self.dismiss(answer)

    def action_accept(self) -> None:
        """Enter says yes only where nothing is lost by it."""
        if self.enter:
            self.dismiss(True)
