"""Rows between delimiters: CSV, TSV and whatever else is like them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence

from gradts_engine.contracts import Row
from gradts_engine.errors import UsageError
from gradts_engine.learning.rows.files import MAX_LINE, Opened
from gradts_engine.learning.rows.shape import Detected, is_enclosed, marks_are_text

Numbered = Iterator[tuple[int | None, Row]]
Fields = Iterator[tuple[int, list[str]]]

DELIMITER = ["sep=", ""]
"""Fields of a first line in which Excel is told the delimiter."""
SEEN = 1000
"""Different values of a column that are remembered."""


def table(opened: Opened, detected: Detected, names: Sequence[str] | None, *, guessed: bool = False) -> Numbered:
    """Rows under `names`, or else a header; blank lines are skipped, and columns without a name are left out. `guessed`: that
    quotation marks are text was seen from the beginning of the file, and a row that says otherwise is refused."""
    path, header = opened.path, list(names) if names else None
    rows = _plain(opened, detected, guessed) if detected.quoting == "none" else _quoted(opened, detected)
    for start, fields in rows:
        if header is None:
            header = fields
            _check_header(header, f"{path}:{start}")
        elif names and fields == header:
            raise UsageError(f"{path}:{start}: names the columns as header = {header} does: leave header out of [tasks.NAME]")
        elif len(fields) != len(header):
            like = f"as in header = {header}" if names else "as in the header"
            count = "one field" if len(fields) == 1 else f"{len(fields)} fields"
            raise UsageError(f"{path}:{start}: {count}, expected {len(header)} {like}")
        else:
            yield start, {name: value for name, value in zip(header, fields, strict=True) if name}


def header_of(opened: Opened, detected: Detected) -> list[str]:
    """The first row; empty where there is none."""
    rows = _plain(opened, detected) if detected.quoting == "none" else _quoted(opened, detected)
    return next((fields for _, fields in rows), [])


def _check_header(header: Sequence[str], place: str) -> None:
    named = [name for name in header if name]
    if len(set(named)) < len(named):
        raise UsageError(f"{place}: the header names a column twice: {', '.join(header)}")


def _plain(opened: Opened, detected: Detected, guessed: bool = False) -> Fields:
    """Quotation marks and carriage returns inside a line are text."""
    guessed = guessed and not marks_are_text(opened.sample, detected.delimiter or "\t")
    for number, line in opened.lines():
        line = line.removesuffix("\n").removesuffix("\r")
        fields = line.split(detected.delimiter)
        if guessed and '""' in line and any(is_enclosed(field) and '""' in field[1:-1] for field in fields):
            way_out = 'say quoting = "minimal" in [tasks.NAME] if they do, "none" if they are text'
            raise UsageError(f"{opened.path}:{number}: quotation marks seem to enclose a field, unlike before; {way_out}")
        if (len(fields) > 1 or line.strip()) and (number > 1 or fields != DELIMITER):
            yield number, fields


def _quoted(opened: Opened, detected: Detected) -> Fields:
    """Fields may be in quotation marks, and then hold delimiters and line ends.

    Two quotation marks that are text, at the beginning of one field and the end of a later one, would hide the rows between
    them. A field over several lines is therefore refused where each of its lines looks like a row of its own.
    """
    path, delimiter = opened.path, detected.delimiter or ","
    csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE))
    raw: list[str] = []

    def lines() -> Iterator[str]:
        for _, line in opened.lines():
            raw.append(line)
            yield line

    reader = csv.reader(lines(), strict=True, delimiter=delimiter)
    swallowed = _Swallowed(delimiter)
    start = 1
    try:
        for fields in reader:
            if (len(fields) > 1 or "".join(raw).strip()) and (start > 1 or fields != DELIMITER):
                swallowed.note(start, fields, raw)
                yield start, fields
            raw.clear()
            start = reader.line_num + 1
    except csv.Error as error:
        raise UsageError(f"{path}:{start}: broken row: {_reason(error)}") from None
    swallowed.check(str(path))


def _reason(error: csv.Error) -> str:
    text = str(error)
    if "new-line character" in text:
        return "a carriage return in a field without quotation marks"
    way_out = ': if quotation marks are text in this file, say quoting = "none" in [tasks.NAME]'
    return text + (way_out if "expected after" in text or "unexpected end of data" in text else "")


class _Swallowed:
    """Finds quotation marks that hide rows: each line of a field has as many delimiters as a row, and in one column nothing but
    values that other rows have there too."""

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        self._seen: list[set[str]] = []
        self._suspects: list[tuple[int, list[list[str]]]] = []

    def note(self, start: int, fields: list[str], lines: Sequence[str]) -> None:
        """Look at a row and the lines that it is made of."""
        if not self._seen:
            self._seen = [set() for _ in fields]
            return
        if len(lines) == 1:
            for seen, value in zip(self._seen, fields, strict=False):
                if len(seen) < SEEN:
                    seen.add(value)
        elif len(self._seen) > 1:
            rows = [line.rstrip("\r\n").split(self._delimiter) for line in lines]
            if all(len(row) == len(self._seen) for row in rows):
                self._suspects.append((start, rows))

    def check(self, path: str) -> None:
        """Raise UsageError for the first row that hides others."""
        for start, rows in self._suspects:
            if any(all(row[i] in seen for row in rows) for i, seen in enumerate(self._seen)):
                raise UsageError(
                    f"{path}:{start}: the quotation mark in this line closes in line {start + len(rows) - 1}, and each of these "
                    'lines looks like a row: if quotation marks are text here, say quoting = "none" in [tasks.NAME]; else '
                    "double or remove them"
                )
