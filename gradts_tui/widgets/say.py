"""Text that is sent to the terminal only when it has changed."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text
from textual.widgets import Static

from gradts_tui.widgets.looks import harmless, themed


class Say(Static):
    """A `Static` without markup that remembers what it says. Where no line has another length than before, the screen is not
    laid out anew."""

    def __init__(self, text: str = "", *, id: str | None = None) -> None:  # noqa: A002 (textual's name)
        super().__init__(text, id=id, markup=False)
        self.said: RenderableType = text

    def say(self, text: Text | str) -> None:
        """Say this from now on."""
        text = harmless(themed(self.app, text)) if isinstance(text, Text) else harmless(Text(text)).plain
        if text != self.said:
            moved = _lengths(text) != _lengths(self.said)
            self.said = text
            self.update(text, layout=moved)


def _lengths(text: RenderableType) -> list[int]:
    return [len(line) for line in str(text).split("\n")]
