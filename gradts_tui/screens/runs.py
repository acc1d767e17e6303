"""The runs of a store: state, progress, and what each came to."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from rich.cells import cell_len
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
from gradts_tui.overview import chosen, outcomes
from gradts_tui.screens.ask import Ask
from gradts_tui.screens.compare import Compare
from gradts_tui.screens.page import Page, plain
from gradts_tui.state import RunState, Snapshot
from gradts_tui.tree import branches, progress, running
from gradts_tui.widgets.looks import look
from gradts_tui.widgets.say import Say
from gradts_tui.widgets.table import Table

CONFIG = "tasks.toml"
LONGEST, LEAST = 30, 12
"""Columns of a run's name, or of what it chose: at most, and where there is not room for more."""
COLUMNS = ("run", "state", "progress", "gain", "test", "age", "chosen", "tasks", "started", "primary", "encoder")
"""Those up to `KEPT` are seen at 80 columns, for which names are cut; the rest comes with the right arrow key. `gain` is that of
dev scores over the primary alone."""
KEPT, CUT = "chosen", ("run", "chosen")
SORTS = ("started", "gain", "test", "state", "run")
"""What `s` sorts by, in turn; a click sorts by any column."""
FALLING = ("started", "age", "gain", "test", "progress", "tasks")
"""Sorted from the top: the latest, the best."""
MOST = 2
"""Primaries of a run that are named, where there is room."""
ROOMY = 120
"""Columns from which there is."""


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
        Binding("s", "sort", "Sort"),
        Binding("c", "compare", "Compare"),
        Binding("D", "remove", "Delete"),
        Binding("A", "archive", "Archive", show=False),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.marked: set[str] = set()
        self.by, self.falling = "started", True
        """How runs are sorted."""

    def body(self) -> ComposeResult:
        yield Say(id="empty")
        yield RunTable()

    def refresh_run(self) -> None:
        super().refresh_run()
        snapshot = self.desk.snapshot
        if not self.is_mounted or snapshot is None:
            return
        wanted = [run for run in snapshot.runs if self.lets_through(run.id, run.state)]
        self.query_one("#empty").display = not wanted
        self.query_one("#main").display = bool(wanted)
        self.give_keys()
        if not wanted:
            self.query_one("#empty", Say).say(self.unmatched if snapshot.runs else nothing(snapshot))
            return
        cells = {run.id: self.cells(run, snapshot.now) for run in self.sorted(wanted)}
        heads = {name: f"{name} {'▼' if self.falling else '▲'}" if name == self.by else name for name in COLUMNS}
        self.query_one(Table).fill(heads, fitted(heads, cells, self.size.width), self.desk.selected)

    def sorted(self, runs: list[RunState]) -> list[RunState]:
        """By the present column; runs without such a value come last."""
        keys = {run.id: key(run, self.by) for run in runs}
        known = [run for run in runs if keys[run.id] is not None]
        known.sort(key=lambda run: keys[run.id], reverse=self.falling)  # type: ignore[arg-type, return-value]  # none is None
        return known + [run for run in runs if keys[run.id] is None]

    @property
    def most(self) -> int:
        """Primaries of a run that are named."""
        return MOST if self.size.width >= ROOMY else 1

    def cells(self, run: RunState, now: float) -> list[Text]:
        """A row of the table."""
        found = branches(run.view, now, bool(run.engine))
        finished, known = progress(found)
        share = Text(f"{finished}/{known}" if known else "", justify="right")
        if (leaf := running(found)) and self.most > 1:
            share.append_text(tables.label(f" {leaf.key[0]}", "dim"))
        started, came = run.view.started, list(outcomes(run.view))
        mark, most = "* " if run.id in self.marked else "", self.most
        began = time.strftime("%d %b %H:%M", time.localtime(run.view.first)) if run.view.first else ""
        return [
            tables.label(mark + run.id, "bold" if run.engine or run.waiting else ""),
            look(self.app, "unreadable" if run.problem else run.state),
            share,
            several([tables.gain(found.gain, 0.0) for found in came], most),
            several([Text(words.score(found.test) if found.test is not None else "") for found in came], most),
            Text(words.age(now - run.view.last) if run.view.last else "", justify="right"),
            several([tables.label(chosen(found)) for found in came], most),
            Text(str(len(started.tasks)) if started else "", justify="right"),
            Text(began),
            several([tables.label(found.primary) for found in came], most),
            tables.label(started.encoder.rstrip("/").rpartition("/")[2] if started else ""),
        ]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "filter":
            return bool(self.desk.snapshot and self.desk.snapshot.runs) and not self.typing
        if action == "mark":
            return bool(self.desk.snapshot and self.desk.snapshot.runs)
        if action in ("compare", "sort"):
            return bool(self.desk.snapshot and len(self.desk.snapshot.runs) > 1)
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

    def action_sort(self) -> None:
        """By start, gain, test score, state or name in turn; a click on a heading sorts by it, and again the other way round."""
        self.sort_by(SORTS[(SORTS.index(self.by) + 1) % len(SORTS)] if self.by in SORTS else SORTS[0])

    def sort_by(self, column: str) -> None:
        """By a column from its better end, or the other way round where it was so already."""
        self.falling = not self.falling if column == self.by else column in FALLING
        self.by = column
        self.refresh_run()

    def on_data_table_header_selected(self, event: DataTable.HeaderSelected) -> None:
        self.sort_by(str(event.column_key.value))

    def action_compare(self) -> None:
        """Two marked runs side by side."""
        if len(self.meant()) != 2:
            self.notify("Mark two runs with Space, then compare them.", severity="warning")
            return
        found = [results_of(self.desk.store, run.view, run.id, run.state) for run in self.meant()]
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
        command = [sys.executable, "-P", "-m", "gradts_engine", "init", "--no-plan"]
        self.post_message(Run(command, lambda: self.post_message(Open(config))))

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Enter attaches to the run under the cursor."""
        if name := self.query_one(Table).chosen:
            self.post_message(Attach(name))

    def copied(self) -> str:
        snapshot = self.desk.snapshot
        rows = [self.cells(run, snapshot.now) for run in snapshot.runs] if snapshot else []
        return plain(tables.records([dict(zip(COLUMNS, map(str, row), strict=True)) for row in rows]))


def key(run: RunState, column: str) -> str | float | None:
    """What a run is sorted by; None where it has no such thing."""
    started, came = run.view.started, list(outcomes(run.view))
    finished, known = progress(branches(run.view, run.view.last, bool(run.engine)))
    of: dict[str, str | float | None] = {
        "run": run.id,
        "state": run.state,
        "progress": finished / known if known else None,
        "gain": max((found.gain for found in came if found.gain is not None), default=None),
        "test": max((found.test for found in came if found.test is not None), default=None),
        "age": run.view.last or None,
        "chosen": next((chosen(found) for found in came), None),
        "tasks": float(len(started.tasks)) if started else None,
        "started": run.view.first or None,
        "primary": next((found.primary for found in came), None),
        "encoder": started.encoder if started else None,
    }
    return of[column]


def several(parts: Sequence[Text], most: int) -> Text:
    """What is said of each primary, for the first of them."""
    text = Text(" / ").join(parts[:most]) if any(parts) else Text()
    return text.append(f" +{len(parts) - most}", "dim") if len(parts) > most and text else text


def fitted(heads: Mapping[str, str], cells: Mapping[str, Sequence[Text]], width: int) -> dict[str, list[Text]]:
    """With names cut alike, so that the columns up to `KEPT` are seen in a table so wide, where that is possible."""
    kept = COLUMNS[: COLUMNS.index(KEPT) + 1]
    wide = {c: max([cell_len(heads[c]), *(row[i].cell_len for row in cells.values())]) for i, c in enumerate(kept)}
    left = width - sum(wide[c] + 2 for c in kept if c not in CUT) - 2 * len(CUT)  # a cell has a blank on either side
    most = next((most for most in range(LONGEST, LEAST, -1) if sum(min(wide[c], most) for c in CUT) <= left), LEAST)

    def cut(column: str, text: Text) -> Text:
        """Both ends stay: they tell names apart."""
        long = column in CUT and text.cell_len > most
        return Text(words.shortened(text.plain, most), text.style) if long else text

    return {name: [cut(column, text) for column, text in zip(COLUMNS, row, strict=True)] for name, row in cells.items()}


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
