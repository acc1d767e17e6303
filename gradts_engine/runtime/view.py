"""What a run's events add up to. A pure fold, shared by every reader: the command line, reports, the terminal UI."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gradts_engine import events
from gradts_engine.events import About, Event

POINTS = 240
"""Most points of a loss curve: steps are gathered into so many equal parts of the training."""

TOGETHER = 10_000
"""Most progress that is taken together: it is held in memory until then."""

StageEvent = (
    events.StageStarted
    | events.StageResumed
    | events.StageProgress
    | events.EpochScored
    | events.StageFinished
    | events.StageFailed
)

Timed = tuple[float, Event]
"""An event and its Unix time."""


@dataclass(frozen=True)
class Stage:
    """One stage of one subject: `to do`, `running`, `done`, `cached` or `failed`.

    `began` is the Unix time of its start; `first` and `latest` are time and `done` of its first and its latest progress;
    `curve[i]` is the sum and the number of the losses in part i of `POINTS` of the training; `computed`: this run has done it, if
    it found the result when it went on.
    """

    state: str
    key: str = ""
    name: str = ""
    subject: str = ""
    about: About | None = None
    device: str = ""
    done: int = 0
    total: int = 0
    loss: float | None = None
    seconds: float = 0.0
    operations: float = 0.0
    steps: int = 0
    computed: bool = False
    reason: str = ""
    epochs: tuple[float, ...] = ()
    began: float = 0.0
    first: tuple[float, int] = (0.0, 0)
    latest: tuple[float, int] = (0.0, 0)
    curve: Mapping[int, tuple[float, int]] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Whether its result is there."""
        return self.state in ("done", "cached")

    def rate(self) -> float | None:
        """Steps or instances a second since the first progress, None before the second one."""
        seconds, done = self.latest[0] - self.first[0], self.latest[1] - self.first[1]
        return done / seconds if seconds > 0 and done > 0 else None

    def remaining(self, now: float) -> float | None:
        """Seconds that are left at the present rate, None where there is none."""
        rate = self.rate()
        return max(0.0, (self.total - self.done) / rate - (now - self.latest[0])) if rate else None

    def losses(self) -> list[tuple[float, float]]:
        """The loss curve: step (the middle of a part) and mean loss."""
        return [((i + 0.5) * self.total / POINTS, total / count) for i, (total, count) in sorted(self.curve.items())]


TODO = Stage("to do")


def state_of(recorded: str, engine: str) -> str:
    """The state of a run from what its events say and whether an engine holds it: one that works on it has yet to write its
    first event, and one that is gone without a word has died."""
    if engine:
        return recorded if recorded in ("running", "paused") else "starting"
    return "died" if recorded in ("starting", "running", "paused") else recorded


