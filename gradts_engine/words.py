"""Numbers as people read them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

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
    """How long ago something was, in the largest unit: `3m`."""
    whole = max(0, int(seconds))
    for size, name, _, _ in UNITS:
        if whole >= size:
            return f"{whole // size}{name}"
    return "now" if whole < 5 else f"{whole}s"


def rate(per_second: float | None, unit: str) -> str:
    """`3.2 steps/s`; nothing for None."""
    if per_second is None:
        return ""
    if per_second < 0.1:
        return f"{per_second * 60:.2g} {unit}/min"
    return f"{per_second:.3g} {unit}/s" if per_second < 1000 else f"{per_second:.0f} {unit}/s"


def shortened(name: str, width: int) -> str:
    """A name in at most `width` characters, cut in the middle: both ends tell names apart."""
    if len(name) <= width:
        return name
    end = (width - 1) // 2
    return f"{name[: width - 1 - end]}\u2026{name[len(name) - end :]}"


def number(value: float | None) -> float | None:
    """The value, None where it is not finite, since JSON has no NaN."""
    return None if value is None or not math.isfinite(value) else value


def rounded(value: float, digits: int = 3) -> float | None:
    """The value with so many digits after the point, None where it is not finite."""
    return round(value, digits) if math.isfinite(value) else None


def score(value: float | None) -> str:
    """A score, a tau or a loss in four digits, or a dash: the one way in which people are shown one."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.4f}"


def points(value: float | None, low: float | None = None, high: float | None = None) -> str:
    """A gain in hundredths of the metric, with its interval: `+2.3 points (95%: +0.4 to +4.2)`."""
    gain, *ends = map(number, (value, low, high))
    if gain is None:
        return "not known"
    return f"{100 * gain:+.1f} points" + "".join(
        f" (95%: {100 * a:+.1f} to {100 * b:+.1f})" for a, b in [ends] if a is not None and b is not None
    )


def expected(value: float | None, gain: float | None, of: int, how: str) -> str:
    """What to expect of one of several: `expected to be 0.8100 (+0.0200) on new seeds: one of 7 tried, shrunk`."""
    more = "" if number(gain) is None else f" ({gain:+.4f})"
    made = "measured on fresh seeds" if how == "fresh" else how
    return f"expected to be {score(value)}{more} on new seeds: one of {of} tried, {made}"


def count(number: int, what: str) -> str:
    """`1 more seed`, `12 more seeds`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def gain(value: float | None, alone: float | None) -> str:
    """How far a score lies above another; nothing where one of them is missing."""
    return "" if value is None or alone is None else f"{value - alone:+.4f}"


def devices(names: Iterable[str]) -> str:
    """`cuda:0, 3 x cuda:1`: a device is named once, with the number of its workers."""
    return ", ".join(device if count == 1 else f"{count} x {device}" for device, count in Counter(names).items())


def formats(precision: Mapping[str, str]) -> str:
    """`, computed in bf16 (scoring fp32)`: the number formats of a run's sections, that of most of them first."""
    if not precision:
        return ""
    common = max(precision.values(), key=list(precision.values()).count)
    others = [f"{section} {form}" for section, form in precision.items() if form != common]
    return f", computed in {common}" + (f" ({', '.join(others)})" if others else "")
