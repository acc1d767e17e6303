"""Tables of studies as files: CSV for programs, Markdown for pages."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gradts_engine.durable import keep_at, storing


def write(rows: Sequence[Mapping[str, Any]], *paths: Path) -> None:
    """Write rows with the same keys to each of several files, as what its name ends with: .csv or .md."""
    for path in paths:
        text = as_markdown(rows) if path.suffix == ".md" else as_csv(rows)
        with storing(path.parent):
            keep_at(path, lambda temporary, text=text: temporary.write_text(text, encoding="utf-8"))  # type: ignore[misc]


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Empty where a value is None."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]) if rows else (), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def as_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table; a dash where a value is None."""
    if not rows:
        return ""
    lines = [list(map(str, rows[0])), ["---"] * len(rows[0])]
    lines += [["-" if value is None else str(value).replace("|", r"\|") for value in row.values()] for row in rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
