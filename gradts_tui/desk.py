"""What every screen looks at. The app alone changes it, in its own thread; screens read it, and post messages."""

from __future__ import annotations

from dataclasses import dataclass, field

from gradts_engine.runtime.store import Store
from gradts_tui.evidence import Evidence
from gradts_tui.preferences import Preferences
from gradts_tui.state import RunState, Snapshot

STARTABLE = ("died", "failed", "interrupted", "cancelled", "waiting")
HELD = {"pause": ("running", "paused"), "stop": ("starting", "running", "paused")}
"""In which states of a run that an engine holds a command makes sense."""


@dataclass
class Desk:
    """`selected` is the id of the run that is looked at; `starting` what an engine that is being started says, empty where none
    is; `sent` the commands without an answer yet, id and what was asked."""

    store: Store
    evidence: Evidence
    preferences: Preferences
    selected: str | None = None
    snapshot: Snapshot | None = None
    starting: str = ""
    sent: dict[str, str] = field(default_factory=dict)

    @property
    def run(self) -> RunState | None:
        """The run that is looked at, as the newest snapshot has it."""
        return self.snapshot.run(self.selected) if self.snapshot else None

    @property
    def now(self) -> float:
        """Unix time of the newest snapshot."""
        return self.snapshot.now if self.snapshot else 0.0

    @property
    def read_only(self) -> bool:
        """Whether commands cannot be sent."""
        return self.snapshot is not None and not self.snapshot.writable

    def can(self, action: str) -> bool:
        """Whether `pause`, `stop` or `go_on` makes sense for the run."""
        run = self.run
        if run is None or run.problem or self.read_only:
            return False
        if action == "go_on":
            undecided = bool(run.waiting) and not self.sent  # an engine would only wait again
            return not (run.engine or self.starting or undecided) and run.state in STARTABLE and run.view.started is not None
        return bool(run.engine) and run.state in HELD[action]

    def cannot_command(self, run: RunState) -> str:
        """Why nothing can be sent to a run; empty where it can."""
        if self.read_only:
            return "The store cannot be written: this is for looking only."
        return run.problem or (f"Wait: {self.starting}" if self.starting else "")
