"""The stages of a run as a tree: what is done, what runs, what is to come. Pure functions of a `RunView`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from gradts_engine.runtime.view import TODO, RunView, Stage
from gradts_engine.words import duration, number, score

UNITS = {"tune": "steps", "trial": "steps", "part": "steps", "score": "instances", "align": "instances"}

Key = tuple[str, str]
"""Stage and subject."""


@dataclass(frozen=True)
class Leaf:
    """One stage of one subject. `note` is its result in a word: a dev score; `parts` how many epochs a training has."""

    key: Key
    label: str
    stage: Stage
    note: str = ""
    parts: int = 0

    @property
    def task(self) -> str:
        """The task that it is about, or the primary."""
        return self.stage.about.task if self.stage.about else self.key[1]

    @property
    def scoring(self) -> bool:
        """Whether the steps of an epoch are done and its dev score is not there: a training has so many equal `parts`."""
        stage = self.stage
        return stage.total > 0 and stage.done * self.parts // stage.total > len(stage.epochs)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.stage.finished or self.stage.state == "not needed"


@dataclass(frozen=True)
class Branch:
    """Leaves of one kind. `remaining`: seconds that those not finished will take, where there is something to judge by; `most`:
    how many leaves there may be in the end, where that is not known yet."""

    key: str
    label: str
    leaves: tuple[Leaf, ...]
    remaining: float | None = None
    most: int = 0

    @property
    def share(self) -> float:
        """How much of it is done, 0 to 1."""
        running = (s for leaf in self.leaves if (s := leaf.stage).state == "running" and s.total)
        return (self.finished + sum(s.done / s.total for s in running)) / max(len(self.leaves), 1)

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
        return "done" if self.leaves and self.finished == len(self.leaves) else "to do"


def branches(view: RunView, now: float, alive: bool = True) -> list[Branch]:
    """All branches, in the order of the method; empty ones are left out. Without an engine (`alive`) nothing runs any more."""
    started = view.started
    if started is None:
        return []
    if not alive:
        stopped = {key: replace(s, state="stopped") if s.state == "running" else s for key, s in view.stages.items()}
        view = replace(view, stages=stopped)
    now = view.clock(now)
    tasks, primaries = tuple(started.tasks), tuple(started.primaries)
    heads = "importance" in started.needs
    found = [
        _branch(view, now, "embed", "Embed texts", tasks if "state" in started.needs else ()),
        _branch(view, now, "tune", "Tune each task alone", _repeated(view, "tune", tasks if heads else ())),
        _branch(view, now, "score", "Score heads", _repeated(view, "score", tasks) if heads else ()),
        _branch(view, now, "correlate", "Correlate", primaries if heads else ()),
        _branch(view, now, "states", "States of labels", _subjects(view, "states")),
        _branch(view, now, "part", "Tune primaries in part", _subjects(view, "part")),
        _branch(view, now, "align", "Compare gradients", _subjects(view, "align")),
        _branch(view, now, "trial", "Pilots", _pilots(view)),
        *(_trials(view, now, p) for p in primaries),
        _branch(view, now, "proposal", "Propose", primaries),
        _branch(view, now, "test", "Test", [s.subject for p in primaries for s in view.of("test", p)]),
        _models(view, primaries),
    ]
    return [branch if alive else replace(branch, remaining=None) for branch in found if branch.leaves or branch.most]


def _subjects(view: RunView, stage: str) -> list[str]:
    """Those that have come so far."""
    return [s.subject for s in view.of(stage)]


def _repeated(view: RunView, stage: str, tasks: Sequence[str]) -> list[str]:
    """Each of the tasks, then what has come besides them: repeats with other seeds."""
    return list(dict.fromkeys([*tasks, *_subjects(view, stage)]))


def _pilots(view: RunView) -> list[str]:
    """Trials of tasks that are no primaries."""
    primaries = view.started.primaries if view.started else ()
    return [s.subject for s in view.of("trial") if s.about and s.about.task not in primaries]


def _branch(view: RunView, now: float, stage: str, label: str, subjects: Iterable[str]) -> Branch:
    scores = {t.key: t.score for trials in (*view.trials.values(), *view.pilots.values()) for t in trials}
    leaves = []
    for subject in subjects:
        found = view.stage(stage, subject)
        if stage == "tune" and found is TODO and view.stage("score", subject).finished:
            found = Stage("not needed")  # its scores were there already
        if stage == "embed" and found is TODO and view.predicted:
            found = Stage("not needed")  # its texts are those of another task: all are embedded before candidates are ranked
        best = scores.get(found.key) if stage == "trial" else max(found.epochs, default=None)
        note = "" if number(best) is None else score(best)
        leaves.append(Leaf((stage, subject), subject, found, note, epochs(view, stage)))
    return Branch(stage, label, tuple(leaves), _remaining(view, leaves, now))


def epochs(view: RunView, stage: str) -> int:
    """How many a training of this kind has, by the settings."""
    section = {"tune": "training", "trial": "multitask"}.get(stage, "")
    settings = view.started.settings.get(section, {}) if view.started else {}
    return int(settings.get("epochs", 0))


def _trials(view: RunView, now: float, primary: str) -> Branch:
    """Those of one primary, named by what each adds to an earlier one and by its repeat; how many there will be is known once
    there is a proposal."""
    branch = _branch(view, now, "trial", f"Trials of {primary}", [s.subject for s in view.of("trial", primary)])
    before: list[frozenset[str]] = []
    leaves = []
    for leaf in branch.leaves:
        names = _auxiliaries(leaf.stage)
        added = next((new for old in reversed(before) if old and len(new := set(names) - old) == 1 and old < set(names)), None)
        before.append(frozenset(names))
        label = f"\N{HORIZONTAL ELLIPSIS} + {added.pop()}" if added else f"+ {' + '.join(names)}" if names else "(alone)"
        repeat = leaf.stage.about.repeat if leaf.stage.about else 0
        leaves.append(replace(leaf, label=f"{label}, repeat {repeat}" if repeat else label))
    most = 0 if primary in view.proposals or view.started is None else view.started.trials.get(primary, 0)
    left = _at_most(leaves, most, branch.remaining, _workers(view))
    return replace(branch, key=f"trial {primary}", leaves=tuple(leaves), most=most, remaining=left)


def _at_most(leaves: Sequence[Leaf], most: int, remaining: float | None, workers: int) -> float | None:
    """Seconds that `most` trials still take side by side, as those that ended did: those that run take `remaining`."""
    to_come = max(0, most - len(leaves))
    took = [leaf.stage.seconds for leaf in leaves if leaf.stage.computed and leaf.stage.seconds > 0]
    if not to_come or remaining is None:
        return remaining
    return remaining + to_come * sum(took) / len(took) / workers if took else None


def _workers(view: RunView) -> int:
    """How many jobs run side by side where there are enough of them."""
    return max(1, len(view.started.devices)) if view.started else 1


def _auxiliaries(stage: Stage) -> list[str]:
    """With how many of its instances, where it was cut."""
    found = stage.about.auxiliaries if stage.about else ()
    return [name if count is None else f"{name}[{count}]" for name, count in found]


def _remaining(view: RunView, leaves: Iterable[Leaf], now: float) -> float | None:
    """Seconds of all side by side: those that run at their own rate; those to come as the finished ones did, by train rows."""
    leaves = list(leaves)
    rows = {name: task.sizes.get("train", 0) for name, task in view.tasks.items()}
    measured = [leaf for leaf in leaves if leaf.stage.computed and leaf.stage.seconds > 0]
    running = [leaf.stage.remaining(now) for leaf in leaves if leaf.stage.state == "running"]
    to_come = [leaf for leaf in leaves if leaf.stage is TODO]
    if any(seconds is None for seconds in running) or not (running or to_come):
        return None
    seen = sum(rows.get(leaf.task, 0) for leaf in measured)
    if to_come and not seen:
        return None
    pace = sum(leaf.stage.seconds for leaf in measured) / seen if to_come else 0.0
    left = [s or 0.0 for s in running]
    return max([*left, (sum(left) + pace * sum(rows.get(leaf.task, 0) for leaf in to_come)) / _workers(view)])


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


def overall(found: Iterable[Branch]) -> str:
    """How far a run has come, by the last kind of stage that runs: `stage 3 of 6 (45%, about 4m 00s left)`; nothing where none
    does. What the stages after it take is not known in a first run. How many trials there will be is not known either, so
    they are counted, and the time is that of the most."""
    found = list(found)
    at = max((i for i, branch in enumerate(found, 1) if branch.state == "running"), default=0)
    if not at:
        return ""
    branch = found[at - 1]
    parts = [f"trial {len(branch.leaves)}" if branch.most else f"{branch.share:.0%}"]
    if branch.remaining:
        parts.append(f"{'up to' if branch.most else 'about'} {duration(branch.remaining)} left")
    return f"stage {at} of {len(found)} ({', '.join(parts)})"


def progress(found: Iterable[Branch]) -> tuple[int, int]:
    """Finished leaves, and all that are known so far."""
    found = list(found)
    return sum(b.finished for b in found), sum(len(b.leaves) for b in found)


def running(found: Iterable[Branch]) -> Leaf | None:
    """The leaf that moved last among those that run."""
    leaves = [leaf for branch in found for leaf in branch.leaves if leaf.stage.state == "running"]
    return max(leaves, key=lambda leaf: max(leaf.stage.began, leaf.stage.latest[0]), default=None)
