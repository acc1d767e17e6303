"""How far the head rankings of a run agree with themselves, and what that means for whoever reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from gradts_engine.report.records import Reliability

STEADY = 0.7
"""Tau with itself above which a ranking is called steady: of two heads, 85 in 100 times the same is ahead."""


def reliability(measured: Sequence[Mapping[str, Any]], tau: Mapping[str, Mapping[str, float | None]]) -> dict[str, Reliability]:
    """By task, from what `runtime.reliability` has stored for each primary; `tau[primary][candidate]`."""
    halves, seeds, repeats = (
        {k: v for found in measured for k, v in found[part].items()} for part in ("halves", "seeds", "repeats")
    )
    others = _others(tau)
    return {t: Reliability(halves[t], seeds[t], repeats[t], _said(halves[t], seeds[t], others)) for t in halves}


def _others(tau: Mapping[str, Mapping[str, float | None]]) -> float | None:
    """Mean tau of different tasks."""
    values = [x for row in tau.values() for x in row.values() if x is not None]
    return fmean(values) if values else None


def _said(halves: float | None, seeds: float | None, others: float | None) -> str:
    found = [(what, value) for what, value in (("halves of its rows", halves), ("of its seeds", seeds)) if value is not None]
    if not found:
        return "its ranking is not defined"
    facts = ", and ".join(f"two {what}{' agree' if not i else ''} at {value:.2f}" for i, (what, value) in enumerate(found))
    least = min(value for _, value in found)
    if others is not None and least <= others:
        return f"{facts}, no more than different tasks do ({others:.2f}): its ranking says nothing"
    if least < STEADY:
        return f"{facts}: read its ranking with care"
    return facts + ("" if seeds is not None else "; what another seed would change is not known ([training] seeds)")


def caveat(tau: Mapping[str, Mapping[str, float | None]], itself: Mapping[str, Reliability]) -> str:
    """What a reader of the rankings has to know; empty where there is none by tau."""
    others = _others(tau)
    if others is None:
        return ""
    said = ["A ranking is a short-list, not a verdict."]
    halves = _range("two halves of a task's rows", [r.halves for r in itself.values()])
    seeds = _range("two seeds of a task", [r.seeds for r in itself.values()])
    if itself:
        agree = " and ".join(filter(None, (halves, seeds))) or "no task's ranking is defined"
        said.append(f"In this run {agree}, while different tasks sit at {others:.2f} on average.")
        if not seeds:
            said.append("What another seed would change is not known: [training] seeds = 3 would show it.")
    else:
        said.append(
            f"Different tasks sit at tau {others:.2f} on average. How far a task agrees with itself is not known here: what"
        )
        said.append("tells it was removed, or is not computed yet; the run's command computes it.")
    return " ".join([*said, "The trials decide, and trials of one seed are noisy too."])


def _range(what: str, values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{what} agree at tau {fmean(known):.2f} ({min(known):.2f} to {max(known):.2f})" if known else ""
