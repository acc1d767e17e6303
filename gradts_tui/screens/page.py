"""What all screens share: title, notice, filter, footer, and drawing the newest snapshot."""

from __future__ import annotations

from typing import Any, ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import Footer, Input, Static

from gradts_engine import tables
from gradts_tui.desk import Desk
from gradts_tui.messages import Copy
from gradts_tui.state import RunState
from gradts_tui.widgets.resources import Resources
from gradts_tui.widgets.title import Notice, Title, notice

SMALLEST = (60, 16)
"""Columns and lines below which nothing is drawn but a hint."""


class Page(Screen[None]):
    """Base of the screens. A subclass has `body`, in it a widget `#main` that takes the keys, and `draw`, which is called with
    every new snapshot while the screen is shown."""

    NAME: ClassVar[str] = ""
    AUTO_FOCUS = "#main"
    FILTERS: ClassVar[bool] = False
    """Whether `/` narrows what is shown."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/", priority=True),  # letters that come fast after it are typed
        Binding("y", "copy", "Copy", show=False),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk
        self.working: list[tuple[Binding, bool]] = []
        """Keys when they were last drawn, and whether they worked."""

    def compose(self) -> ComposeResult:
        yield Title(self.NAME)
        yield Notice()
        yield from self.body()
        with Horizontal(id="asked"):
            yield Static("filter: ")
            yield Input(id="filter", compact=True)
            yield Static("Enter keeps it, Esc drops it")
        yield Resources()
        yield Static(id="small", markup=False)
        yield Footer(show_command_palette=False, compact=True)

    def body(self) -> ComposeResult:
        """The widgets between title and footer."""
        yield from ()

    def draw(self, run: RunState) -> None:
        """Show a run."""

    def copied(self) -> str:
        """What `y` copies: what the screen says, as plain text."""
        return ""

    @property
    def wanted(self) -> str:
        """What the filter asks for, in lower case."""
        return self.query_one("#filter", Input).value.strip().lower()

    @property
    def typing(self) -> bool:
        """Whether a filter is being typed."""
        return isinstance(self.focused, Input)

    def lets_through(self, *words: str) -> bool:
        """Whether the filter does."""
        return self.wanted in " ".join(words).lower()

    @property
    def unmatched(self) -> Text:
        """What to say where it lets nothing through."""
        return tables.label(f"Nothing here has {self.wanted!r} in its name: Esc drops the filter.")

    def on_mount(self) -> None:
        """Everything is there: hide what is not wanted yet."""
        self.query_one("#asked").display = False

    def on_screen_resume(self) -> None:
        """Draw what is new since the screen was last shown."""
        self.refresh_run()

    def refresh_run(self) -> None:
        """Draw the newest snapshot."""
        if not self.is_mounted:
            return
        snapshot, run = self.desk.snapshot, self.desk.run
        self.query_one(Title).show(snapshot, run)
        text, kind = notice(run, snapshot.writable) if run and snapshot and self.NAME != "runs" else ("", "warning")
        if run and run.waiting and self.NAME == "select":
            text = ""  # the screen itself says so
        if snapshot and snapshot.problem and self.NAME != "runs":
            text, kind = snapshot.problem, "error"
        if self.desk.starting:
            text, kind = self.desk.starting, "warning"
        self.query_one(Notice).show(text, kind)
        self.query_one(Resources).display = self.desk.preferences.resources
        if run:
            self.draw(run)
        self.give_keys()

    def refresh_keys(self) -> None:
        """Tell the footer of keys that work now and did not before, or the other way: it is made anew then, which is dear."""
        working = [(active.binding, active.enabled) for active in self.active_bindings.values()]
        if working != self.working:
            self.working = working
            self.refresh_bindings()

    def on_resize(self, event: events.Resize) -> None:
        """Say so where the terminal is too small."""
        small = event.size.width < SMALLEST[0] or event.size.height < SMALLEST[1]
        self.set_class(small, "-small")
        width, height = event.size
        hint = f"{width} x {height} is too small.\nGradTS needs {SMALLEST[0]} x {SMALLEST[1]}.\nq leaves; the run goes on."
        self.query_one("#small", Static).update(Text(hint, justify="center"))
        self.call_after_refresh(self.refresh_run)

    @property
    def small(self) -> bool:
        """Whether the terminal is too small for anything but a hint."""
        return self.has_class("-small")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self.FILTERS and not self.typing if action == "filter" else True

    # --- filter ------------------------------------------------------------------------------------------------------

    def action_filter(self) -> None:
        """Type what to look for; Enter keeps it, Escape drops it."""
        self.query_one("#asked").display = True
        self.set_focus(self.query_one("#filter"))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Narrow what is shown with every letter."""
        if event.input.id == "filter":
            self.refresh_run()
            self.refresh_bindings()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the filter."""
        if event.input.id == "filter":
            self.query_one("#asked").display = bool(event.value)
            self.back_to_body()

    def notice(self, key: str) -> None:
        """A key is about to do something."""

    def on_key(self, event: events.Key) -> None:
        """Escape drops the filter."""
        asked = self.query_one("#asked")
        if event.key == "escape" and asked.display:
            event.stop()
            event.prevent_default()
            self.query_one("#filter", Input).value = ""
            asked.display = False
            self.back_to_body()

    def back_to_body(self) -> None:
        """Give the keys back to what the screen shows."""
        self.set_focus(self.query_one("#main"))

    def give_keys(self) -> None:
        """To what the screen shows, where nothing has them: it may have been hidden when the screen came."""
        if self.focused is None and self.query_one("#main").display:
            self.back_to_body()

    # --- copy --------------------------------------------------------------------------------------------------------

    def action_copy(self) -> None:
        """Copy what the screen says, through the terminal, and into a file."""
        self.post_message(Copy(self.NAME, self.copied()))


def plain(renderable: Any, width: int = 160) -> str:
    """A rich renderable as text without styles."""
    from rich.console import Console

    console = Console(width=width, color_system=None, markup=False, highlight=False, legacy_windows=False)
    with console.capture() as capture:
        console.print(renderable)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())
