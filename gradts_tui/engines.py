"""What the UI asks of engines: commands through the inbox, whose answers come as events, and starting one; each in a thread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gradts_engine.errors import GradTSError
from gradts_engine.runtime.detach import launch
from gradts_engine.runtime.inbox import AnyCommand, Cancel, Confirm, Pause, Resume, send
from gradts_engine.runtime.store import RunFolder, Store
from gradts_tui.state import RunState, Snapshot

if TYPE_CHECKING:
    from gradts_tui.app import GradTS

STARTABLE = ("died", "failed", "interrupted", "cancelled", "waiting")


class Engines:
    """Those of one store."""

    def __init__(self, app: GradTS, store: Store) -> None:
        self.app = app
        self.store = store
        self.sent: dict[str, str] = {}
        """Commands without an answer yet: id and what was asked."""
        self.starting = ""
        """What an engine that is being started says; empty where none is."""

    # --- what can be asked ---------------------------------------------------------------------------------------------

    def can(self, action: str, run: RunState | None) -> bool:
        """Whether `pause`, `stop` or `go_on` makes sense for a run."""
        if run is None or run.problem:
            return False
        if action == "go_on":
            undecided = bool(run.waiting) and not self.sent  # an engine would only wait again
            return not (run.engine or self.starting or undecided) and run.state in STARTABLE and run.view.started is not None
        return bool(run.engine) and run.state in (
            ("running", "paused") if action == "pause" else ("starting", "running", "paused")
        )

    def pause_or_resume(self, run: RunState) -> None:
        """Hold after the present step, or go on."""
        self.command(run, Resume() if run.state == "paused" else Pause(), "go on" if run.state == "paused" else "pause")

    def stop(self, run: RunState) -> None:
        """End after the present step."""
        self.command(run, Cancel(), "stop")

    def confirm(self, run: RunState, command: Confirm) -> None:
        """Decide on a proposal, and start an engine where none is at work."""
        self.command(run, command, f"confirmation of {command.primary}", then=None if run.engine else lambda: self.go_on(run))

    def go_on(self, run: RunState) -> None:
        """Start an engine for the run's tasks.toml."""
        if run.view.started:
            self.start(Path(run.view.started.config))

    # --- doing it --------------------------------------------------------------------------------------------------------

    def command(self, run: RunState, command: AnyCommand, words: str, then: Callable[[], None] | None = None) -> None:
        """Put a command into the run's inbox."""

        def work() -> None:
            """In a thread: the disk may be slow."""
            try:
                send(RunFolder(run.path).inbox, command)
            except (GradTSError, OSError) as error:
                self.app.call_from_thread(self.app.complain, f"{words}: not sent: {error}")
                return
            self.sent[command.id] = words
            self.app.source.wake()
            if then:
                self.app.call_from_thread(then)

        self.app.run_worker(work, thread=True)

    def start(self, config: Path) -> None:
        """Start a detached engine and look at its run."""
        self.starting = f"starting an engine for {config.name}"

        def say(line: str) -> None:
            """A line of the engine's, while it begins."""
            self.starting = line.strip() or self.starting
            self.app.call_from_thread(self.app.redraw)

        def work() -> None:
            """In a thread: an engine takes seconds to begin."""
            try:
                launched = launch(config, self.store.root, say=say)
            except (GradTSError, OSError) as error:
                self.starting = ""
                self.app.call_from_thread(self.app.complain, str(error))
                return
            self.starting = ""
            self.app.source.wake()
            self.app.call_from_thread(self.app.attach, launched.run)

        self.app.run_worker(work, thread=True)
        self.app.redraw()

    def answers(self, snapshot: Snapshot) -> None:
        """Say what became of commands."""
        for run in snapshot.runs:
            for identifier in [i for i in self.sent if i in run.view.answers]:
                answer, words = run.view.answers[identifier], self.sent.pop(identifier)
                if answer.accepted:
                    self.app.notify(f"{words}: done")
                else:
                    self.app.complain(f"{words}: refused: {answer.reason}")
