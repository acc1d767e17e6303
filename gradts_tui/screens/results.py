"""The answer first, then rankings, trials, choices and gains, as `gradts-engine results` prints them."""

from __future__ import annotations

import json
from typing import ClassVar

from rich.console import Group, RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from gradts_engine import tables
from gradts_engine.page import write_page
from gradts_engine.report import RunResults, as_json
from gradts_engine.runtime.store import RunFolder
from gradts_tui.desk import Desk
from gradts_tui.messages import Export
from gradts_tui.screens.page import Page, plain
from gradts_tui.shelf import Problem
from gradts_tui.state import RunState
from gradts_tui.widgets.outcome import conclusion


class Results(Page):
    """The report of the run, primary by primary."""

    NAME = "results"
    FILTERS = True
    CSS_PATH = "results.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("e", "export", "Export"), Binding("o", "page", "Page")]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.shown: tuple[object, ...] = ()
        self.found: RunResults | None = None

    def body(self) -> ComposeResult:
        with VerticalScroll(id="main"):
            yield Static(id="report", markup=False)

    def draw(self, run: RunState) -> None:
        found = self.desk.evidence.results(run)
        report = self.query_one("#report", Static)
        if found is None:
            if self.found is None:
                report.update(Text("reading the results"))
            return
        if isinstance(found, Problem):
            report.update(tables.label(found.reason))
            return
        if (id(found), self.wanted) == self.shown:
            return
        self.shown, self.found = (id(found), self.wanted), found
        report.update(self.drawn(found))

    def drawn(self, found: RunResults) -> RenderableType:
        """The conclusion, and all that it rests on; of the primaries that the filter lets through."""
        kept = {p: result for p, result in found.primaries.items() if self.lets_through(p)}
        if not kept and self.wanted:
            return self.unmatched
        details = [tables.primary_results(p, result, found.settings) for p, result in kept.items()]
        return Group(*map(conclusion, kept.values()), Text(), *(details if self.wanted else [tables.run_results(found)]))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("export", "page"):
            return bool(self.found and self.found.data)
        return super().check_action(action, parameters)

    def action_export(self) -> None:
        """Write all results as JSON into the folder that the UI was started in."""
        if self.found:
            text = json.dumps(as_json(self.found), indent=2, allow_nan=False) + "\n"
            name = f"{self.found.run}-results.json"
            self.post_message(Export(name, lambda path: path.write_text(text, encoding="utf-8")))

    def action_page(self) -> None:
        """Write all that the run found as one HTML page to send on, as `gradts-engine report` does."""
        if run := self.desk.run:
            store, folder = self.desk.store, RunFolder(run.path)
            self.post_message(Export(f"{run.id}.html", lambda path: write_page(store, folder, path)))

    def copied(self) -> str:
        return plain(self.drawn(self.found)) if self.found else ""
