"""Any source of rows -> one iterator of records: JSON lines, CSV, TSV, Parquet, CoNLL columns, Hub data sets, functions.

A file that is damaged (not UTF-8, broken JSON, a wrong number of fields) raises UsageError with file and line: nothing after the
damage can be trusted. Whether the content of a row makes sense is for `learning.data` to judge.
"""

from __future__ import annotations

import csv
import inspect
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gradts_engine.contracts import Row, Source
from gradts_engine.errors import UsageError
from gradts_engine.nearest import did_you_mean

MAX_LINE = 1 << 20
"""Bytes of a line: 1 MiB. Encoders see some thousand characters of it; whatever is longer is another kind of file."""
MAX_WORDS = 10_000
"""Words of a sentence in columns, so that a file without empty lines does not become one sentence."""


class Record(NamedTuple):
    """A row, its position in the source from 0, and the line it starts on from 1 (None where there are no lines)."""

    row: int
    line: int | None
    values: Row


def read_rows(source: Source, options: Mapping[str, Any] | None = None) -> Iterator[Record]:
    """The rows of a source, read as they are asked for. `options` are arguments for a source that is a function.

    Raises UsageError where the source is missing, of an unknown kind, or damaged.
    """
    if callable(source):
        yield from _unlined(_call(source, options or {}))
    elif source.startswith("hf:"):
        yield from _unlined(_hub(source))
    else:
        path = Path(source)
        read = _reader(path)
        try:
            for row, (line, values) in enumerate(read(path)):
                yield Record(row, line, values)
        except OSError as error:
            reason = error.strerror or str(error).partition("\n")[0]
            raise UsageError(f"{path}: cannot be read: {reason}") from None


def _reader(path: Path) -> Callable[[Path], Iterator[tuple[int | None, Row]]]:
    if path.is_dir():
        raise UsageError(f"{path}: is a folder, expected a file with one of {', '.join(READERS)}")
    if not path.exists():
        beside = (p.name for p in path.parent.glob("*")) if path.parent.is_dir() else ()
        raise UsageError(f"{path}: no such file{did_you_mean(path.name, beside)}")
    if not path.is_file():
        raise UsageError(f"{path}: is not a regular file")
    if path.suffix.lower() not in READERS:
        raise UsageError(f"{path}: unknown kind of file '{path.suffix}', expected one of {', '.join(READERS)}")
    return READERS[path.suffix.lower()]


def _unlined(rows: Iterable[Row]) -> Iterator[Record]:
    return (Record(row, None, values) for row, values in enumerate(rows))


