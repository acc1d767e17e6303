"""Words for messages about names: the nearest known one."""

from collections.abc import Iterable
from difflib import get_close_matches

from gradts_engine.printing import printable


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
