"""How alike the tasks' rankings of heads are, and, for one pair, how alike each instance's is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll

from gradts_engine import report, tables, words
from gradts_tui.desk import Desk
from gradts_tui.plot import bars
from gradts_tui.screens.page import Page
from gradts_tui.shelf import Problem
from gradts_tui.state import RunState
from gradts_tui.widgets.matrix import MatrixView, Values
from gradts_tui.widgets.multiples import histograms
from gradts_tui.widgets.say import Say

LONGEST = 20
"""Columns of a row's name; the number in front tells apart what is cut."""
ROOM = 4
"""Columns around the matrix."""
BESIDE = 76
"""Columns from which the pair stands beside the matrix."""
LOW, HIGH = 3, 10
"""Lines of the histogram."""
BINS = 40
"""Parts of the histogram of tau from -1 to 1."""


class Correlation(Page):
    """Columns are numbered like the rows."""

    NAME = "correlation"
    FILTERS = True
    CSS_PATH = "correlation.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "sort", "Sort by column"),
        Binding("u", "unsort", "Unsort"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.sorted_by: str | None = None
        """A task; empty for the order of tasks.toml; None: the first primary, once there is one."""
        self.order: list[str] = []
        self.candidate = ""
        """Of the pair under the cursor."""

    def body(self) -> ComposeResult:
        yield Say(id="hint")
        with Horizontal():
            yield MatrixView(id="main")
            with VerticalScroll(id="side", can_focus=False):
                yield Say(id="pair")
                yield Say(id="histogram")
                yield Say(id="axis")
                yield Say(id="kept")
        yield Say(id="all")

    def draw(self, run: RunState) -> None:
        matrix = self.query_one(MatrixView)
        tau = self.desk.evidence.tau(run)
        scored = self.desk.evidence.scored(run)
        if len(scored) < 2:
            self.empty(self.desk.evidence.left_out(run) or "Tasks are compared once two have been scored.")
            return
        if tau is None or isinstance(tau, Problem):
            self.empty(tables.label(tau.reason) if tau else "reading the scores of all tasks")
            return
        primaries = list(run.view.started.primaries) if run.view.started else []
        fresh = self.sorted_by is None
        if self.sorted_by is None:
            self.sorted_by = next(iter(primaries), "")
        self.order = self.ordered(scored, tau)
        shown = [t for t in self.order if self.lets_through(t)]
        if not shown:
            self.empty(self.unmatched)
            return
        number = {t: str(i) for i, t in enumerate(self.order, 1)}
        row = {t: f"{number[t]:>2} {'*' if t in primaries else ''}{words.shortened(t, LONGEST - 4)}" for t in shown}
        values: Values = {(row[a], number[b]): x for (a, b), x in tau.items() if a in row}
        matrix.show(list(row.values()), [number[t] for t in self.order], values, "   tau")
        matrix.styles.max_width = matrix.whole + ROOM  # the pair stands beside it, not at the far edge of a wide screen
        if fresh:
            matrix.put(1, 0)  # the best candidate
        self.query_one("#side").display = self.size.width >= BESIDE
        pair = self.pair(run, shown, tau)
        parts = [
            f"sorted by {words.shortened(self.sorted_by, LONGEST)}" if self.sorted_by else "order of tasks.toml",
            matrix.hidden,
        ]
        parts = [pair] if self.size.width < BESIDE else ["* primary", *parts]
        hint = tables.label(" · ".join(part for part in parts if part) + "  ", "dim").append_text(matrix.scale)
        self.query_one("#hint", Say).say(hint)
        self.all(run)

    def empty(self, why: Text | str) -> None:
        """No matrix, and why."""
        self.query_one(MatrixView).show((), (), {})
        self.query_one("#side").display = False
        self.query_one("#hint", Say).say(why)

    def ordered(self, tasks: list[str], tau: Values) -> list[str]:
        """Tasks by falling tau with one of them, which comes first."""
        first = self.sorted_by
        if not first or first not in tasks:
            return tasks

        def key(task: str) -> float:
            value = tau.get((task, first))
            return -math.inf if task == first else math.inf if value is None else -value

        return sorted(tasks, key=key)

    def all(self, run: RunState) -> None:
        """How tau is spread over the instances of every candidate of a primary, where there is room."""
        place, primary = self.query_one("#all", Say), self.primary(run)
        room = self.has_class("-wide") and self.has_class("-tall")
        found = self.desk.evidence.instance_tau(run, primary) if room and primary else None
        place.display = isinstance(found, Mapping) and bool(found)
        if isinstance(found, Mapping) and found:
            rows = [(t, found[t]) for t in self.order if t in found and self.lets_through(t)]
            head = tables.label(f"tau of the instances of each candidate with {primary}", "bold")
            place.say(head.append("\n").append_text(histograms(rows, self.size.width - 2, self.candidate)))

    def primary(self, run: RunState) -> str:
        """The one that the order is by, or else the first."""
        primaries = run.view.started.primaries if run.view.started else ()
        return self.sorted_by if self.sorted_by in primaries else next(iter(primaries), "")

    def pair(self, run: RunState, shown: list[str], tau: Values) -> str:
        """The pane at the right: the pair under the cursor; told in a line."""
        row, column = self.query_one(MatrixView).at
        a, b = shown[min(row, len(shown) - 1)], self.order[min(column, len(self.order) - 1)]
        primary = b if run.view.started and b in run.view.started.primaries else a
        candidate = a if primary == b else b
        value, self.candidate = tau.get((a, b)), candidate
        head = tables.label(f"{candidate} for {primary}" if a != b else a, "bold").append("\n")
        said = f"tau {words.score(value)}" if value is not None else "the same task" if a == b else "tau is not defined"
        self.query_one("#pair", Say).say(head.append(said))
        found = self.desk.evidence.instance_tau(run, primary) if a != b else {}
        instances = found.get(candidate) if isinstance(found, dict) else None
        self.histogram(instances, run)
        return f"{head.plain.splitlines()[0]}: {said}"

    def histogram(self, instances: np.ndarray | None, run: RunState) -> None:
        """Instances of the candidate by their tau with the primary, and how many each threshold keeps."""
        chart = self.query_one("#histogram", Say)
        chart.display = instances is not None and len(instances) > 0
        if instances is None or not len(instances):
            self.query_one("#axis", Say).say("")
            self.query_one("#kept", Say).say("")
            return
        finite = instances[np.isfinite(instances)]
        low, high = (float(finite.min()), float(finite.max())) if len(finite) else (-1.0, 1.0)
        counts = np.histogram(finite, bins=BINS, range=(low, max(high, low + 1e-6)))[0]
        width = max(self.query_one("#side").scrollable_content_region.width, 12)
        chart.say(Text().append("\n".join(bars(counts.tolist(), width, HIGH if self.has_class("-tall") else LOW)), "blue"))
        left, right = f"{low:.2f}", f"{high:.2f}"
        top, room = int(counts.max(initial=0)), max(width - len(left) - len(right), 0)
        highest = next((text for text in (f"highest bar {top}", f"top {top}") if len(text) + 2 <= room), "")
        self.query_one("#axis", Say).say(Text(f"{left}{highest:^{room}}{right}", "dim"))
        settings = run.view.started.settings.get("selection", {}) if run.view.started else {}
        self.query_one("#kept", Say).say(kept(instances, settings))

    def on_matrix_view_moved(self, event: MatrixView.Moved) -> None:
        """What is told of the pair follows the cursor."""
        self.refresh_run()

    # --- keys --------------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "sort":
            return len(self.order) > 1
        if action == "unsort":
            return bool(self.sorted_by)
        return super().check_action(action, parameters)

    def action_sort(self) -> None:
        """Rows and columns by falling tau with the task of the cursor's column."""
        column = self.query_one(MatrixView).at[1]
        self.sorted_by = self.order[column]
        self.refresh_run()
        self.query_one(MatrixView).put(1, 0)
        self.refresh_bindings()

    def action_unsort(self) -> None:
        """The order of tasks.toml again."""
        self.sorted_by = ""
        self.refresh_run()
        self.refresh_bindings()

    def copied(self) -> str:
        run = self.desk.run
        tau = self.desk.evidence.tau(run) if run else None
        if not self.order or tau is None or isinstance(tau, Problem):
            return ""
        rows = [["tau", *self.order]]
        rows += [[a, *("" if (x := tau.get((a, b))) is None else f"{x:.6f}" for b in self.order)] for a in self.order]
        return "\n".join("\t".join(row) for row in rows)


def kept(instances: np.ndarray, settings: dict[str, object]) -> Text:
    """How many instances each threshold keeps; that of tasks.toml is marked."""
    text = Text().append(f"tau >=  kept of {len(instances)}", "dim")
    chosen = settings.get("threshold")
    limits = sorted({*report.THRESHOLDS, *([chosen] if isinstance(chosen, float) else [])})
    counts = [(limit, report.count_kept(instances, threshold=limit)) for limit in limits]
    for limit, count in counts:
        mark = "bold reverse" if limit == chosen else ""
        text.append(f"\n{limit:>5.2f}  {count:>7}  {count / len(instances):>4.0%}", mark)
    return text