# --- files -----------------------------------------------------------------------------------------------------------


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines with their ends; a byte order mark is dropped."""
    with path.open("rb") as file:
        lines = iter(lambda: file.readline(MAX_LINE + 1), b"")
        for number, line in enumerate(lines, start=1):  # bytes, since only they tell on which line the text is broken
            if len(line) > MAX_LINE:
                raise UsageError(f"{path}:{number}: the line is longer than 1 MiB, expected a row")
            try:
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise UsageError(f"{path}:{number}: is not UTF-8 (byte {error.start + 1} of the line)") from None


def _json_lines(path: Path) -> Iterator[tuple[int, Row]]:
    """One JSON object a line; empty lines are skipped."""
    for number, line in _lines(path):
        if line.strip():
            try:
                values = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise UsageError(f"{path}:{number}: broken JSON: {error}") from None
            if not isinstance(values, dict):
                raise UsageError(f'{path}:{number}: expected a JSON object a line, such as {{"text": ..., "label": ...}}')
            yield number, values


def _csv(path: Path) -> Iterator[tuple[int, Row]]:
    return _table(path, delimiter=",", quoting=csv.QUOTE_MINIMAL)


def _tsv(path: Path) -> Iterator[tuple[int, Row]]:
    """Fields between tabs as they are: quotation marks are text, as in GLUE."""
    return _table(path, delimiter="\t", quoting=csv.QUOTE_NONE)


def _table(path: Path, **dialect: Any) -> Iterator[tuple[int, Row]]:
    """Rows under a header; empty lines are skipped."""
    reader = csv.reader((line for _, line in _lines(path)), strict=True, **dialect)
    header: list[str] = []
    start = 1
    try:
        for fields in reader:
            if fields and not header:
                header = fields
                if len(set(header)) < len(header):
                    raise UsageError(f"{path}:{start}: the header names a column twice: {', '.join(header)}")
            elif fields and len(fields) != len(header):
                raise UsageError(f"{path}:{start}: {len(fields)} fields, expected {len(header)} as in the header")
            elif fields:
                yield start, dict(zip(header, fields, strict=True))
            start = reader.line_num + 1
    except csv.Error as error:
        raise UsageError(f"{path}:{start}: broken row: {error}") from None


def _parquet(path: Path) -> Iterator[tuple[None, Row]]:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            for batch in file.iter_batches():
                yield from ((None, values) for values in batch.to_pylist())
    except (ArrowException, ValueError, OverflowError) as error:  # the latter two for text that is not UTF-8, dates out of range
        reason = str(error).partition("\n")[0]
        raise UsageError(f"{path}: damaged or not a Parquet file: {reason}") from None


def _conll(path: Path) -> Iterator[tuple[int, Row]]:
    """A word a line, its columns between tabs or else blanks, an empty line after each sentence.

    A row holds `tokens` (the first column), `labels` (the last) and every column as `0`, `1`, ... Left out are `-DOCSTART-`
    lines, comments before a sentence (`#` and a blank, so that hashtags stay), and words of CoNLL-U that are not in the
    sentence proper (numbered 3-4 or 5.1).
    """
    sentence: list[list[str]] = []
    start = 0
    for number, line in _lines(path):
        line = line.rstrip("\r\n")
        fields = line.split("\t") if "\t" in line else re.findall("[^ ]+", line)  # other white space may be in a word
        if not any(fields) or fields[0] == "-DOCSTART-":
            if sentence:
                yield start, _sentence(sentence)
            sentence = []
        elif sentence and len(fields) != len(sentence[0]):
            raise UsageError(f"{path}:{number}: {len(fields)} columns, expected {len(sentence[0])} as in line {start}")
        elif not (_is_comment(line) and not sentence) and not _is_extra(fields):
            if len(fields) < 2:
                raise UsageError(f"{path}:{number}: one column, expected a word and its label")
            start = start if sentence else number
            sentence.append(fields)
            if len(sentence) > MAX_WORDS:
                raise UsageError(f"{path}:{start}: more than {MAX_WORDS} words without an empty line, expected sentences")
    if sentence:
        yield start, _sentence(sentence)


def _is_comment(line: str) -> bool:
    return line.startswith("# ") or line == "#"


def _is_extra(fields: list[str]) -> bool:
    return len(fields) == 10 and re.fullmatch(r"\d+[-.]\d+", fields[0]) is not None  # 10 columns: CoNLL-U


def _sentence(lines: list[list[str]]) -> Row:
    columns = [list(column) for column in zip(*lines, strict=True)]
    return {"tokens": columns[0], "labels": columns[-1]} | {str(i): column for i, column in enumerate(columns)}


READERS: Mapping[str, Callable[[Path], Iterator[tuple[int | None, Row]]]] = {
    ".jsonl": _json_lines,
    ".csv": _csv,
    ".tsv": _tsv,
    ".parquet": _parquet,
    ".conll": _conll,
    ".conllu": _conll,
    ".iob": _conll,
}
"""How to read a file, by its suffix."""


# --- elsewhere -------------------------------------------------------------------------------------------------------


def _call(function: Callable[..., Iterable[Row]], options: Mapping[str, Any]) -> Iterable[Row]:
    try:
        inspect.signature(function).bind(**options)
    except TypeError as error:
        raise UsageError(f"{getattr(function, '__name__', function)}(): wrong options: {error}") from None
    return function(**options)


def _hub(source: str) -> Iterator[Row]:
    """`hf:owner/name:split`, `hf:owner/name/config:split`, or either with `@revision` (a commit, tag or branch) before the split;
    `config` may also be a folder of it. Class indices become names, -1 (no label) becomes None."""
    name, _, split = source.removeprefix("hf:").partition(":")
    name, at, revision = name.partition("@")
    parts = name.split("/")
    if not split or not all(parts) or not 1 <= len(parts) <= 3 or bool(at) != bool(revision):
        raise UsageError(f"{source}: expected hf:owner/name:split or hf:owner/name/config@revision:split")
    import datasets

    try:
        data = _load("/".join(parts[:2]), *parts[2:], split=split, revision=revision or None)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(
            f"{source}: cannot be loaded ({reason}): check name, config, revision and split on https://huggingface.co/datasets "
            "and the network; without a network, download the data set once where there is one (HF_HOME holds it), or use a file"
        ) from None
    for row in data:
        yield {column: _class_names(data.features[column], value) for column, value in row.items()}


def _load(name: str, config: str | None = None, **which: Any) -> Any:
    import datasets

    try:
        return datasets.load_dataset(name, config, **which)
    except ValueError as unknown_config:
        # The branches with converted data sets have a folder for each configuration, and nothing that says so.
        try:
            return datasets.load_dataset(name, data_dir=config, **which)
        except (OSError, ValueError, datasets.exceptions.DatasetsError):
            raise unknown_config from None


def revision_of(place: str) -> str:
    """Whether the data of a place, as it is shown, are fixed to a commit of the Hub; empty where they are not on the Hub."""
    found = re.search(r"hf:[^@:]+(?:@([^:]+))?:", place)
    if not found:
        return ""
    revision = found[1] or "main"
    if re.fullmatch("[0-9a-f]{40}", revision):
        return f"commit {revision}"
    return (
        f"{revision}, which is not a commit: the Hub may change what it holds; fix one with "
        'options = {revision = "COMMIT"} in [tasks.NAME]'
    )


def _class_names(feature: Any, value: Any) -> Any:
    if isinstance(value, list):
        return [_class_names(getattr(feature, "feature", None), item) for item in value]
    if isinstance(value, int) and (names := getattr(feature, "names", None)):
        return names[value] if value >= 0 else None
    return value
