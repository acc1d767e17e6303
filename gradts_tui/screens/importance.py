"""Importance of every head for a task, beside that for another, and how it is spread over the instances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical

from gradts_engine import tables, words
from gradts_engine.report import Heads
from gradts_tui.desk import Desk
from gradts_tui.messages import Export
from gradts_tui.outside import engine
from gradts_tui.plot import bars
from gradts_tui.screens.page import Page
from gradts_tui.shelf import Problem
from gradts_tui.state import RunState
from gradts_tui.widgets.matrix import MatrixView
from gradts_tui.widgets.multiples import maps
from gradts_tui.widgets.say import Say

CORNER = "layer"
WIDEST = 98
"""Columns of the histogram."""
ROOM = 6
"""Columns around a map."""
TITLE = 62
"""Columns that the title of a map needs."""
LOW, HIGH = 3, 8
"""Lines of the histogram."""
SPREAD = 14
"""Lines below a map at most, for its histogram and what is around it."""


class Importance(Page):
    """One map, or two that move together."""

    NAME = "importance"
    FILTERS = True
    CSS_PATH = "importance.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "task(1)", "Next task"),
        Binding("b", "task(-1)", "Task before", show=False),
        Binding("v", "compare", "Compare"),
        Binding("o", "other(1)", "Other task"),
        Binding("e", "export", "Export"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.chosen = ""
        self.other = ""

    def body(self) -> ComposeResult:
        with Horizontal():
            with Vertical(id="one"):
                yield Say(id="one-title")
                yield MatrixView(("layers", "heads"), id="main")
            with Vertical(id="two"):
                yield Say(id="two-title")
                yield MatrixView(("layers", "heads"), id="two-map")
        yield Say(id="value")
        yield Say(id="spread")
        yield Say(id="axis")
        yield Say(id="all")

    def on_mount(self) -> None:
        """The second map takes no keys: its cursor follows the first's."""
        super().on_mount()
        twin = self.query_one("#two-map", MatrixView)
        twin.can_focus, twin.marked = False, True

    def tasks(self, run: RunState) -> list[str]:
        """Scored tasks that the filter lets through."""
        return [t for t in self.desk.evidence.scored(run) if self.lets_through(t)]

    def draw(self, run: RunState) -> None:
        tasks = self.tasks(run)
        if self.chosen not in tasks:
            self.chosen = tasks[0] if tasks else ""
        if self.other not in self.desk.evidence.scored(run):
            self.other = ""
        self.query_one("#two").display = bool(self.other)
        one = self.map(run, "one", "main", self.chosen, tasks)
        two = self.map(run, "two", "two-map", self.other, tasks) if self.other else None
        self.query_one("#two-map", MatrixView).put(*self.query_one("#main", MatrixView).at)
        self.values(one, two)
        self.all(run)

    def all(self, run: RunState) -> None:
        """Small maps of all tasks, where there is room for them."""
        place, found = self.query_one("#all", Say), []
        if self.has_class("-wide") and self.has_class("-tall"):
            found = [(t, heads.task) for t in self.tasks(run) if isinstance(heads := self.desk.evidence.heads(run, t), Heads)]
        place.display = len(found) > 1
        main = self.query_one("#main", MatrixView)
        size = self.size.width - 2, self.size.height - main.region.bottom - SPREAD
        place.say(maps(found, self.chosen, tables.ramp_of(self.app.console), size) if len(found) > 1 and main.size else "")

    def map(self, run: RunState, name: str, view: str, task: str, tasks: list[str]) -> Heads | None:
        """Draw the map of a task; its scores, if they are there."""
        title, matrix = self.query_one(f"#{name}-title", Say), self.query_one(f"#{view}", MatrixView)
        box = self.query_one(f"#{name}")
        found = self.desk.evidence.heads(run, task) if task else None
        if not isinstance(found, Heads):
            title.say(self.missing(run, task, found))
            matrix.show((), (), {})
            box.styles.max_width = None
            return None
        drawn = tables.heat_map(found.task)
        matrix.show(drawn.rows, drawn.columns, drawn.values, CORNER)
        place = f"{tasks.index(task) + 1}/{len(tasks)}" if task in tasks else ""
        parts = [Text(part, "dim") for part in (matrix.hidden, place, f"{found.instances} rows") if part]
        title.say(heading(task, [*parts, matrix.scale], matrix.size.width or TITLE))
        box.styles.max_width = max(matrix.whole + ROOM, TITLE)  # the other map stands beside it, not half a wide screen away
        return found

    def missing(self, run: RunState, task: str, found: Problem | None) -> Text | str:
        """Why there is no map."""
        if found is not None:
            return tables.label(found.reason)
        if task:
            return f"reading the scores of {task}"
        if self.desk.evidence.scored(run):
            return self.unmatched
        return self.desk.evidence.left_out(run) or "No task has been scored yet: each is tuned alone first."

    def values(self, one: Heads | None, two: Heads | None) -> None:
        """The numbers under the cursor, and the histogram of the first task's instances."""
        cell = self.query_one("#main", MatrixView).cell
        spread = self.query_one("#spread", Say)
        spread.display = bool(one and cell)
        if one is None or cell is None:
            self.query_one("#value", Say).say("")
            self.query_one("#axis", Say).say("")
            return
        layer, head = int(cell[0]), int(cell[1])
        text = Text(f"layer {layer} head {head}: ", "bold").append(standing(one.task, layer, head))
        if two is not None:
            text.append_text(tables.label(f"  ·  {self.other}: ")).append(standing(two.task, layer, head))
        self.query_one("#value", Say).say(text)
        counts = one.counts[layer, head]
        highest = int(max(counts))
        caption = f" rows by their importance of this head, highest bar {highest} "
        width = max(min(self.size.width - 2, WIDEST) - 2, len(caption))
        height = HIGH if self.has_class("-tall") else LOW
        spread.say(Text().append("\n".join(bars(counts.tolist(), width + 2, height)), "blue"))
        self.query_one("#axis", Say).say(Text(f"0{caption:^{width}}1", "dim"))

    def on_matrix_view_moved(self, event: MatrixView.Moved) -> None:
        """What is told of the head follows the cursor."""
        self.refresh_run()

    # --- keys --------------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        run = self.desk.run
        many = len(self.desk.evidence.scored(run)) > 1 if run else False
        if action == "task":
            return many and bool(self.chosen)
        if action == "compare":
            return many
        if action == "export":
            return bool(self.chosen)
        if action == "other":
            return many and bool(self.other)
        return super().check_action(action, parameters)

    def action_task(self, by: int) -> None:
        """Another task."""
        if run := self.desk.run:
            tasks = self.tasks(run)
            self.chosen = tasks[(tasks.index(self.chosen) + by) % len(tasks)]
            self.refresh_run()

    def action_compare(self) -> None:
        """A second task beside it, or no more."""
        run = self.desk.run
        tasks = [t for t in self.desk.evidence.scored(run) if t != self.chosen] if run else []
        self.other = "" if self.other or not tasks else tasks[0]
        self.refresh_run()
        self.refresh_bindings()

    def action_other(self, by: int) -> None:
        """Another task to compare with."""
        if run := self.desk.run:
            tasks = [t for t in self.desk.evidence.scored(run) if t != self.chosen]
            place = tasks.index(self.other) if self.other in tasks else -1
            self.other = tasks[(place + by) % len(tasks)]
            self.refresh_run()

    def action_export(self) -> None:
        """Write the task's importance, of every instance too, as safetensors into the folder that the UI was started in."""
        run = self.desk.run
        if run and self.chosen:
            command = ["export", "importance", self.chosen]
            where = ["--run", run.id, "--store", str(self.desk.store.root)]
            self.post_message(Export(f"{run.id}-{self.chosen}.safetensors", lambda path: engine(*command, str(path), *where)))

    def copied(self) -> str:
        run = self.desk.run
        found = self.desk.evidence.heads(run, self.chosen) if run and self.chosen else None
        if not isinstance(found, Heads):
            return ""
        layers, heads = found.task.shape
        rows = [[f"importance of {self.chosen}"], ["layer\\head", *map(str, range(heads))]]
        rows += [[str(i), *(f"{x:.6g}" for x in found.task[i])] for i in range(layers)]
        return "\n".join("\t".join(row) for row in rows)


def heading(task: str, parts: Sequence[Text], width: int) -> Text:
    """The task's name, and of the parts, the first being the most important, those that fit."""
    text = tables.label(words.shortened(task, width), "bold")
    for part in parts:
        if text.cell_len + 2 + part.cell_len <= width:
            text.append("  ").append_text(part)
    return text


def standing(task: np.ndarray, layer: int, head: int) -> str:
    """A head's importance and its place among all heads."""
    value = float(task[layer, head])
    rank = int(np.count_nonzero(task > value)) + 1
    return f"{words.score(value)}, rank {rank} of {task.size}"
