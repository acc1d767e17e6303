"""Words for messages about names: the nearest known one, and a spelling that cannot break a line or a terminal."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """`; did you mean 'x'?` for the nearest known name, or nothing where none is near."""
    near = get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f"; did you mean '{near[0]}'?" if near else ""


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """`unknown KIND 'name'` with the nearest known name, or all of them where none is near."""
    names = sorted(known)
    name = printable(name[:80])
    hint = did_you_mean(name, names) or f", expected one of: {', '.join(names) or '(none is known)'}"
    return f"unknown {kind} '{name}'{hint}"


def printable(text: str) -> str:
    """`text` as it may be shown: THE function through which anything from data, plugins, logs, errors and file names goes on its
    way to a terminal, a report or a log.

    Guaranteed of the result: one line; every character has a shape of its own or is a combining mark (`str.isprintable`), so
    there is no control (escape sequences, bells, tabs), no format character (direction overrides, joiners, byte order marks), no
    private or unassigned one, no line or paragraph separator, no blank but the common space, and no half surrogate pair: it can
    be encoded. What is not allowed is written as in Python (`\\x1b`, `\\u202e`, `\\n`); nothing is dropped, and a text that is
    fine comes back as it is. It may still be markup: rich must get it as a `Text` (`tables.label`), Markdown by `card.markdown`.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