@dataclass(frozen=True)
class RunView:
    """State of a run: starting, running, paused, or that of `RunEnded`. `stages` by key, `named` the latest key of each stage and
    subject, in the order in which they first came; `trials[primary]` and `pilots[primary]`
    by the set of auxiliaries, in order of their scoring; `held` since when it is paused, 0 where it is not."""

    state: str = "starting"
    reason: str = ""
    started: events.RunStarted | None = None
    tasks: Mapping[str, events.TaskRead] = field(default_factory=dict)
    truncated: Mapping[tuple[str, str], int] = field(default_factory=dict)
    stages: Mapping[str, Stage] = field(default_factory=dict)
    named: Mapping[tuple[str, str], str] = field(default_factory=dict)
    trials: Mapping[str, tuple[events.TrialScored, ...]] = field(default_factory=dict)
    pilots: Mapping[str, tuple[events.TrialScored, ...]] = field(default_factory=dict)
    predicted: Mapping[str, events.Predicted] = field(default_factory=dict)
    verdicts: Mapping[str, tuple[events.Judged, ...]] = field(default_factory=dict)
    expected: Mapping[str, events.Expected] = field(default_factory=dict)
    proposals: Mapping[str, events.Proposed] = field(default_factory=dict)
    confirmations: Mapping[str, events.Confirmed] = field(default_factory=dict)
    finals: Mapping[str, events.FinalModel] = field(default_factory=dict)
    answers: Mapping[str, events.CommandAnswered] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    planned: events.Planned | None = None
    first: float = 0.0
    last: float = 0.0
    held: float = 0.0
    failures: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def stage(self, stage: str, subject: str) -> Stage:
        """The latest stage of that name and subject; one `to do` where its events have not begun."""
        return self.stages.get(self.named.get((stage, subject), ""), TODO)

    def of(self, stage: str, task: str | None = None) -> list[Stage]:
        """The latest stages of a name, each subject once in the order in which they first came; those about a task or primary."""
        found = [self.stages[key] for (name, _), key in self.named.items() if name == stage]
        return [s for s in found if task is None or (s.about.task if s.about else s.subject) == task]

    @property
    def causes(self) -> list[str]:
        """Why it ended as it did: what failed, and what was said of the run."""
        failed = [f"{stage} {subject}: {reason}" for (stage, subject), reason in self.failures.items()]
        return list(dict.fromkeys(filter(None, [*failed, self.reason])))

    def clock(self, now: float) -> float:
        """The Unix time up to which stages were computed: it stands still in a pause."""
        return min(now, self.held) if self.held else now

    def confirmed(self, primary: str) -> events.Confirmed | None:
        """The decision on a primary's present proposal, if one was made."""
        decision, proposal = self.confirmations.get(primary), self.proposals.get(primary)
        return decision if decision and proposal and decision.digest == proposal.digest else None


def _key(view: RunView, event: StageEvent) -> str:
    """By which key the view knows a stage; that of its name and subject for events of versions that did not say it."""
    name = (event.stage, event.subject)
    return event.key or view.named.get(name) or " ".join(name)


def _stage(view: RunView, event: StageEvent, **changes: Any) -> RunView:
    key = _key(view, event)
    before = view.stages.get(key) or Stage("running", key, event.stage, event.subject)
    about = getattr(event, "about", None) or before.about
    named = {**view.named, (event.stage, event.subject): key}
    return replace(view, stages={**view.stages, key: replace(before, about=about, **changes)}, named=named)


def _later(view: RunView, seconds: float) -> RunView:
    """After a pause of so many: what ran began as much later."""

    def moved(at: tuple[float, int]) -> tuple[float, int]:
        return (at[0] + seconds, at[1]) if at[0] else at

    stages = {
        key: replace(s, began=s.began + seconds, first=moved(s.first), latest=moved(s.latest)) if s.state == "running" else s
        for key, s in view.stages.items()
    }
    return replace(view, state="running", stages=stages, held=0.0)


def _told(view: RunView, primary: str, event: events.TrialScored | events.Judged) -> RunView:
    """With a trial's score or a verdict; the place of an earlier one of the same trial stays."""
    field = "verdicts" if isinstance(event, events.Judged) else "pilots" if event.pilot else "trials"
    known = getattr(view, field).get(primary, ())

    def same(other: events.TrialScored | events.Judged) -> bool:
        return other.auxiliaries == event.auxiliaries and getattr(other, "repeat", 0) == getattr(event, "repeat", 0)

    if any(map(same, known)):
        return _with(view, field, primary, tuple(event if same(other) else other for other in known))
    return _with(view, field, primary, (*known, event))


def _with(view: RunView, name: str, key: Any, value: Any) -> RunView:
    changed: dict[str, Any] = {name: {**getattr(view, name), key: value}}
    return replace(view, **changed)


def _advance(view: RunView, progress: Mapping[str, Sequence[tuple[float, events.StageProgress]]]) -> RunView:
    """The view after the progress of several stages, each in its order."""
    stages, named = dict(view.stages), dict(view.named)
    for key, timed in progress.items():
        first_event = timed[0][1]
        before = stages.get(key) or Stage("running", key, first_event.stage, first_event.subject)
        named[first_event.stage, first_event.subject] = key
        curve = dict(before.curve)
        for _, event in timed:
            if event.loss is not None and event.total > 0:
                part = event.done * POINTS // (event.total + 1)
                total, count = curve.get(part, (0.0, 0))
                curve[part] = (total + event.loss, count + 1)
        (when, last), (began, first) = timed[-1], timed[0]
        stages[key] = replace(
            before,
            done=last.done,
            total=last.total,
            loss=last.loss,
            first=before.first if before.first[0] else (began, first.done),
            latest=(when, last.done),
            curve=curve,
        )
    return replace(view, stages=stages, named=named)


