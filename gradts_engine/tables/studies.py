"""What studies found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType

from gradts_engine.tables.records import facts, records


def truth(found: Mapping[str, Any]) -> RenderableType:
    """True gains of a study of pairs, in points, and how far the seeds agree."""
    rows = [
        {"primary": primary, "alone": entry["alone"], "auxiliary": name, **gain}
        for primary, entry in found["primaries"].items()
        for name, gain in entry["candidates"].items()
    ]
    agree = {primary: entry["reliability"] for primary, entry in found["primaries"].items()}
    summary = {key: found[key] for key in ("trainings", "seeds", "hours", "reliability")}
    summary["reliability by primary"] = agree if found["reliability"] is not None else None
    summary["evidence seconds"] = found.get("evidence seconds")
    said = [records(found["predictors"])] if "predictors" in found else []
    return Group(records(rows), facts(summary), *said)


def planted(found: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    """What was found of planted tasks, candidate by candidate, and how often it was right."""
    columns = ("scenario", "draw", "candidate", "planted", "verdict", "gain", "low", "high", "again", "auc")
    said = {kind: ", ".join(f"{n} {verdict}" for verdict, n in of.items()) for kind, of in found["verdicts"].items() if of}
    summary = {**found, "verdicts": said}
    return Group(records([{name: row[name] for name in columns} for row in rows]), facts(summary))
