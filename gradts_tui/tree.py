"""The stages of a run as a tree: what is done, what runs, what is to come. Pure functions of a `RunView`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from gradts_engine.runtime.view import TODO, RunView, Stage
from gradts_engine.words import number, score

UNITS = {"tune": "steps", "trial": "steps", "score": "instances"}

Key = tuple[str, str]
"""Stage and subject."""


@dataclass(frozen=True)
class Leaf:
    """One stage of one subject. `note` is its result in a word: a dev score."""

    key: Key
    label: str
    stage: Stage
    note: str = ""

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.stage.finished or self.stage.state == "not needed"


@dataclass(frozen=True)
class Branch:
    """Leaves of one kind. `remaining`: seconds that those not finished will take, where there is something to judge by."""

    key: str
    label: str
    leaves: tuple[Leaf, ...]
    remaining: float | None = None

    @property
    def finished(self) -> int:
        """How many leaves are."""
        return sum(leaf.finished for leaf in self.leaves)

    @property
    def state(self) -> str:
        """That of its leaves: failed, running, stopped, done or to do."""
        states = {leaf.stage.state for leaf in self.leaves}
        for state in ("failed", "running", "stopped"):
            if state in states:
                return state
        return "done" if self.finished == len(self.leaves) else "to do"


def branches(view: RunView, now: float, alive: bool = True) -> list[Branch]:
    """All branches, in the order of the method; empty ones are left out. Without an engine (`alive`) nothing runs any more."""
    started = view.started
    if started is None:
        return []
    if not alive:
        stopped = {key: replace(s, state="stopped") if s.state == "running" else s for key, s in view.stages.items()}
        view = replace(view, stages=stopped)
    tasks, primaries = tuple(started.tasks), tuple(started.primaries)
    found = [
        _branch(view, now, "embed", "Embed texts", tasks),
        _branch(view, now, "tune", "Tune each task alone", tasks),
        _branch(view, now, "score", "Score heads", tasks),
        _branch(view, now, "correlate", "Correlate", primaries),
        *(_branch(view, now, "trial", f"Trials of {p}", _subjects(view, "trial", p), p) for p in primaries),
        _branch(view, now, "proposal", "Propose", primaries),
        _branch(view, now, "test", "Test", [s for p in primaries for s in _subjects(view, "test", p)]),
        _models(view, primaries),
    ]
    return [branch if alive else replace(branch, remaining=None) for branch in found if branch.leaves]


def _subjects(view: RunView, stage: str, primary: str) -> list[str]:
    """Subjects of a primary; in words they are `primary + auxiliary + ...`."""
    return [subject for name, subject in view.stages if name == stage and subject.split(" + ")[0] == primary]


def _branch(view: RunView, now: float, stage: str, label: str, subjects: Iterable[str], primary: str = "") -> Branch:
    scores = {t.key: t.score for trials in view.trials.values() for t in trials}
    leaves = []
    for subject in subjects:
        found = view.stage(stage, subject)
        if stage == "tune" and found is TODO and view.stage("score", subject).finished:
            found = Stage("not needed")  # its scores were there already
        best = scores.get(found.key) if stage == "trial" else max(found.epochs, default=None)
        note = "" if number(best) is None else score(best)
        name = subject.removeprefix(f"{primary} ") if primary and subject != primary else "(alone)" if primary else subject
        leaves.append(Leaf((stage, subject), name, found, note))
    return Branch(stage + (f" {primary}" if primary else ""), label, tuple(leaves), _remaining(view, leaves, now))


def _remaining(view: RunView, leaves: Iterable[Leaf], now: float) -> float | None:
    """Those that run at their own rate; those to come as the finished ones did, by train rows."""
    leaves = list(leaves)
    rows = {name: task.sizes.get("train", 0) for name, task in view.tasks.items()}
    measured = [leaf for leaf in leaves if leaf.stage.state == "done" and leaf.stage.seconds > 0]
    running = [leaf.stage.remaining(now) for leaf in leaves if leaf.stage.state == "running"]
    to_come = [leaf for leaf in leaves if leaf.stage is TODO]
    if any(seconds is None for seconds in running) or not (running or to_come):
        return None
    seen = sum(rows.get(leaf.key[1], 0) for leaf in measured)
    if to_come and not seen:
        return None
    pace = sum(leaf.stage.seconds for leaf in measured) / seen if to_come else 0.0
    return sum(s or 0.0 for s in running) + pace * sum(rows.get(leaf.key[1], 0) for leaf in to_come)


def _models(view: RunView, primaries: Iterable[str]) -> Branch:
    """Final models: a model is there once its event is."""
    leaves = [
        Leaf(
            ("final", p),
            p,
            Stage("done") if p in view.finals else TODO,
            score(view.finals[p].score) if p in view.finals else "",
        )
        for p in primaries
    ]
    return Branch("final", "Final models", tuple(leaves))


def progress(found: Iterable[Branch]) -> tuple[int, int]:
    """Finished leaves, and all that are known so far."""
    found = list(found)
    return sum(b.finished for b in found), sum(len(b.leaves) for b in found)


def running(found: Iterable[Branch]) -> Leaf | None:
    """The leaf that moved last among those that run."""
    leaves = [leaf for branch in found for leaf in branch.leaves if leaf.stage.state == "running"]
    return max(leaves, key=lambda leaf: max(leaf.stage.began, leaf.stage.latest[0]), default=None)
