"""What a run has come to for a primary: in a sentence, and in a few lines."""

from __future__ import annotations

from rich.text import Text

from gradts_engine import tables, words
from gradts_engine.report import NO_FINALIST, Final, Judgement, PrimaryResults

INKS = {"helps": "green", "hurts": "red", "undecided": "yellow"}
"""Of verdicts."""


def conclusion(result: PrimaryResults) -> Text:
    """The answer in words, with its gains in colour."""
    text = tables.label(result.answer, "bold")
    text.highlight_regex(r"(?<!to )(?<!: )\+(?!0\.0+\b)\d*\.\d+", "green")  # not nothing, nor the ends of an interval
    text.highlight_regex(r"(?<!to )(?<!: )(?<![\w.])-(?!0\.0+\b)\d*\.\d+", "red")
    return text


def verdict(said: Judgement | Final, *, interval: bool = True) -> Text:
    """What fresh seeds and rows say, with the 95% interval of the gain; nothing where they were not asked."""
    if said.verdict is None:
        return Text()
    text = Text().append(said.verdict, f"bold {INKS.get(said.verdict, '')}".strip())
    if interval and said.gain is not None:
        text.append(f" {words.points(said.gain, said.low, said.high)}", "dim")
    return text


def said_of(name: str, result: PrimaryResults, count: int | None, *, interval: bool) -> Text:
    """The verdict on a candidate, or why it has none where it was tried; dim where it is of other instances than the `count` that
    would be taken now."""
    if judged := result.verdicts.get(name):
        text = verdict(judged, interval=interval)
        return text if judged.instances == count else Text(f"{text.plain} at {judged.instances}", "dim")
    return Text(NO_FINALIST if name in result.unjudged else "", "dim")


def outcome(primary: str, result: PrimaryResults) -> Text:
    """Nothing is claimed of what is not there: without a final model, what is proposed is said."""
    chosen = result.confirmed if result.confirmed is not None else result.proposed
    text = tables.label(primary, "bold").append(f"  {result.judged_by or result.metric or ''}\n", "dim")
    if chosen is not None:
        names = ", ".join(f"{c.task} ({c.instances})" for c in chosen) or "none: the primary alone is best"
        text.append("chosen " if result.confirmed is not None else "proposed ", "dim").append_text(tables.label(names))
        text.append("\n")
    if (final := result.final) is None:
        return text
    for name, value, alone in (("dev", final.score, final.alone), ("test", final.test, final.alone_test)):
        if value is not None:
            text.append(f"{name:<5}", "dim").append(words.score(value)).append(" ").append_text(tables.gain(value, alone))
            text.append(f" alone {words.score(alone)}\n", "dim")
    if final.test is None and final.predictions:
        text.append("test ", "dim").append("predictions, no score\n")
    if said := verdict(final):
        text.append("fresh seeds: ", "dim").append_text(said).append("\n")
    if final.score is not None and final.alone is not None and final.score < final.alone:
        text.append("The primary alone is better.\n", "bold red")
    return text.append("model ", "dim").append_text(tables.label(final.model)).append("\n")
