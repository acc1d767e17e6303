"""What a run has come to for a primary, in a few lines: what was chosen, and whether it helped."""

from __future__ import annotations

from rich.text import Text
from textual.app import App

from gradts_engine import tables, words
from gradts_engine.report import PrimaryResults
from gradts_tui.widgets.looks import colour


def gain(app: App[object], value: float | None, alone: float | None) -> Text:
    """A signed difference, green where it is better and red where it is worse; nothing where one is missing."""
    if value is None or alone is None:
        return Text()
    ink = "text-success" if value > alone else "text-error" if value < alone else ""
    return Text(words.gain(value, alone), colour(app, ink) if ink else "")


def outcome(app: App[object], primary: str, result: PrimaryResults) -> Text:
    """Nothing is claimed of what is not there: without a final model, what is proposed is said."""
    chosen = result.confirmed if result.confirmed is not None else result.proposed
    text = tables.label(primary, "bold").append(f"  {result.metric or ''}\n", "dim")
    if chosen is not None:
        names = ", ".join(f"{c.task} ({c.instances})" for c in chosen) or "none: the primary alone is best"
        text.append("chosen " if result.confirmed is not None else "proposed ", "dim").append_text(tables.label(names))
        text.append("\n")
    if (final := result.final) is None:
        return text
    for name, value, alone in (("dev", final.score, final.alone), ("test", final.test, final.alone_test)):
        if value is not None:
            text.append(f"{name:<5}", "dim").append(words.score(value)).append(" ").append_text(gain(app, value, alone))
            text.append(f" alone {words.score(alone)}\n", "dim")
    if final.test is None and final.predictions:
        text.append("test ", "dim").append("predictions, no score\n")
    if final.score is not None and final.alone is not None and final.score < final.alone:
        text.append("The primary alone is better.\n", colour(app, "text-error"))
    return text.append("model ", "dim").append_text(tables.label(final.model)).append("\n")
