"""Candidates of a primary and a decision in the making, as rows and words."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text
from textual.app import App

from gradts_engine import tables, words
from gradts_engine.events import Confirmed
from gradts_engine.report import PrimaryResults
from gradts_tui.choice import Candidate, Choice, Tried
from gradts_tui.widgets.outcome import gain

COLUMNS = ("", "candidate", "#", "tau", "dev", "gain", "rows", "took", "why")
"""`dev` is the score of the trial that added the candidate, `gain` its distance to the trial without it."""

OTHERS = 62
"""Columns that are not the candidate's name, up to the gain: they stay in sight at 80."""


def row(app: App[object], candidate: Candidate, choice: Choice | None, count: int | None, rank: int, width: int) -> list[Text]:
    """A candidate: `count` instances would be taken of it (None: not known yet), its name is cut to `width` characters."""
    chosen = choice is not None and candidate.name in choice.names
    proposed = choice is not None and candidate.name in choice.proposal.auxiliaries
    tried = candidate.tried(count)
    fresh = tried is None or tried.instances == count  # or else measured with other instances than would be taken now
    at = "" if fresh or tried is None else f" at {tried.instances}"
    return [
        Text("[x]" if chosen else "[ ]", "bold" if chosen else "dim"),
        tables.label(words.shortened(candidate.name, width), "bold" if chosen != proposed else ""),
        Text(str(rank), justify="right"),
        Text(words.score(candidate.tau), justify="right"),
        Text(words.score(tried.score) if tried else "", "" if fresh else "dim", justify="right").append(at),
        _gain(app, tried, fresh),
        Text("?" if count is None else str(count), justify="right"),
        Text(words.duration(tried.seconds if tried else None), justify="right"),
        Text(candidate.reason, "dim"),
    ]


def _gain(app: App[object], tried: Tried | None, fresh: bool) -> Text:
    """What a candidate brought, in colour where it is of the instances that would be taken."""
    if tried is None:
        return Text()
    text = gain(app, tried.gain, 0.0) if fresh else Text(words.gain(tried.gain, 0.0), "dim")
    text.justify = "right"
    return text


def summary(choice: Choice, counts: Mapping[str, int | None]) -> Text:
    """What would be trained; `counts` are the instances of each auxiliary, None where not known yet."""
    names = ", ".join(f"{name} ({'?' if n is None else n})" for name, n in counts.items()) or "no auxiliary: the primary alone"
    text = Text().append("chosen: ", "bold").append_text(tables.label(names))
    text.append("\ninstances: ", "bold").append(choice.words())
    if not choice.as_proposed:
        text.append("\nagainst the proposal: ", "bold").append_text(tables.label(choice.difference()))
    return text


def heading(primary: str, result: PrimaryResults, decision: Confirmed | None, *, waits: bool) -> Text:
    """Which primary, judged by what, and whether it is decided."""
    text = tables.label(primary, "bold").append(f"  {result.metric}  alone {words.score(result.alone)}  ")
    if decision:
        return text.append(f"confirmed by {decision.by}", "bold")
    if waits:
        return text.append("waits for you: Enter confirms, Esc leaves it", "bold")
    return text.append("proposed" if result.proposed is not None else "", "dim")
