"""Numbers as people read them."""

from __future__ import annotations

UNITS = ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s"))


def duration(seconds: float | None) -> str:
    """The two largest units: `2h 05m`; nothing for None."""
    if seconds is None:
        return ""
    whole = max(0, int(seconds))
    for size, name, smaller, part in UNITS:
        if whole >= size:
            return f"{whole // size}{name} {whole % size // smaller:02}{part}"
    return f"{whole}s"


def age(seconds: float) -> str:
    """How long ago, in the largest unit."""
    whole = max(0, int(seconds))
    for size, name, _, _ in UNITS:
        if whole >= size:
            return f"{whole // size}{name} ago"
    return "now" if whole < 5 else f"{whole}s ago"


def rate(per_second: float | None, unit: str) -> str:
    """`3.2 steps/s`; nothing for None."""
    if per_second is None:
        return ""
    if per_second < 0.1:
        return f"{per_second * 60:.2g} {unit}/min"
    return f"{per_second:.3g} {unit}/s" if per_second < 1000 else f"{per_second:.0f} {unit}/s"


def score(value: float | None) -> str:
    """Four digits, or a dash."""
    return "-" if value is None or value != value else f"{value:.4f}"


def plural(count: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
