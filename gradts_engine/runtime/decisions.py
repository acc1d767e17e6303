"""What is decided on proposals, by a policy, by a person at the terminal, or by commands of the inbox."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gradts_engine import events
from gradts_engine.contracts import Selection
from gradts_engine.runtime.inbox import Confirm
from gradts_engine.runtime.journal import Journal
from gradts_engine.runtime.prepare import Prepared
from gradts_engine.runtime.proposals import Proposal


class Decisions:
    """The proposals of a run and what became of them. `taken(primary)` is called when a command has decided on one."""

    def __init__(self, prepared: Prepared, journal: Journal, taken: Callable[[str], None]) -> None:
        self.prepared = prepared
        self.experiment = prepared.experiment
        self.facts = prepared.facts
        self.journal = journal
        self.taken = taken
        self.proposed: dict[str, Proposal] = {}
        self.begun: set[str] = set()
        """Primaries whose final training has begun."""
        self.expected = set(self.experiment.primaries)
        """Primaries that have a proposal, or will have one."""
        self.closed = False
        """Whether commands wait for the next engine."""

    def offer(self, primary: str, proposal: Proposal) -> None:
        """Announce a proposal."""
        self.proposed[primary] = proposal
        self.journal.emit(events.Proposed(primary, proposal.digest, self.facts.instances(proposal.selection)))

    def decided(self, primary: str) -> events.Confirmed | None:
        """The decision on a primary's present proposal, if there is one."""
        return self.journal.view.confirmed(primary)

    def accept(self, primary: str, names: Sequence[str] | None, by: str) -> None:
        """Decide to train with these auxiliaries, None as proposed."""
        proposal = self.proposed[primary]
        chosen = proposal.selection if names is None else self.prepared.usable(primary, proposal.edited(names))
        self.journal.emit(events.Confirmed(primary, proposal.digest, self.facts.instances(chosen), by))

    def begin(self, primary: str) -> Selection:
        """The selection that was decided on; from now on nobody can change it. The caller holds the lock of the watch."""
        decision = self.decided(primary)
        assert decision is not None
        self.begun.add(primary)
        edited = self.proposed[primary].edited(list(decision.auxiliaries), decision.keep, decision.threshold)
        return self.prepared.usable(primary, edited)

    def withdraw(self, primary: str) -> None:
        """No proposal for a primary is to come, or its final training has failed."""
        self.expected.discard(primary)

    def decide(self, command: Confirm) -> str | None:
        """Take a person's confirmation: why it is refused, or nothing; None while there may still be a proposal to come."""
        primary = command.primary
        proposal = self.proposed.get(primary)
        if self.closed or (proposal is None and primary in self.expected):
            return None
        reason = self.objection(proposal, command) if proposal else "there is no proposal"
        if proposal and not reason:
            names = command.auxiliaries if command.auxiliaries is not None else [a.task for a in proposal.selection]
            chosen = self.prepared.usable(primary, proposal.edited(names, command.keep, command.threshold))
            counts = self.facts.instances(chosen)
            if nothing := [name for name in names if name not in counts]:
                why = f"no instance has a tau of {command.threshold} or more, so that it is left out"
                self.journal.emit(events.Warned(f"confirmation of {primary}: {', '.join(nothing)}: {why}"))
            decision = events.Confirmed(primary, command.digest, counts, "person", command.keep, command.threshold)
            self.journal.emit(decision)
            self.taken(primary)
        else:
            self.journal.emit(events.Warned(f"confirmation of {primary} refused: {reason}"))
        return reason

    def objection(self, proposal: Proposal, command: Confirm) -> str:
        """What is wrong with a confirmation, if anything."""
        if proposal.digest != command.digest:
            return "it answers another proposal than the present one; look again and confirm again"
        if command.primary in self.begun:
            return "the final training has begun; confirm again after it, and give the run's command again"
        candidates = self.experiment.candidates(command.primary)
        taus = proposal.correlation.result["tau"] if proposal.correlation else {}
        if unknown := [n for n in command.auxiliaries or () if n not in candidates]:
            return f"{', '.join(unknown)} not among the candidates of {command.primary}"
        cut = command.keep is not None or command.threshold is not None
        if cut and not proposal.correlation:
            return "there is no tau to cut instances by: add tau to [selection] predictors, and run again"
        if without := [n for n in command.auxiliaries or () if cut and n not in taus]:
            return f"{', '.join(without)} cannot be cut by tau: its fine-tuning failed"
        return ""
