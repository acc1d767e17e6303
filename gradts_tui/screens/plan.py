"""A tasks.toml before it runs: what is wrong with it, or what will run; Enter starts it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

from rich.console import Group, RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from gradts_engine import tables
from gradts_engine.config import Experiment, load_experiment
from gradts_engine.errors import GradTSError
from gradts_engine.hooks.catalog import Plugin, load_catalog
from gradts_tui.desk import Desk
from gradts_tui.messages import Attach, Run, Start
from gradts_tui.screens.page import Page, plain


class Plan(Page):
    """Checks the file at once, and has `gradts-engine plan` read the data, in a process of its own."""

    NAME = "plan"
    CSS_PATH = "plan.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "start", "Start"),
        Binding("k", "check", "Check again"),
        Binding("e", "edit", "Edit"),
        Binding("r", "app.runs", "Runs"),
    ]

    def __init__(self, desk: Desk, config: Path) -> None:
        super().__init__(desk)
        self.config = config
        self.experiment: Experiment | None = None
        self.problem = ""
        self.broken: list[Plugin] = []
        self.planned: dict[str, Any] | None = None
        self.process: subprocess.Popen[str] | None = None

    def body(self) -> ComposeResult:
        with VerticalScroll(id="main"):
            yield Static(id="plan", markup=False)

    def on_mount(self) -> None:
        """Check the file at once."""
        super().on_mount()
        self.action_check()

    def on_unmount(self) -> None:
        """The process that reads the data is ended."""
        self.end()

    def end(self) -> None:
        """End the process that reads the data, if it still does."""
        if self.process and self.process.poll() is None:
            self.process.terminate()

    def action_check(self) -> None:
        """Read the file again, after a change."""
        self.problem, self.planned, self.experiment = "", None, None
        try:
            catalog = load_catalog()
            self.broken = [plugin for plugin in catalog.plugins if plugin.error]
            self.experiment = load_experiment(self.config, catalog)
        except GradTSError as error:
            self.problem = str(error)
        else:
            self.end()
            self.run_worker(self.read, thread=True, exclusive=True)
        self.show()
        self.refresh_bindings()

    def action_edit(self) -> None:
        """Open the file in $VISUAL or $EDITOR, and check it again."""
        editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
        self.post_message(Run([*shlex.split(editor), str(self.config)], self.action_check))

    def read(self) -> None:
        """Wait for the plan (in a thread)."""
        command = ["plan", str(self.config), "--store", str(self.desk.store.root), "--json"]
        self.process = process = subprocess.Popen(
            [sys.executable, "-P", "-m", "gradts_engine", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        out, said = process.communicate()
        if process is not self.process or process.returncode < 0:
            return  # another look was taken, or the screen was left
        planned = json.loads(out) if process.returncode == 0 else None
        self.app.call_from_thread(self.found, planned, "" if planned else said.strip())

    def found(self, planned: dict[str, Any] | None, problem: str) -> None:
        """Show what the process found."""
        self.planned, self.problem = planned, problem
        self.show()
        self.refresh_bindings()

    def show(self) -> None:
        """Draw what is known."""
        self.query_one("#plan", Static).update(self.drawn())

    def drawn(self) -> RenderableType:
        """Problems, or the plan, as far as it is known; and broken plugins in any case."""
        parts: list[RenderableType] = []
        for plugin in self.broken:
            parts.append(tables.label(f"plugin {plugin.name} is not in use: {plugin.error}", "bold"))
        if parts:
            parts.append(Text())
        if self.problem:
            lines = self.problem.splitlines()
            parts += [Text(f"{self.config.name} cannot run yet:", "bold red"), Text(), *map(tables.label, lines), Text()]
            parts.append(Text("Put it right, then press k to check again.", "dim"))
        elif self.planned:
            parts += [self.hint(self.planned), Text(), tables.plan(self.planned)]  # which may be longer than the screen
        elif self.experiment:
            parts += [brief(self.experiment), Text(), Text("reading the data, and looking for earlier results ...", "dim")]
        return Group(*parts)

    def hint(self, planned: dict[str, Any]) -> Text:
        """What Enter does."""
        if planned["state"] in ("running", "paused"):
            return Text("An engine is at work on it: Enter looks at it.", "bold")
        text = "Enter starts an engine" if planned["state"] == "new" else f"Enter goes on with it ({planned['state']})"
        return Text(f"{text}; it runs by itself, whatever becomes of this terminal.", "bold")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "start":
            return not self.problem and not self.desk.starting and not self.desk.read_only
        return super().check_action(action, parameters)

    def action_start(self) -> None:
        """Start an engine by itself and look at its run."""
        if self.planned and self.planned["state"] in ("running", "paused"):
            self.post_message(Attach(self.planned["run"]))
            return
        self.end()
        self.post_message(Start(self.config))

    def copied(self) -> str:
        return plain(self.drawn())


def brief(experiment: Experiment) -> RenderableType:
    """What tasks.toml alone says."""
    rows = [
        {"task": name, "type": spec.type, "train": spec.train if isinstance(spec.train, str) else "generated"}
        for name, spec in experiment.tasks.items()
    ]
    selection = experiment.selection
    return Group(
        tables.label(f"{experiment.path.name}: encoder {experiment.run.encoder}", "bold"),
        tables.label(f"primary: {', '.join(experiment.primaries)}; strategy {selection.strategy}, confirm {selection.confirm}"),
        tables.records(rows),
    )
