"""What studies found."""

from __future__ import annotations

from collections.abc import Mapping
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
