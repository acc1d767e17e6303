"""What the keys do, made from the bindings themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static


class Help(ModalScreen[None]):
    """Keys of the screen below it."""

    CSS_PATH = "help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q", "dismiss", "Close")]

    def __init__(self, bindings: Iterable[ActiveBinding]) -> None:
        super().__init__()
        self.bindings = [b for b in bindings if b.enabled and explained(b)]

    def compose(self) -> ComposeResult:
        own = [b for b in self.bindings if b.node is not self.app]
        everywhere = [b for b in self.bindings if b.node is self.app]
        with VerticalScroll():
            yield Static(self.keys("This screen", own), id="own")
            yield Static(self.keys("Everywhere", everywhere))
            yield Static(Text("\nArrow keys, Page Up and Page Down move; the mouse works too. Leaving never stops a run."))

    def keys(self, title: str, bindings: Iterable[ActiveBinding]) -> Table:
        """Two columns, key and what it does, from the action's description."""
        table = Table(title=Text(title, "bold"), title_justify="left", box=None, show_header=False, padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True, width=5)
        table.add_column(no_wrap=True, width=15)
        table.add_column()
        for active in bindings:
            key = self.app.get_key_display(active.binding)
            table.add_row(Text(key, "bold"), Text(active.binding.description), Text(explained(active), "dim"))
        return table


def explained(active: ActiveBinding) -> str:
    """What a key of ours does: its tooltip, or else the documentation of its action. Empty for keys that move, and for most of
    textual's own."""
    if active.binding.system:
        return ""
    place, _, name = active.binding.action.partition("(")[0].rpartition(".")
    action = getattr(active.node.app if place == "app" else active.node, f"action_{name}", None)
    ours = getattr(action, "__module__", "").startswith("gradts_tui")
    return active.binding.tooltip or ((action.__doc__ or "").strip().partition("\n")[0] if ours else "")
