"""Any source of rows -> one iterator of records: files of many kinds, Hub data sets, functions.

What a file is (format, delimiter, quotation marks, encoding, header) is detected, can be shown (`detect`), and can be set
(`Dialect`). A file that is damaged (not UTF-8, broken JSON, a wrong number of fields) raises UsageError with file and line:
nothing after the damage can be trusted. Whether the content of a row makes sense is for `learning.data` to judge.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from gradts_engine.contracts import Dialect, Parallel, Row, Source
from gradts_engine.errors import ProblemsError, UsageError
from gradts_engine.learning.rows.columns import CONLLU, all_lines, conll, conllu, sentence_lines, text_lines
from gradts_engine.learning.rows.files import MAX_LINE, find_files, open_text
from gradts_engine.learning.rows.hub import hub_rows, revision_of
from gradts_engine.learning.rows.json_rows import json_document, json_lines
from gradts_engine.learning.rows.parquet import column_names, parquet
from gradts_engine.learning.rows.shape import ENDINGS, Detected, detect_file
from gradts_engine.learning.rows.table import header_of, table
from gradts_engine.nearest import did_you_mean

__all__ = ["DETECTED", "ENDINGS", "MAX_LINE", "Detected", "Record", "detect", "read_rows", "revision_of"]


DETECTED = Dialect()
"""Nothing is set."""


class Record(NamedTuple):
    """A row, its position in the source from 0, the line it starts on from 1 (None where there are no lines), and its file
    (empty where the source is none)."""

    row: int
    line: int | None
    values: Row
    file: str = ""


def read_rows(
    source: Source, options: Mapping[str, Any] | None = None, dialect: Dialect = DETECTED, needs: Sequence[str] = ()
) -> Iterator[Record]:
    """The rows of a source, read as they are asked for.

    `options` are arguments for a source that is a function, `dialect` what is set of files, `needs` the columns that every row
    has to have, which is checked here where all rows of a file have the same. Raises UsageError where the source is missing, of
    an unknown kind, or damaged, or lacks a column.
    """
    if callable(source):
        yield from _unlined(_call(source, options or {}))
    elif isinstance(source, Parallel):
        yield from _parallel(source, dialect)
    elif isinstance(source, str) and source.startswith("hf:"):
        yield from _unlined(hub_rows(source))
    else:
        yield from _rows_of_files(source, dialect, needs)


def _rows_of_files(source: str | tuple[str, ...], dialect: Dialect, needs: Sequence[str]) -> Iterator[Record]:
    """File after file; damage in one does not hide that in the next."""
    row = 0
    problems: list[str] = []
    for name in (source,) if isinstance(source, str) else source:
        try:
            paths = find_files(name)
        except UsageError as error:
            problems.append(str(error))
            continue
        for path in paths:
            try:
                for line, values in _read(path, dialect, needs):
                    yield Record(row, line, values, str(path))
                    row += 1
            except UsageError as error:
                problems.append(str(error))
    if problems:
        raise ProblemsError(problems)


def detect(source: Source, dialect: Dialect = DETECTED) -> tuple[Detected, ...]:
    """How each file of a source is read; nothing for sources that are not files. Raises UsageError as `read_rows`."""
    if callable(source) or (isinstance(source, str) and source.startswith("hf:")):
        return ()
    if isinstance(source, Parallel):
        plain = replace(dialect, format="lines")
        return tuple(replace(detect_file(_one(file), plain), columns=(column,)) for column, file in source.files)
    return tuple(_detect(path, dialect) for path in _files(source))


def _files(source: str | tuple[str, ...]) -> list[Path]:
    names = (source,) if isinstance(source, str) else source
    return [path for name in names for path in find_files(name)]


def _one(name: str) -> Path:
    paths = find_files(name)
    if len(paths) > 1:
        raise UsageError(f"{name}: {len(paths)} files, expected one for each column")
    return paths[0]


def _unlined(rows: Iterable[Row]) -> Iterator[Record]:
    return (Record(row, None, values) for row, values in enumerate(rows))


def _call(function: Callable[..., Iterable[Row]], options: Mapping[str, Any]) -> Iterator[Row]:
    """Its rows. A function says by a `ValueError` what is wrong with its options."""
    name = getattr(getattr(function, "func", function), "__name__", "function")  # of a partial one, too
    try:
        inspect.signature(function).bind(**options)
    except TypeError as error:
        raise UsageError(f"{name}(): wrong options: {error}") from None
    try:
        yield from function(**options)
    except ValueError as error:
        raise UsageError(f"{name}(): {error}") from error


# --- one file --------------------------------------------------------------------------------------------------------


def _detect(path: Path, dialect: Dialect) -> Detected:
    """With the columns that all rows have, in their order; none where rows may differ."""
    found = detect_file(path, dialect)
    match found.format:
        case "parquet":
            return replace(found, columns=column_names(path))
        case "csv" | "tsv":
            with open_text(path, dialect.encoding) as opened:
                header = list(dialect.header or header_of(opened, found))
            return replace(found, columns=tuple(filter(None, header)), unnamed=header.count(""))
        case "conllu":
            return replace(found, columns=("tokens", "labels", *(dialect.header or CONLLU)))
        case "conll":
            return replace(found, columns=("tokens", "labels", *(dialect.header or ())))
        case "sentences":
            return replace(found, columns=("tokens", "labels"))
        case "lines":
            return replace(found, columns=("text",))
    return found


def _read(path: Path, dialect: Dialect, needs: Sequence[str]) -> Iterator[tuple[int | None, Row]]:
    found = _detect(path, dialect)
    if found.columns:
        _check_columns(found, needs)
    if found.format == "parquet":
        yield from parquet(path)
        return
    with open_text(path, dialect.encoding) as opened:
        match found.format:
            case "jsonl":
                yield from json_lines(opened)
            case "json":
                yield from json_document(opened)
            case "csv" | "tsv":
                yield from table(opened, found, dialect.header, guessed=dialect.quoting is None)
            case "conll":
                yield from conll(opened, found, dialect.header)
            case "conllu":
                yield from conllu(opened, found, dialect.header)
            case "sentences":
                yield from sentence_lines(opened)
            case "lines":
                yield from text_lines(opened)


def _check_columns(found: Detected, needs: Sequence[str]) -> None:
    """One line a file, and not one a row, where a column is missing."""
    numbered = found.format.startswith("conll")
    if lacking := [column for column in needs if column not in found.columns and not (numbered and column.isdecimal())]:
        named = "".join(did_you_mean(column, found.columns) for column in lacking)
        way_out = ""
        if found.header:
            way_out = f"; if this file has no header, name its {len(found.columns)} columns: header = [...] in [tasks.NAME]"
        missing = " and ".join(f"'{column}'" for column in lacking)
        has = ", ".join(found.columns[:20]) + (", ..." if len(found.columns) > 20 else "")
        raise UsageError(
            f"{found.file}: no column{'s' if lacking[1:] else ''} {missing} ({found}; columns: {has}){named or way_out}"
        )


def _parallel(source: Parallel, dialect: Dialect) -> Iterator[Record]:
    """Files that belong together line by line, a column each; lines that are empty in all of them are skipped."""
    paths = [(column, _one(file)) for column, file in source.files]
    with ExitStack() as stack:
        opened = [all_lines(stack.enter_context(open_text(path, dialect.encoding))) for _, path in paths]
        row = 0
        for number, lines in enumerate(zip_longest(*opened), start=1):
            for (_, path), line in zip(paths, lines, strict=True):
                if line is None:
                    longer = next(p for (_, p), other in zip(paths, lines, strict=True) if other is not None)
                    raise UsageError(f"{path}: ends before line {number}, which {longer} has: expected as many lines in both")
            if any(line is not None and line[1].strip() for line in lines):
                values = {column: line[1] for (column, _), line in zip(paths, lines, strict=True) if line}
                yield Record(row, number, values, str(paths[0][1]))
                row += 1
