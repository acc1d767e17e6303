"""Rows of a CSV file that somebody else has written."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

from gradts_engine.durable import why
from gradts_engine.errors import UsageError


def read_text(path: Path) -> str:
    """What a file holds, without a byte order mark. Raises `UsageError` where it cannot be read, or is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path}: is not UTF-8, expected a CSV file saved as UTF-8") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read as CSV: {why(error)}") from None


def csv_rows(path: Path, columns: Sequence[str], text: str | None = None) -> dict[int, dict[str, str]]:
    """Rows by the line that each ends in, cells without blanks around them; other columns than `columns` are there, too. `text`
    is what the file holds, where that is known.

    Raises `UsageError` with file and line for a file without these columns or without rows, and for a row with more or fewer
    cells than the first line has.
    """
    reader = csv.reader(StringIO(read_text(path) if text is None else text, newline=""), strict=True)
    try:
        lines = [(reader.line_num, [cell.strip() for cell in line]) for line in reader if line]
    except csv.Error as error:
        raise UsageError(f"{path}:{reader.line_num}: cannot be read as CSV: {error}") from None
    names = lines[0][1] if lines else []
    expected = f"expected a table with the columns {', '.join(columns)}"
    if missing := [name for name in columns if name not in names]:
        raise UsageError(f"{path}:1: no column {' and no '.join(missing)}; {expected}")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise UsageError(f"{path}:1: two columns {twice[0]!r}; {expected}, each once")
    if len(lines) == 1:
        raise UsageError(f"{path}: has no row below its columns")
    for number, cells in lines:
        if len(cells) != len(names):
            many = "more" if len(cells) > len(names) else "fewer"
            raise UsageError(f"{path}:{number}: {many} cells than the first row has columns")
    return {number: dict(zip(names, cells, strict=True)) for number, cells in lines[1:]}
