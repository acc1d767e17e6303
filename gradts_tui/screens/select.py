"""What is proposed for a primary, candidate by candidate, and the place to decide on it."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import DataTable

from gradts_engine import tables, words
from gradts_engine.report import PrimaryResults, RunResults, without_verdict
from gradts_tui.choice import Candidate, Choice, candidates, same_trial, takes
from gradts_tui.desk import Desk
from gradts_tui.messages import Send
from gradts_tui.screens.ask import Ask
from gradts_tui.screens.page import Page
from gradts_tui.state import RunState
from gradts_tui.widgets.candidates import WIDER, both_alone, columns, cost, heading, row, summary
from gradts_tui.widgets.outcome import said_of, verdict
from gradts_tui.widgets.say import Say
from gradts_tui.widgets.table import Table

MOVE = Binding.Group("Move", compact=True)
NOTHING = "Nothing yet: candidates are ranked once all are scored."
LONGEST = 14
"""Columns of a heading."""


class CandidateTable(Table):
    """Says what Enter does."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Confirm", tooltip="Show what would be trained, and confirm it."),
    ]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "select_cursor":
            return isinstance(self.screen, Select) and self.screen.primary in self.screen.choices
        return super().check_action(action, parameters)


class Select(Page):
    """Edits live here until they are confirmed; nothing is sent before."""

    NAME = "select"
    FILTERS = True
    CSS_PATH = "select.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "take", "Toggle"),
        Binding("a", "proposal", "Proposal"),
        Binding("d", "difference", "Difference", show=False),
        Binding("u", "undo", "Undo"),
        Binding("m", "cut", "Instances"),
        Binding("left_square_bracket", "move(-1)", "Fewer", key_display="[", group=MOVE),
        Binding("right_square_bracket", "move(1)", "More", key_display="]", group=MOVE),
        Binding("n", "primary(1)", "Next primary"),
        Binding("slash", "filter", "Filter", key_display="/", show=False, priority=True),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.primary = ""
        self.choices: dict[str, Choice] = {}
        self.begun: dict[str, Choice] = {}
        """What each choice was begun from: what was confirmed, or else the proposal."""
        self.earlier: dict[str, list[Choice]] = {}
        """Each choice before its edits, for undo."""
        self.order: list[str] = []
        self.columns: tuple[str, ...] = ()

    def body(self) -> ComposeResult:
        yield Say(id="head")
        yield CandidateTable(fixed=2)
        yield Say(id="sum")
        with VerticalScroll(id="notes", can_focus=False):
            yield Say(id="caveat")

    # --- drawing -----------------------------------------------------------------------------------------------------

    def draw(self, run: RunState) -> None:
        self.primary = self.present(run)
        table, head = self.query_one(Table), self.query_one("#head", Say)
        results = self.desk.evidence.results(run)
        result = results.primaries.get(self.primary) if isinstance(results, RunResults) else None
        proposal = run.view.proposals.get(self.primary)
        table.display = bool(result and result.ranking)
        if not isinstance(results, RunResults) or result is None or not result.ranking:
            head.say("reading the results" if results is None else NOTHING)
            self.query_one("#sum", Say).say("")
            return
        choice = self.choice(run)
        head.say(heading(self.primary, result, run.view.confirmed(self.primary), waits=self.primary in run.waiting))
        rows = [c for c in candidates(run.view, self.primary, result.ranking) if self.lets_through(c.name)]
        self.order = [ranked.task for ranked in result.ranking]
        self.columns = columns(result, self.size.width)
        heads = {name: words.shortened(name, LONGEST) for name in self.columns}
        table.fill(heads, {c.name: self.cells(run, result, c, choice) for c in rows})
        self.query_one("#sum", Say).say(
            self.state(run, result, choice) if choice else Text("No proposal yet: trials go on.", "dim")
        )
        tuned = next((t.dev_score for t in results.data if t.task == self.primary), None)
        notes = [both_alone(result.alone, tuned, results.settings), without_verdict(result.unjudged), results.caveat]
        self.query_one("#caveat", Say).say("\n".join(filter(None, notes)))
        if proposal is None:
            self.choices.pop(self.primary, None)
            self.earlier.pop(self.primary, None)

    def present(self, run: RunState) -> str:
        """The primary to look at: first one that waits."""
        primaries = list(run.view.started.primaries) if run.view.started else []
        if self.primary in primaries:
            return self.primary
        return next(iter([*run.waiting, *primaries]), "")

    def choice(self, run: RunState) -> Choice | None:
        """The decision in the making. It is begun anew where the proposal is another one, and where it was decided on meanwhile
        and nothing was edited here."""
        proposal, decision = run.view.proposals.get(self.primary), run.view.confirmed(self.primary)
        if proposal is None:
            return None
        begun = Choice.decided(proposal, decision) if decision else Choice.of(proposal)
        kept, before = self.choices.get(self.primary), self.begun.get(self.primary)
        if kept is None or kept.proposal.digest != proposal.digest:
            if kept is not None and kept != before:
                self.notify("The proposal has changed: your changes to the earlier one are dropped.", severity="warning")
            self.choices[self.primary] = begun
            self.earlier.pop(self.primary, None)
        elif begun != before and kept == before:
            self.choices[self.primary] = begun
        self.begun[self.primary] = begun
        return self.choices[self.primary]

    def cells(self, run: RunState, result: PrimaryResults, candidate: Candidate, choice: Choice | None) -> list[Text]:
        """A row of the table."""
        place = self.order.index(candidate.name)
        ranked = (place + 1, result.ranking[place])
        count = self.count(run, candidate.name, choice)
        said = said_of(candidate.name, result, count, interval=self.size.width >= WIDER)
        return row(self.columns, candidate, ranked, said, choice, count, self.size.width)

    def count(self, run: RunState, name: str, choice: Choice | None) -> int | None:
        """Instances of a candidate under the present choice."""
        task = run.view.tasks.get(name)
        rows = task.sizes.get("train", 0) if task else 0
        found = self.desk.evidence.results(run)
        if isinstance(found, RunResults):
            rows -= found.primaries[self.primary].left_out.get(name, 0)
        if choice is None:
            return rows
        if choice.cut == "as proposed":
            return choice.count(name, rows, None)
        taus = self.desk.evidence.instance_tau(run, self.primary)
        return choice.count(name, rows, taus.get(name) if isinstance(taus, dict) else None)

    def counts(self, run: RunState, choice: Choice) -> dict[str, int | None]:
        """Instances of each auxiliary that would be taken."""
        return {name: self.count(run, name, choice) for name in choice.names}

    def state(self, run: RunState, result: PrimaryResults, choice: Choice) -> Text:
        """What was confirmed, which no edit changes, and what would be trained where that is something else."""
        decision, counts = run.view.confirmed(self.primary), self.counts(run, choice)
        judged = (said for names, said in result.verdicts.items() if {*names.split(" + ")} == {*counts})
        said = next((said for said in judged if said.instances == sum(n or 0 for n in counts.values())), None)
        if decision is None:
            return summary(choice, counts, said)
        names = ", ".join(f"{name} ({n})" for name, n in decision.auxiliaries.items()) or "no auxiliary: the primary alone"
        text = Text().append(f"confirmed by {decision.by}: ", "bold").append_text(tables.label(names))
        if choice == self.begun[self.primary]:
            return text.append("  fresh seeds: ").append_text(verdict(said)) if said else text
        edited = Text("not confirmed: Enter trains again", "yellow")
        return Text("\n").join([text, edited, summary(choice, counts, said)])

    # --- keys --------------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "undo":
            return bool(self.earlier.get(self.primary))
        if action == "cut":
            run = self.desk.run
            return self.primary in self.choices and bool(run and run.view.started and "importance" in run.view.started.needs)
        if action in ("take", "proposal", "difference"):
            return self.primary in self.choices
        if action == "move":
            choice = self.choices.get(self.primary)
            return choice is not None and choice.cut != "as proposed"
        if action == "primary":
            run = self.desk.run
            return bool(run and run.view.started and len(run.view.started.primaries) > 1)
        return super().check_action(action, parameters)

    def change(self, choice: Choice, *, undo: bool = False) -> None:
        """Keep an edit and show it."""
        before = self.choices[self.primary]
        if choice != before and not undo:
            self.earlier.setdefault(self.primary, []).append(before)
        self.choices[self.primary] = choice
        self.refresh_run()
        self.refresh_bindings()

    def action_take(self) -> None:
        """Take the candidate under the cursor, or do not."""
        if name := self.query_one(Table).chosen:
            self.change(self.choices[self.primary].toggled(name, self.order))

    def action_proposal(self) -> None:
        """Back to what is proposed."""
        self.change(Choice.of(self.choices[self.primary].proposal))

    def action_undo(self) -> None:
        """As it was before the last edit."""
        self.change(self.earlier[self.primary].pop(), undo=True)

    def action_difference(self) -> None:
        """How the choice differs from the proposal."""
        self.notify(f"Against the proposal: {self.choices[self.primary].difference()}")

    def action_cut(self) -> None:
        """Choose instances as proposed, by a share of the nearest, or by a threshold of tau."""
        run = self.desk.run
        settings = run.view.started.settings.get("selection", {}) if run and run.view.started else {}
        self.change(self.choices[self.primary].next_cut(settings))

    def action_move(self, steps: int) -> None:
        """Move the share or the threshold; the counts follow."""
        self.change(self.choices[self.primary].moved(steps))

    def action_primary(self, by: int) -> None:
        """Another primary."""
        run = self.desk.run
        if run and run.view.started:
            primaries = list(run.view.started.primaries)
            self.primary = primaries[(primaries.index(self.primary) + by) % len(primaries)]
            self.refresh_run()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Enter shows what would be trained, and asks."""
        run, choice = self.desk.run, self.choices.get(self.primary)
        if run is None or choice is None:
            return
        if reason := self.desk.cannot_command(run):
            self.notify(reason, severity="warning")
            return
        what = "It is trained at once, by an engine of its own." if not run.engine else "The engine at work takes it up."
        counts = self.counts(run, choice)
        tried, seconds = same_trial(run.view, self.primary, counts), takes(run.view, self.primary, counts)
        alone = same_trial(run.view, self.primary, {})
        told = cost(choice, tried, seconds, alone.score if alone else None)
        body = Text("\n").join([summary(choice, counts), Text(), told, Text(), Text(what, "dim")])
        self.app.push_screen(
            Ask(f"Train {self.primary} like this?", body, enter=True), lambda yes: self.confirm(run, choice, yes)
        )

    def confirm(self, seen: RunState, choice: Choice, yes: bool | None) -> None:
        """Send what was confirmed, unless the proposal has changed, or somebody else has decided, since the run was `seen`."""
        now, primary = self.desk.run, choice.proposal.primary
        if not yes or now is None:
            return
        proposal, decision = now.view.proposals.get(primary), now.view.confirmed(primary)
        if proposal is None or proposal.digest != choice.proposal.digest:
            self.notify("Not sent: the proposal has changed meanwhile. Look at the new one and confirm again.", severity="error")
        elif decision and decision != seen.view.confirmed(primary):
            names = ", ".join(decision.auxiliaries) or "no auxiliary"
            self.notify(f"Not sent: it was confirmed elsewhere meanwhile, with {names}.", severity="warning")
        else:
            self.post_message(Send(now, choice.command(), f"confirmation of {primary}", then_start=not now.engine))

    def copied(self) -> str:
        table = self.query_one(Table)
        rows = ["\t".join(self.columns)]
        rows += ["\t".join(str(cell) for cell in table.get_row(key)) for key in table.rows]
        return "\n".join(rows)
