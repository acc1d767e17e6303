"""What the screens draw: frozen snapshots of a store, and the pure reducer that makes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from gradts_engine import __version__, events, words
from gradts_engine.console import describe
from gradts_engine.events import Event
from gradts_engine.runtime.view import RunView, fold, state_of

LINES = 20_000
"""Most lines of a run's log that are kept in memory."""

DETAIL, INFO, WARNING, ERROR = range(4)
LEVELS = ("detail", "info", "warning", "error")

STARTS = (events.RunStarted, events.RunResumed, events.RunEnded)
"""What ends a pause."""

Row = tuple[int, float, Event]
"""Sequence number, Unix time, event: as the journal gives them."""


@dataclass(frozen=True)
class Line:
    """A line of the log; `time` is Unix time, `level` an index into `LEVELS`."""

    time: float
    level: int
    text: str


@dataclass(frozen=True)
class RunState:
    """One run: what its events add up to, and what only a look at its folder tells.

    `engine` says in words who works on it (empty: nobody); `problem` why it cannot be read; `seq` is the last event folded,
    `changes` how many of them were more than progress; `worked` the seconds in which an engine was at work and not paused.
    """

    id: str
    path: Path
    view: RunView = field(default_factory=RunView)
    state: str = "starting"
    engine: str = ""
    log: tuple[Line, ...] = ()
    seq: int = 0
    changes: int = 0
    problem: str = ""
    worked: float = 0.0

    @property
    def waiting(self) -> tuple[str, ...]:
        """Primaries whose proposal nobody has decided on, where the engine has asked for that."""
        if self.state != "waiting":
            return ()
        return tuple(p for p in self.view.proposals if not self.view.confirmed(p))

    @property
    def version(self) -> str:
        """The engine's version, if it is another than this program's."""
        made = self.view.started.versions.get("gradts", __version__) if self.view.started else __version__
        return "" if made == __version__ else made


@dataclass(frozen=True)
class Snapshot:
    """A store at one moment: its runs, the latest first. `now` is the Unix time of the look."""

    root: Path
    now: float
    runs: tuple[RunState, ...] = ()
    writable: bool = True
    problem: str = ""

    def run(self, name: str | None) -> RunState | None:
        """The run with that id."""
        return next((run for run in self.runs if run.id == name), None)


def advance(run: RunState, rows: Iterable[Row], engine: str = "") -> RunState:
    """The run after more events, seen with `engine` at work on it."""
    rows = list(rows)
    view = fold(((when, event) for _, when, event in rows), run.view)
    changes = [(when, event) for _, when, event in rows if not event.progress]
    lines = [line for when, event in changes if (line := log_line(when, event))]
    return replace(
        run,
        view=view,
        state=state_of(view.state, engine),
        engine=engine,
        log=(*run.log, *lines)[-LINES:] if lines else run.log,
        seq=rows[-1][0] if rows else run.seq,
        changes=run.changes + len(changes),
        problem="",
        worked=run.worked + worked(rows, run.view.last, run.view.state == "paused"),
    )


def worked(rows: Iterable[Row], last: float, paused: bool) -> float:
    """Seconds between events, left out those before an engine starts and those of a pause; `last` is when the event before them
    came."""
    total = 0.0
    for _, when, event in rows:
        if last and not paused and not isinstance(event, events.RunStarted):
            total += when - last
        if not event.progress:
            paused = isinstance(event, events.RunPaused) or (paused and not isinstance(event, STARTS))
        last = when
    return total


def log_line(when: float, event: Event) -> Line | None:
    """A line for the log, None for an event that says nothing to a reader."""
    match event:
        case events.Warned() | events.CommandAnswered(accepted=False):
            level = WARNING
        case events.StageFailed():
            level = ERROR
        case events.RunEnded(state, reason):
            return Line(when, ERROR if state == "failed" else INFO, f"run {state}{': ' + reason if reason else ''}")
        case events.StageStarted(stage, subject):
            return Line(when, DETAIL, f"{stage} {subject}: started")
        case events.StageFinished(cached=True) | events.Tokenised() | events.StageFinished("trial"):
            level = DETAIL  # a trial's score is told next
        case events.TrialScored(primary, auxiliaries, score, _, reason, repeat):
            again = f", repeat {repeat}" if repeat else ""
            names = " + ".join([primary, *sorted(auxiliaries)]) + again  # as its stage is named
            return Line(when, INFO, f"trial {names}: {words.score(score) if score == score else reason}")
        case _:
            level = INFO
    text = describe(event)
    return Line(when, level, text) if text else None
