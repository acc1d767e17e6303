"""The stages of a run with their progress, and the curves and facts of one of them."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Tree

from gradts_engine import tables, words
from gradts_engine.report import RunResults
from gradts_engine.runtime.view import Stage
from gradts_tui.messages import Prefer
from gradts_tui.plot import MARK
from gradts_tui.screens.page import Page
from gradts_tui.state import RunState
from gradts_tui.tree import UNITS, Branch, Leaf, branches
from gradts_tui.widgets.chart import Chart
from gradts_tui.widgets.looks import colour, look
from gradts_tui.widgets.outcome import outcome
from gradts_tui.widgets.say import Say
from gradts_tui.widgets.stages import Stages


class Run(Page):
    """Attached to one run. `plus` and `minus` share the width between tree and facts."""

    NAME = "run"
    FILTERS = True
    CSS_PATH = "run.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "follow", "Follow"),
        Binding("p", "app.pause", "Pause or resume"),
        Binding("X", "app.stop", "Stop"),
        Binding("c", "app.go_on", "Go on"),
        Binding("plus", "widen(5)", "More facts", show=False),
        Binding("minus", "widen(-5)", "More tree", show=False),
    ]

    def body(self) -> ComposeResult:
        with Horizontal():
            yield Stages()
            with VerticalScroll(id="side", can_focus=False):
                yield Say(id="facts")
                yield Say(id="curve-title")
                yield Chart(id="curve")

    def on_mount(self) -> None:
        """The tree as wide as it was left."""
        super().on_mount()
        self.action_widen(0)

    def action_widen(self, by: int) -> None:
        """Share the width anew; it is remembered."""
        side = min(max(self.desk.preferences.side + by, 20), 80)
        if by:
            self.post_message(Prefer(side=side))
        self.query_one("#side").styles.width = f"{side}%"

    def notice(self, key: str) -> None:
        """Whoever moves the cursor is not taken to what runs."""
        if key in ("up", "down", "pageup", "pagedown", "home", "end"):
            self.query_one(Stages).follow = False

    def action_follow(self) -> None:
        """Keep what runs under the cursor again."""
        self.query_one(Stages).follow = True
        self.refresh_run()

    def draw(self, run: RunState) -> None:
        now = run.view.clock(self.desk.now)
        found = branches(run.view, now, bool(run.engine))
        tree = self.query_one(Stages)
        tree.show(found, self.wanted, now)
        if run.state == "done" and tree.follow and tree.cursor_node is not None:
            tree.move_cursor(None)  # a finished run opens on its result
        self.facts(run, now)

    def on_tree_node_highlighted(self, event: Tree.NodeHighlighted[Branch | Leaf]) -> None:
        """The facts are of the stage under the cursor."""
        if run := self.desk.run:
            self.facts(run, run.view.clock(self.desk.now))

    def facts(self, run: RunState, now: float) -> None:
        """The right pane: what is under the cursor, or the run as a whole."""
        node = self.query_one(Stages).cursor_node
        data = node.data if node else None
        rows = leaf_facts(run, data, now) if isinstance(data, Leaf) else run_facts(run)
        head = Text() if isinstance(data, Leaf) else self.result(run)
        if isinstance(data, Leaf):
            mark = look(self.app, data.stage.state, word=False)
            head = Text(" ").join([mark, tables.label(" ".join(data.key), "bold")]).append("\n")
        width = self.query_one("#side").scrollable_content_region.width
        self.query_one("#facts", Say).say(head.append_text(facts(rows, width)))
        stage = data.stage if isinstance(data, Leaf) else None
        self.curve(stage, data.parts if isinstance(data, Leaf) else 0)

    def result(self, run: RunState) -> Text:
        """What a run has come to, which stands above its facts; nothing before its end."""
        found = self.desk.evidence.results(run) if run.view.finals else None
        if not isinstance(found, RunResults):
            return Text("reading the results\n\n", "dim") if run.view.finals and found is None else Text()
        return Text("\n").join(outcome(p, result) for p, result in found.primaries.items() if result.final).append("\n")

    def curve(self, stage: Stage | None, parts: int) -> None:
        """Loss and dev scores of a training of so many epochs over its steps; nothing without values."""
        chart, head = self.query_one(Chart), self.query_one("#curve-title", Say)
        losses = stage.losses() if stage else []
        chart.display = head.display = len(losses) > 1
        if stage is None or len(losses) < 2:
            return
        scores = stage.epochs
        points = [(i * stage.total / max(parts, len(scores)), score) for i, score in enumerate(scores, 1) if score == score]
        chart.show(losses, points, stage.total)
        best = f"  {MARK} dev, best {words.score(max(scores))}" if points else ""
        head.say(Text("loss", "bold").append(best, colour(self.app, "text-warning")))

    def copied(self) -> str:
        run = self.desk.run
        if run is None:
            return ""
        found = branches(run.view, run.view.last, bool(run.engine))
        lines = [f"{run.id}\t{run.state}"]
        lines += [
            "\t".join([b.label, leaf.label, leaf.stage.state, f"{leaf.stage.seconds:.1f}", leaf.note])
            for b in found
            for leaf in b.leaves
        ]
        return "\n".join(lines)


def facts(rows: Sequence[tuple[str, str]], width: int) -> Text:
    """Name and value a line; a long value goes on below itself."""
    column = max((len(name) for name, _ in rows), default=0) + 2
    text = Text()
    for name, value in rows:
        lines = wrap(value, max(10, width - column), break_on_hyphens=False)
        for i, line in enumerate(lines):
            text.append(f"{'' if i else name:<{column}}", "dim").append_text(tables.label(line)).append("\n")
    return text


def leaf_facts(run: RunState, leaf: Leaf, now: float) -> list[tuple[str, str]]:
    """What is known of a stage."""
    stage, unit = leaf.stage, UNITS.get(leaf.key[0], "")
    rows = [("state", stage.state if stage.state != "cached" else "found, nothing to compute")]
    if stage.total:
        rows.append((unit or "done", f"{stage.done} of {stage.total}"))
    if stage.state == "running":
        left = stage.remaining(now)
        rows.append(("speed", words.rate(stage.rate(), unit)))
        left_over = "scoring dev" if leaf.scoring else f"{words.duration(left)} left" if left is not None else ""
        rows.append(("time", ", ".join(filter(None, [f"{words.duration(now - stage.began)} so far", left_over]))))
    elif stage.seconds:
        rows.append(("took", words.duration(stage.seconds)))
    if stage.loss is not None:
        rows.append(("loss now" if stage.state == "running" else "last loss", words.score(stage.loss)))
    if leaf.note:
        rows.append(("best dev", leaf.note))
    if stage.reason:
        rows.append(("reason", stage.reason))
    if task := run.view.tasks.get(leaf.key[1]):
        sizes = ", ".join(f"{count} {split}" for split, count in task.sizes.items())
        rows += [("task", f"{task.type}, {task.metric}"), ("rows", sizes)]
    if stage.key:
        rows.append(("artifact", stage.key[:12]))
    return [(name, value) for name, value in rows if value]


def run_facts(run: RunState) -> list[tuple[str, str]]:
    """What is known of a run."""
    started = run.view.started
    if run.problem:
        return [("run", run.id), ("folder", str(run.path))]
    if started is None:
        return [("engine", run.engine or "none"), ("", "reading the tasks and loading the encoder")]
    selection = started.settings.get("selection", {})
    rows = [
        ("run", run.id),
        ("state", run.state),
        ("engine", run.engine or "none"),
        ("config", started.config),
        ("encoder", started.encoder),
        ("devices", words.devices(started.devices)),
        ("tasks", ", ".join(started.tasks)),
        ("primaries", ", ".join(started.primaries)),
        ("strategy", str(selection.get("strategy", ""))),
        ("confirm", str(selection.get("confirm", ""))),
        ("seed", str(started.settings.get("seed", ""))),
    ]
    return [(name, value) for name, value in rows if value]
