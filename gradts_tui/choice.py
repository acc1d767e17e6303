"""A decision in the making: which auxiliaries, cut to which instances. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradts_engine import report
from gradts_engine.events import Proposed
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
class Candidate:
    """What is known of one candidate. `score` is that of the trial that added it, `gain` its distance to the trial before,
    `seconds` what that trial took; None where it was not tried."""

    name: str
    tau: float | None
    score: float | None = None
    gain: float | None = None
    seconds: float | None = None
    reason: str = ""


def candidates(view: RunView, primary: str, ranking: Sequence[report.Ranked]) -> list[Candidate]:
    """All candidates of a primary in the order of `ranking` (`report.results`), with what the trials say of each."""
    tried: dict[str, tuple[float | None, float | None, float | None]] = {}
    before: dict[frozenset[str], float] = {}
    seconds = {stage.key: stage.seconds or None for stage in view.stages.values()}
    for scored in view.trials.get(primary, ()):
        names = frozenset(scored.auxiliaries)
        for name in names:
            earlier = before.get(names - {name})
            if earlier is not None and name not in tried:
                tried[name] = (scored.score, scored.score - earlier, seconds.get(scored.key))
        before[names] = scored.score
    proposal = view.proposals.get(primary)
    strategy = view.started.settings.get("selection", {}) if view.started else {}
    rows = []
    for entry in ranking:
        name, tau = entry.task, entry.tau
        trial: tuple[float | None, float | None, float | None] = tried.get(name, (None, None, None))
        chosen = proposal is not None and name in proposal.auxiliaries
        rows.append(Candidate(name, tau, *trial, why(chosen, tau, trial[1], strategy)))
    return rows


def why(chosen: bool, tau: float | None, gain: float | None, selection: Mapping[str, object]) -> str:
    """Why a candidate is proposed, or is not."""
    if tau is None:
        return "no tau"
    threshold = selection.get("threshold")
    if selection.get("strategy") == "threshold" and isinstance(threshold, float):
        return f"tau {'>=' if tau >= threshold else '<'} {threshold:g}"
    if gain is None:
        return "proposed" if chosen else "not tried"
    if math.isnan(gain):
        return "trial failed"
    if chosen:
        return "best trial"
    return "not the best" if gain >= 0 else "score fell"
