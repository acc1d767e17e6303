"""A decision in the making: which auxiliaries, cut to which instances. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

import numpy as np

from gradts_engine import report
from gradts_engine.events import Confirmed, Proposed
from gradts_engine.runtime.inbox import Confirm
from gradts_engine.runtime.view import RunView

CUTS = ("as proposed", "keep", "threshold")
STEP = {"keep": 0.05, "threshold": 0.02}
RANGE = {"keep": (0.05, 1.0), "threshold": (-1.0, 1.0)}


@dataclass(frozen=True)
class Choice:
    """`names` in the order of the ranking; `cut` is one of `CUTS`, `at` its share or tau."""

    proposal: Proposed
    names: tuple[str, ...]
    cut: str = "as proposed"
    at: float = 0.5

    @classmethod
    def of(cls, proposal: Proposed) -> Choice:
        """The proposal as it is."""
        return cls(proposal, tuple(proposal.auxiliaries))

    def toggled(self, name: str, order: Sequence[str]) -> Choice:
        """With or without a candidate."""
        wanted = {*self.names} ^ {name}
        return replace(self, names=tuple(n for n in order if n in wanted))

    def moved(self, steps: int) -> Choice:
        """With another share or threshold."""
        if self.cut == "as proposed":
            return self
        low, high = RANGE[self.cut]
        return replace(self, at=round(min(max(self.at + steps * STEP[self.cut], low), high), 2))

    def next_cut(self, settings: Mapping[str, object]) -> Choice:
        """Cut in the next way, beginning with what tasks.toml says."""
        cut = CUTS[(CUTS.index(self.cut) + 1) % len(CUTS)]
        start = settings.get(cut)
        return replace(self, cut=cut, at=float(start) if isinstance(start, int | float) else {"threshold": 0.3}.get(cut, 0.5))

    @classmethod
    def decided(cls, proposal: Proposed, decision: Confirmed) -> Choice:
        """What was confirmed of a proposal."""
        names = tuple(decision.auxiliaries)
        if decision.keep is not None:
            return cls(proposal, names, "keep", decision.keep)
        if decision.threshold is not None:
            return cls(proposal, names, "threshold", decision.threshold)
        return cls(proposal, names)

    @property
    def as_proposed(self) -> bool:
        """Whether nothing was changed."""
        return self.cut == "as proposed" and set(self.names) == set(self.proposal.auxiliaries)

    def count(self, name: str, rows: int, tau: np.ndarray | None) -> int | None:
        """How many instances of a candidate are taken, if it is; None where its tau is not known yet."""
        if self.cut == "as proposed":
            return self.proposal.auxiliaries.get(name, rows)
        if tau is None:
            return None
        keep, threshold = (self.at, None) if self.cut == "keep" else (None, self.at)
        return report.count_kept(tau, keep=keep, threshold=threshold)

    def difference(self) -> str:
        """How it differs from the proposal, in a line."""
        added = [f"+ {name}" for name in self.names if name not in self.proposal.auxiliaries]
        dropped = [f"- {name}" for name in self.proposal.auxiliaries if name not in self.names]
        cut = [] if self.cut == "as proposed" else [f"instances: {self.words()}"]
        return ", ".join([*added, *dropped, *cut]) or "as proposed"

    def words(self) -> str:
        """How instances are chosen."""
        return {"keep": f"the {self.at:.0%} nearest", "threshold": f"tau >= {self.at:.2f}"}.get(self.cut, "as proposed")

    def command(self) -> Confirm:
        """What is sent to the engine."""
        return Confirm(
            primary=self.proposal.primary,
            digest=self.proposal.digest,
            auxiliaries=None if set(self.names) == set(self.proposal.auxiliaries) else self.names,
            keep=self.at if self.cut == "keep" else None,
            threshold=self.at if self.cut == "threshold" else None,
        )


@dataclass(frozen=True)
class Tried:
    """The trial that added a candidate with so many `instances`: its dev `score`, `gain` over the trial without the candidate,
    and the seconds that it took."""

    instances: int
    score: float
    gain: float
    seconds: float | None


@dataclass(frozen=True)
class Candidate:
    """What is known of one candidate: `trials` by the number of its instances that they were given."""

    name: str
    tau: float | None
    trials: Mapping[int, Tried] = field(default_factory=dict)
    reason: str = ""

    def tried(self, count: int | None) -> Tried | None:
        """The trial with so many instances; where there is none, the first one."""
        return self.trials.get(-1 if count is None else count) or next(iter(self.trials.values()), None)


def candidates(view: RunView, primary: str, ranking: Sequence[report.Ranked]) -> list[Candidate]:
    """All candidates of a primary in the order of `ranking` (`report.results`), with what the trials say of each."""
    tried: dict[str, dict[int, Tried]] = {}
    before: dict[tuple[frozenset[tuple[str, int]], int], float] = {}
    seconds = {stage.key: stage.seconds or None for stage in view.stages.values()}
    for scored in view.trials.get(primary, ()):
        chosen = frozenset(scored.auxiliaries.items())
        for name, count in chosen:
            earlier = before.get((chosen - {(name, count)}, scored.repeat))
            if earlier is not None and count not in tried.get(name, {}):
                trial = Tried(count, scored.score, scored.score - earlier, seconds.get(scored.key))
                tried.setdefault(name, {})[count] = trial
        before[chosen, scored.repeat] = scored.score
    proposal = view.proposals.get(primary)
    strategy = view.started.settings.get("selection", {}) if view.started else {}
    rows = []
    for entry in ranking:
        trials = tried.get(entry.task, {})
        first = next(iter(trials.values()), None)
        proposed = proposal is not None and entry.task in proposal.auxiliaries
        reason = why(proposed, entry.tau, first.gain if first else None, strategy)
        failed = entry.tau is None and any(other.tau is not None for other in ranking)  # of a run that computes it
        rows.append(Candidate(entry.task, entry.tau, trials, "no tau" if failed else reason))
    return rows


def same_trial(view: RunView, primary: str, counts: Mapping[str, int | None]) -> Tried | None:
    """The trial of exactly these auxiliaries with so many instances each, if there was one."""
    alone = next((t.score for t in view.trials.get(primary, ()) if not t.auxiliaries), math.nan)
    for trial in view.trials.get(primary, ()):
        if dict(trial.auxiliaries) == dict(counts) and not trial.repeat and trial.score == trial.score:
            seconds = view.stages[trial.key].seconds if trial.key in view.stages else None
            return Tried(sum(trial.auxiliaries.values()), trial.score, trial.score - alone, seconds)
    return None


def takes(view: RunView, primary: str, counts: Mapping[str, int | None]) -> float | None:
    """Seconds that a training with these auxiliaries takes, by those of the primary's own trials: all the same where they get
    equal steps, else by their rows. None without a trial whose time is known."""
    own = view.tasks[primary].sizes.get("train", 0) if primary in view.tasks else 0
    timed = [
        (view.stages[t.key].seconds, own + sum(t.auxiliaries.values()))
        for t in view.trials.get(primary, ())
        if t.key in view.stages and view.stages[t.key].seconds
    ]
    if not timed:
        return None
    if view.started and view.started.settings.get("multitask", {}).get("length") == "steps":
        return fmean(seconds for seconds, _ in timed)
    return (
        sum(seconds for seconds, _ in timed)
        / max(sum(rows for _, rows in timed), 1)
        * (own + sum(n or 0 for n in counts.values()))
    )


def why(chosen: bool, tau: float | None, gain: float | None, selection: Mapping[str, object]) -> str:
    """Why a candidate is proposed, or is not."""
    threshold = selection.get("threshold")
    if selection.get("strategy") == "threshold" and isinstance(threshold, float) and tau is not None:
        return f"tau {'>=' if tau >= threshold else '<'} {threshold:g}"
    if gain is None:
        return "proposed" if chosen else "not tried"
    if math.isnan(gain):
        return "trial failed"
    if chosen:
        return "best trial"
    return "not the best" if gain >= 0 else "score fell"
