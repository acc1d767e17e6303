"""The runs of a store: state, progress, age."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from gradts_engine import tables, words
from gradts_tui.messages import Attach, Open, Run
from gradts_tui.screens.page import Page, plain
from gradts_tui.state import RunState, Snapshot
from gradts_tui.tree import branches, progress, running
from gradts_tui.widgets.looks import look
from gradts_tui.widgets.say import Say
from gradts_tui.widgets.table import Table

CONFIG = "tasks.toml"
LONGEST = 30
"""Columns of a run's name."""
COLUMNS = ("run", "state", "progress", "age", "primary", "encoder")


class RunTable(Table):
    """Says what Enter does."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Open", tooltip="Look at the run under the cursor."),
    ]


class Runs(Page):
    """Enter attaches to the run under the cursor."""

    NAME = "runs"
    FILTERS = True
    CSS_PATH = "runs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("n", "new", "New")]

    def body(self) -> ComposeResult:
        yield Say(id="empty")
        yield RunTable(COLUMNS)

    def refresh_run(self) -> None:
        super().refresh_run()
        snapshot = self.desk.snapshot
        if not self.is_mounted or snapshot is None:
            return
        wanted = [run for run in snapshot.runs if self.lets_through(run.id, run.state)]
        self.query_one("#empty").display = not wanted
        self.query_one("#main").display = bool(wanted)
        if not wanted:
            self.query_one("#empty", Say).say(self.unmatched if snapshot.runs else nothing(snapshot))
            return
        self.query_one(Table).fill({run.id: self.cells(run, snapshot.now) for run in wanted}, self.desk.selected)

    def cells(self, run: RunState, now: float) -> list[Text]:
        """A row of the table."""
        state = look(self.app, "unreadable" if run.problem else run.state)
        found = branches(run.view, now, bool(run.engine))
        finished, known = progress(found)
        share = Text(f"{finished}/{known}" if known else "", justify="right")
        if leaf := running(found):
            share.append_text(tables.label(f" {leaf.key[0]}", "dim"))
        seen = words.age(now - run.view.last) if run.view.last else ""
        started = run.view.started
        primaries = list(started.primaries) if started else []
        more = f" +{len(primaries) - 2}" if len(primaries) > 2 else ""
        return [
            tables.label(words.shortened(run.id, LONGEST), "bold" if run.engine or run.waiting else ""),
            state,
            share,
            Text(seen, justify="right"),
            tables.label(", ".join(primaries[:2]) + more),
            tables.label(started.encoder.rstrip("/").rpartition("/")[2] if started else ""),
        ]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "filter":
            return bool(self.desk.snapshot and self.desk.snapshot.runs) and not self.typing
        return super().check_action(action, parameters)

    def action_new(self) -> None:
        """Write a tasks.toml for the data files of this folder, with questions (`gradts-engine init`), and look at its plan."""
        config = Path(CONFIG).absolute()
        command = [sys.executable, "-P", "-m", "gradts_engine", "init", "--store", str(self.desk.store.root)]
        self.post_message(Run(command, lambda: self.post_message(Open(config))))

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        if name := self.query_one(Table).chosen:
            self.post_message(Attach(name))

    def copied(self) -> str:
        snapshot = self.desk.snapshot
        rows = [self.cells(run, snapshot.now) for run in snapshot.runs] if snapshot else []
        return plain(tables.records([dict(zip(COLUMNS, map(str, row), strict=True)) for row in rows]))


def nothing(snapshot: Snapshot) -> Text:
    """What to do where there are no runs."""
    if snapshot.problem:
        return tables.label(snapshot.problem)
    return Text("\n").join(
        [
            tables.label(f"No runs in {snapshot.root} yet.", "bold"),
            Text(),
            Text("Start one with a file of settings:"),
            Text("    gradts-tui tasks.toml", "bold"),
            Text("or have one written for the data files of this folder:"),
            Text("    n", "bold"),
            Text("or look into another store:"),
            Text("    gradts-tui --store FOLDER", "bold"),
        ]
    )
