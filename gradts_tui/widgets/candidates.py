"""Candidates of a primary and a decision in the making, as rows and words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from gradts_engine import tables, words
from gradts_engine.events import Confirmed
from gradts_engine.report import Judgement, Prediction, PrimaryResults, Ranked
from gradts_tui.choice import Candidate, Choice, Tried
from gradts_tui.widgets.outcome import verdict

OTHERS = 62
"""Columns that are not the candidate's name, up to the gain: they stay in sight at 80."""

WIDE = 100
"""Columns from which intervals and all predictors are shown."""

WIDER = 150
"""Columns from which they have room beside verdicts."""

OWN = "tau"
"""The predictor that has a column of its own in any case, where it has values."""


def columns(result: PrimaryResults, width: int) -> tuple[str, ...]:
    """Names of the columns: those that the engine has something for. The predictor that orders stands beside tau, the others,
    where there is room, at the end. `dev` is the score of the trial that added the candidate, `gain` its distance to the trial
    without it."""
    others = dict.fromkeys(name for ranked in result.ranking for name in ranked.predictors if name != OWN)
    own = [OWN] if any(ranked.tau is not None for ranked in result.ranking) else []
    first = [name for name in others if name == result.predictor]
    said = ["verdict"] if result.verdicts else []
    roomy = width >= (WIDER if said else WIDE)
    rest = [name for name in others if name not in first] if roomy else []
    took = ["took"] if width >= WIDE or not (first or said) else []
    why = ["why"] if roomy or not said else []
    return ("", "candidate", "#", *own, *first, "dev", "gain", *said, "rows", *took, *rest, *why)


def row(
    columns: Sequence[str],
    candidate: Candidate,
    ranked: tuple[int, Ranked],
    said: Text,
    choice: Choice | None,
    count: int | None,
    width: int,
) -> list[Text]:
    """A candidate in a table so wide: its rank and what speaks for it, what is said of it, how many of its instances would be
    taken (None: not known yet)."""
    chosen = choice is not None and candidate.name in choice.names
    proposed = choice is not None and candidate.name in choice.proposal.auxiliaries
    tried, rank = candidate.tried(count), ranked[0]
    fresh = tried is None or tried.instances == count  # or else measured with other instances than would be taken now
    at = "" if fresh or tried is None else f" at {tried.instances}"
    name = words.shortened(candidate.name, max(12, width - OTHERS))
    cells = {
        "": Text("[x]" if chosen else "[ ]", "bold" if chosen else "dim"),
        "candidate": tables.label(name, "bold" if chosen != proposed else ""),
        "#": Text(str(rank), justify="right"),
        OWN: Text(words.score(candidate.tau), justify="right"),
        "dev": Text(words.score(tried.score) if tried else "", "" if fresh else "dim", justify="right").append(at),
        "gain": _gain(tried, fresh),
        "verdict": said,
        "rows": Text("?" if count is None else str(count), justify="right"),
        "took": Text(words.duration(tried.seconds if tried else None), justify="right"),
        "why": Text(candidate.reason, "dim"),
    }
    predicted = {name: _predicted(said, width) for name, said in ranked[1].predictors.items()}
    return [(cells | predicted).get(name, Text("-", "dim")) for name in columns]


def _predicted(said: Prediction, width: int) -> Text:
    """The mean, and how far its 95% interval reaches, where there is one."""
    text = Text(words.score(said.mean), justify="right")
    if width >= WIDE and said.low is not None and said.high is not None:
        text.append(f" \N{PLUS-MINUS SIGN}{(said.high - said.low) / 2:.3f}", "dim")
    return text


def _gain(tried: Tried | None, fresh: bool) -> Text:
    """What a candidate brought, in colour where it is of the instances that would be taken."""
    if tried is None:
        return Text()
    text = tables.gain(tried.gain, 0.0) if fresh else Text(words.gain(tried.gain, 0.0), "dim")
    text.justify = "right"
    return text


def cost(choice: Choice, tried: Tried | None, seconds: float | None, alone: float | None) -> Text:
    """What confirming leads to: a trial that was made already, or a training that nobody has seen, and how long it takes."""
    primary = choice.proposal.primary
    if tried is not None:
        text = tables.label(f"Tried like this: dev {words.score(tried.score)}")
        if choice.names:
            text.append(", ").append_text(tables.gain(tried.score, alone)).append_text(tables.label(f" against {primary} alone"))
        return text.append(". Its training is not done again while its result is kept.")
    text = Text().append("Never tried together: ", "bold yellow").append("how well this does is not known before it is trained.")
    takes = f"about {words.duration(seconds)}, as its trials took" if seconds else "as long as a trial"
    return text.append(f"\nThe training takes {takes}.")


def summary(choice: Choice, counts: Mapping[str, int | None], said: Judgement | None = None) -> Text:
    """What would be trained; `counts` are the instances of each auxiliary, None where not known yet, and what fresh seeds
    `said` of exactly these auxiliaries."""
    names = ", ".join(f"{name} ({'?' if n is None else n})" for name, n in counts.items()) or "no auxiliary: the primary alone"
    text = Text().append("chosen: ", "bold").append_text(tables.label(names))
    text.append("\ninstances: ", "bold").append(choice.words())
    if said is not None:
        text.append("  fresh seeds: ", "bold").append_text(verdict(said))
    if not choice.as_proposed:
        text.append("\nagainst the proposal: ", "bold").append_text(tables.label(choice.difference()))
    return text


def heading(primary: str, result: PrimaryResults, decision: Confirmed | None, *, waits: bool) -> Text:
    """Which primary, judged by what, and whether it is decided."""
    text = tables.label(primary, "bold").append_text(tables.label(f"  {result.judged_by or result.metric}  "))
    text.append(f"alone {words.score(result.alone)}  ")
    if decision:
        return text.append(f"confirmed by {decision.by}", "bold")
    if waits:
        return text.append("waits for you: Enter confirms, Esc leaves it", "bold")
    return text.append("proposed" if result.proposed is not None else "", "dim")


def both_alone(trial: float | None, tuned: float | None, settings: Mapping[str, Any]) -> str:
    """What tells the two scores of the primary alone from each other; nothing where there is one."""
    if trial is None or tuned is None:
        return ""
    length = settings["multitask"]["length"]
    own = f"its own {words.count(settings['training']['epochs'], 'epoch')}"
    return f"Alone: {words.score(trial)} with the {length} of a trial, {words.score(tuned)} after {own}."