_LATEST = {
    events.Predicted: "predicted",
    events.Expected: "expected",
    events.Confirmed: "confirmations",
    events.FinalModel: "finals",
}
"""Events of which the latest of each primary counts, and where it is kept."""


def apply(view: RunView, event: Event, when: float = 0.0) -> RunView:
    """The view after one more event; an event that it has no use for leaves it as it is."""
    match event:
        case events.RunStarted():
            return replace(
                view, state="running", reason="", started=event, proposals={}, finals={}, warnings=(), failures={}, held=0.0
            )
        case events.RunEnded(state, reason):
            return replace(view, state=state, reason=reason, held=0.0)
        case events.RunPaused():
            return replace(view, state="paused", held=when)
        case events.RunResumed():
            return _later(view, when - view.held if view.held else 0.0)
        case events.TaskRead(task):
            return _with(view, "tasks", task, event)
        case events.Tokenised(task, split, truncated=count):
            return _with(view, "truncated", (task, split), count)
        case events.StageStarted(stage, subject, key):
            fresh = Stage("running", key, stage, subject, event.about, event.device, began=when)
            named = {**view.named, (stage, subject): key}
            return replace(view, stages={**view.stages, key: fresh}, named=named)
        case events.StageResumed(done=done, total=total):
            return _stage(view, event, done=done, total=total)
        case events.StageProgress():
            return _advance(view, {_key(view, event): [(when, event)]})
        case events.EpochScored(epoch=epoch, score=score):
            known = view.stages.get(_key(view, event), TODO).epochs
            return _stage(view, event, epochs=(*known[: epoch - 1], score))
        case events.StageFinished(seconds=seconds, cached=True):
            before = view.stages.get(_key(view, event), TODO)  # earlier versions did not store what it took
            return _stage(view, event, state="cached", seconds=seconds or before.seconds)
        case events.StageFinished(seconds=seconds, operations=operations, steps=steps):
            return _stage(view, event, state="done", seconds=seconds, computed=True, operations=operations, steps=steps)
        case events.Planned():
            return replace(view, planned=event)
        case events.StageFailed(stage, subject, reason):
            return _with(_stage(view, event, state="failed", reason=reason), "failures", (stage, subject), reason)
        case events.TrialScored(primary) | events.Judged(primary):
            return _told(view, primary, event)
        case events.Proposed(primary):
            # What a policy took is not remembered: where a person is to be asked now, nobody has decided yet.
            persons = {p: c for p, c in view.confirmations.items() if p != primary or c.by == "person"}
            return replace(_with(view, "proposals", primary, event), confirmations=persons)
        case events.Predicted(primary) | events.Expected(primary) | events.Confirmed(primary) | events.FinalModel(primary):
            return _with(view, _LATEST[type(event)], primary, event)
        case events.CommandAnswered(id=identifier):
            return _with(view, "answers", identifier, event)
        case events.Warned(message):
            return replace(view, warnings=(*view.warnings, message))
    return view


def fold(timed: Iterable[Timed], view: RunView | None = None) -> RunView:
    """The view after all events, given with their Unix times, on top of an earlier view.

    Nearly all events are progress, of which only sums and the last one count, so it is taken together up to the next change of
    state.
    """
    view = view or RunView()
    first, last, waiting = view.first, view.last, 0
    progress: dict[str, list[tuple[float, events.StageProgress]]] = {}
    for when, event in timed:
        first, last = first or when, when
        if isinstance(event, events.StageProgress):
            progress.setdefault(_key(view, event), []).append((when, event))
            waiting += 1
            if waiting < TOGETHER:
                continue
        if progress:
            view, waiting = _advance(view, progress), 0
            progress.clear()
        if not isinstance(event, events.StageProgress):
            view = apply(view, event, when)
    return replace(_advance(view, progress) if progress else view, first=first, last=last)
