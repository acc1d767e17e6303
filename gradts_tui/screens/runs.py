"""The runs of a store: state, progress, age."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from gradts_engine import tables, words
from gradts_engine.errors import GradTSError
from gradts_engine.report import compare, results_of
from gradts_engine.runtime.cleaning import removable
from gradts_engine.runtime.shelving import archive, own, remove_runs
from gradts_engine.runtime.store import RunFolder
from gradts_tui.desk import Desk
from gradts_tui.messages import Attach, Complain, Export, Open, Run
from gradts_tui.screens.ask import Ask
from gradts_tui.screens.compare import Compare
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
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "New"),
        Binding("space", "mark", "Mark"),
        Binding("c", "compare", "Compare"),
        Binding("D", "remove", "Delete"),
        Binding("A", "archive", "Archive", show=False),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.marked: set[str] = set()

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
            tables.label(
                ("* " if run.id in self.marked else "") + words.shortened(run.id, LONGEST),
                "bold" if run.engine or run.waiting else "",
            ),
            state,
            share,
            Text(seen, justify="right"),
            tables.label(", ".join(primaries[:2]) + more),
            tables.label(started.encoder.rstrip("/").rpartition("/")[2] if started else ""),
        ]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "filter":
            return bool(self.desk.snapshot and self.desk.snapshot.runs) and not self.typing
        if action == "compare":
            return len(self.meant()) == 2
        if action in ("remove", "archive"):
            return not self.desk.read_only and bool(self.meant()) and not any(run.engine for run in self.meant())
        return super().check_action(action, parameters)

    def meant(self) -> list[RunState]:
        """The marked runs; where none is, the one under the cursor."""
        runs = self.desk.snapshot.runs if self.desk.snapshot else ()
        marked = [run for run in runs if run.id in self.marked]
        return marked or [run for run in runs if self.is_mounted and run.id == self.query_one(Table).chosen]

    def action_mark(self) -> None:
        """Mark the run under the cursor, or take its mark away."""
        if name := self.query_one(Table).chosen:
            self.marked ^= {name}
            self.refresh_run()
            self.refresh_bindings()

    def action_compare(self) -> None:
        """Two marked runs side by side."""
        first, second = self.meant()
        found = [results_of(self.desk.store, run.view, run.id, run.state) for run in (first, second)]
        self.app.push_screen(Compare(compare(*found)))

    def action_archive(self) -> None:
        """Pack the marked runs, with all that they need, into a file in the folder that the UI was started in; they stay."""
        store, folders = self.desk.store, [RunFolder(run.path) for run in self.meant()]
        self.post_message(Export(f"{folders[0].id}.tar.gz", lambda path: archive(store, folders, path)))

    def action_remove(self) -> None:
        """Delete the marked runs, and what no other run has; it asks first."""
        self.run_worker(partial(self.weigh, [RunFolder(run.path) for run in self.meant()]), thread=True)

    def weigh(self, folders: list[RunFolder]) -> None:
        """Find out what would go (in a thread), and ask."""
        try:
            results = own(self.desk.store, folders)
            sizes = {run.id: removable(run.path, "run").size for run in folders}
        except (GradTSError, OSError) as error:
            self.post_message(Complain(str(error)))
            return
        lines = [f"{name}  {size / 1e6:.2f} MB with its models" for name, size in sizes.items()]
        lines.append(f"{len(results)} results that no other run has  {sum(item.size for item in results) / 1e6:.2f} MB")
        body = Text("\n").join([*map(tables.label, lines), Text("There is no way back; A packs runs into a file first.", "bold")])
        self.app.call_from_thread(self.app.push_screen, Ask("Delete for good?", body), partial(self.drop, folders))

    def drop(self, folders: list[RunFolder], yes: bool | None) -> None:
        """Delete them, in a thread."""

        def work() -> None:
            """It may take a while."""
            try:
                freed = remove_runs(self.desk.store, folders)
            except (GradTSError, OSError) as error:
                self.post_message(Complain(str(error)))
            else:
                self.app.call_from_thread(self.notify, f"freed {freed / 1e6:.2f} MB")

        if yes:
            self.marked.clear()
            self.run_worker(work, thread=True)

    def action_new(self) -> None:
        """Write a tasks.toml for the data files of this folder, with questions (`gradts-engine init`), and look at its plan."""
        config = Path(CONFIG).absolute()
        command = [sys.executable, "-P", "-m", "gradts_engine", "init", "--store", str(self.desk.store.root)]
        self.post_message(Run(command, lambda: self.post_message(Open(config))))

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Enter attaches to the run under the cursor."""
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
