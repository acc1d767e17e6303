"""What the list of runs says of each. Pure functions of a `RunView`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gradts_engine import words
from gradts_engine.runtime.view import RunView


@dataclass(frozen=True)
class Outcome:
    """What was confirmed, or else proposed, for a primary (None: nothing yet), its best dev score over that of the primary alone,
    and the test score of the final model, where there is one."""

    primary: str
    chosen: tuple[str, ...] | None
    gain: float | None
    test: float | None


def outcomes(view: RunView) -> Iterator[Outcome]:
    """Of every primary, from events alone: a list of a hundred runs opens no artifact."""
    for primary in view.started.primaries if view.started else ():
        choice, final = view.confirmed(primary) or view.proposals.get(primary), view.finals.get(primary)
        scores = {frozenset(t.auxiliaries.items()): t.score for t in view.trials.get(primary, ()) if not t.repeat}
        names = tuple(choice.auxiliaries) if choice else None
        score = words.number(final.score if final else scores.get(frozenset(choice.auxiliaries.items())) if choice else None)
        alone = words.number(scores.get(frozenset()))
        gain = score - alone if names and score is not None and alone is not None else None
        yield Outcome(primary, names, gain, words.number(final.test) if final else None)


def chosen(found: Outcome) -> str:
    """The auxiliaries by name; `alone` where none is best, nothing where nobody knows yet."""
    return "" if found.chosen is None else " + ".join(found.chosen) or "alone"
