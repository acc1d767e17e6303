"""What a file is: what its first characters, its ending and its user say of it."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gradts_engine.contracts import Dialect, Format
from gradts_engine.errors import UsageError
from gradts_engine.learning.rows.files import PACKED_ENDINGS, Opened, ending_of, open_text
from gradts_engine.learning.rows.json_rows import rows_of

ENDINGS: dict[str, Format | Literal["sniff"]] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".conll": "conll",
    ".conllu": "conllu",
    ".iob": "conll",
    ".iob2": "conll",
    ".bio": "conll",
    ".txt": "sniff",
}
"""What a file holds, by its ending; `.gz`, `.zst` or `.bz2` may follow it. The content has the last word."""

SURELY_WHOLE = 10_000
"""Characters of a sample that is all of its file."""
DELIMITERS = ",;\t|"
_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "blanks"}


@dataclass(frozen=True)
class Detected:
    """How a file is read: what was found, where nothing was set. Fields that do not apply to a format are None.

    `header` says whether the first row names the columns, `unnamed` how many columns have no name and are left out.
    """

    file: str
    format: Format
    encoding: str | None = None
    compression: str | None = None
    delimiter: str | None = None
    quoting: Literal["minimal", "none"] | None = None
    header: bool | None = None
    columns: tuple[str, ...] = ()
    unnamed: int = 0

    def __str__(self) -> str:
        parts = [self.format, self.compression, self.encoding]
        if self.delimiter:
            parts.append(_NAMES.get(self.delimiter, f"delimiter {self.delimiter!r}"))
        if (self.quoting == "none" and self.format == "csv") or (self.quoting == "minimal" and self.format == "tsv"):
            parts.append(f"quoting {self.quoting}")
        parts.append("no header" if self.header is False else None)
        parts.append(f"{self.unnamed} columns without a name left out" if self.unnamed else None)
        return ", ".join(part for part in parts if part)


def detect_file(path: Path, dialect: Dialect) -> Detected:
    """How to read a file. Raises UsageError where it cannot be read, or nobody can tell what it is."""
    ending = dialect.format or ENDINGS.get(ending_of(path))
    if ending is None:
        raise UsageError(
            f"{path}: unknown kind of file '{path.suffix}', expected one of {', '.join(ENDINGS)} "
            f'(and {", ".join(PACKED_ENDINGS)} after it), or format = "csv", "jsonl", ... in [tasks.NAME]'
        )
    if ending == "parquet":
        return Detected(str(path), "parquet")
    with open_text(path, dialect.encoding) as opened:
        sample = opened.sample
        form = dialect.format or _format(ending, sample)
        if form in ("csv", "tsv"):
            return _table(path, form, opened, dialect)
        delimiter = dialect.delimiter if form in ("conll", "conllu") else "\t" if form == "sentences" else None
        return Detected(str(path), form, opened.encoding, opened.compression, delimiter)


def _format(by_ending: str, sample: str) -> Format:
    """The content has the last word."""
    lines = [line for line in sample.split("\n") if line.strip()]
    first = sample.lstrip()[:1]
    if by_ending in ("json", "jsonl", "sniff") and first in ("{", "["):
        if first == "[":
            return "json" if by_ending != "sniff" or re.match(r"\s*\[\s*[\[{\]]", sample) else _plain(sample)
        row = _object(lines[0])
        alone = len(lines) == 1 and row is not None and rows_of(row) is not None
        if by_ending == "jsonl" or (row is not None and not alone):
            return "jsonl"
        return "json" if by_ending == "json" else _plain(sample)
    if by_ending == "sniff":
        return _plain(sample)
    if by_ending == "conll":
        return "conllu" if _is_conllu(lines) else "sentences" if _are_sentences(lines) else "conll"
    return by_ending  # type: ignore[return-value]  # what is left are formats


def _plain(sample: str) -> Format:
    """Of a file that may be any text."""
    whole = sample.rpartition("\n")[0] if len(sample) > SURELY_WHOLE or sample.endswith("\n") else sample  # the last may be cut
    lines = [line for line in whole.split("\n")[:1000] if not line.startswith(("#", "-DOCSTART-"))]
    filled = [line for line in lines if line.strip()]
    if _is_conllu(filled):
        return "conllu"
    columns = {len(split_columns(line, None)) for line in filled}
    blocks = any(not line.strip() for line in lines[:-1]) or "-DOCSTART-" in sample
    if blocks and len(columns) == 1 and columns.pop() > 1:
        return "conll"
    if filled and _are_sentences(filled):
        return "sentences"
    tabs = {line.count("\t") for line in filled}
    return "tsv" if len(tabs) == 1 and tabs.pop() else "lines"


def split_columns(line: str, delimiter: str | None) -> list[str]:
    """Columns between delimiters; without one between tabs, or else blanks (other white space may be in a word)."""
    if delimiter or "\t" in line:
        return line.split(delimiter or "\t")
    return re.findall("[^ ]+", line)


def _is_conllu(lines: Sequence[str]) -> bool:
    rows = [line.split("\t") for line in lines[:100] if not line.startswith("#")]
    return bool(rows) and all(len(row) == 10 and re.fullmatch(r"\d+([-.]\d+)?", row[0]) for row in rows)


def _are_sentences(lines: Sequence[str]) -> bool:
    """A line a sentence: its words, a tab, and as many labels."""
    rows = [line.split("\t") for line in lines[:100]]
    counts = [(len(row[0].split()), len(row[1].split())) for row in rows if len(row) == 2]
    return len(counts) == len(rows) and all(a == b for a, b in counts) and any(a > 1 for a, _ in counts)


def _object(line: str) -> dict[str, Any] | None:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


# --- tables ----------------------------------------------------------------------------------------------------------


def _table(path: Path, form: Format, opened: Opened, dialect: Dialect) -> Detected:
    usual = "," if form == "csv" else "\t"
    said = re.match(r"sep=(.)\r?\n", opened.sample)  # Excel's line on the delimiter
    sample = opened.sample[said.end() :] if said else opened.sample
    delimiter = dialect.delimiter or (said[1] if said else _delimiter(sample, usual))
    quoting = dialect.quoting or ("minimal" if delimiter != "\t" or _is_quoted(sample, delimiter) else "none")
    return Detected(str(path), form, opened.encoding, opened.compression, delimiter, quoting, dialect.header is None)


def _delimiter(sample: str, usual: str) -> str:
    """The usual one, unless another makes a table of the sample and the usual one does not."""
    if _columns(sample, usual) > 1:
        return usual
    widths = {delimiter: _columns(sample, delimiter) for delimiter in DELIMITERS if delimiter != usual}
    best = max(widths, key=lambda delimiter: widths[delimiter])
    return best if widths[best] > 1 else usual


def _columns(sample: str, delimiter: str, quoting: int | None = None) -> int:
    """How many columns the sample has where all its rows have as many; else 0. Between tabs quotation marks usually are text."""
    lines = re.findall(r"[^\n]*\n|[^\n]+", sample)
    cut = len(sample) > SURELY_WHOLE
    if quoting is None:
        quoting = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    widths: set[int] = set()
    try:
        for row in csv.reader(lines[:-1] if cut else lines, strict=True, delimiter=delimiter, quoting=quoting):  # type: ignore[arg-type]
            widths |= {len(row)} if len(row) > 1 or "".join(row).strip() else set()
    except csv.Error as error:
        if not (cut and "unexpected end" in str(error)):
            return 0
    return widths.pop() if len(widths) == 1 else 0


def is_enclosed(field: str) -> bool:
    """Whether quotation marks may enclose a field: one at each end, and none but doubled ones inside."""
    return len(field) > 1 and field[0] == field[-1] == '"' and '"' not in field[1:-1].replace('""', "")


def _marked(lines: Sequence[str], delimiter: str) -> list[str]:
    """The fields that begin with a quotation mark."""
    return [field for line in lines for field in line.rstrip("\r").split(delimiter) if field.startswith('"')]


def marks_are_text(sample: str, delimiter: str) -> bool:
    """Whether a field begins with a quotation mark that encloses nothing."""
    return not all(map(is_enclosed, _marked(sample.split("\n"), delimiter)))


def _is_quoted(sample: str, delimiter: str) -> bool:
    """Whether quotation marks between tabs are not text: only with them all rows have as many fields; or each field that begins
    with one ends with one and has none but doubled ones inside, which at least one does have."""
    if not _columns(sample, delimiter, csv.QUOTE_MINIMAL):
        return False
    marked = _marked(sample.split("\n")[:1000], delimiter)
    enclosed = all(map(is_enclosed, marked)) and any('""' in field[1:-1] for field in marked)
    return enclosed or not _columns(sample, delimiter, csv.QUOTE_NONE)
