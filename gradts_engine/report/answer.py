"""The answer for a primary in words."""

from __future__ import annotations

from gradts_engine import words
from gradts_engine.report.records import Chosen, PrimaryResults


def answer(primary: str, found: PrimaryResults) -> str:
    """What to train `primary` with, as far as the run knows, and what that gained; plain text, as short as it is true."""
    if found.confirmed is None:
        if found.proposed is None:
            return f"No answer for {primary} yet: the run has not come so far."
        return f"Proposed for {primary}: {_with(found.proposed)}. Nobody has confirmed it yet."
    if not found.confirmed:
        tried = not found.proposed and len(found.trials) > 1
        return f"Train {primary} alone: {'no candidate helped in the trials' if tried else 'no auxiliary was chosen'}."
    said = f"Train {primary} {_with(found.confirmed)}."
    final = found.final
    if final is None or final.alone is None or final.score is None:
        return said
    metric = found.judged_by or found.metric
    gains = [f"dev {metric} {words.score(final.score)}, {words.gain(final.score, final.alone)} against {primary} alone"]
    if final.test is not None and final.alone_test is not None:
        gains.append(f"test {words.score(final.test)}, {words.gain(final.test, final.alone_test)}")
    return f"{said} {'; '.join(gains)}.".replace(" dev", " Dev", 1)


def _with(chosen: tuple[Chosen, ...]) -> str:
    names = [f"{a.task} ({a.instances} instances)" for a in chosen]
    return f"with {', '.join(names)}" if names else "alone"
