"""JSON: an object a line, or one document."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from gradts_engine.contracts import Row
from gradts_engine.errors import UsageError
from gradts_engine.learning.rows.files import Opened

MAX_DOCUMENT = 1 << 30
"""Characters of a JSON document, which has to be in memory as a whole; lines do not."""

Numbered = Iterator[tuple[int | None, Row]]


def json_lines(opened: Opened) -> Numbered:
    """One JSON object a line; empty lines are skipped."""
    for number, line in opened.lines():
        if line.strip():
            try:
                values = json.loads(line, object_pairs_hook=_once)
            except json.JSONDecodeError as error:
                raise UsageError(f"{opened.path}:{number}: broken JSON: {error.msg} at character {error.pos + 1}") from None
            except (ValueError, RecursionError) as error:
                raise UsageError(f"{opened.path}:{number}: broken JSON: {error}") from None
            if not isinstance(values, dict):
                raise UsageError(f'{opened.path}:{number}: expected a JSON object a line, such as {{"text": ..., "label": ...}}')
            yield number, values


def json_document(opened: Opened) -> Numbered:
    """A list of objects; an object with such a list as `data`; columns of one length; or SQuAD's articles, whose questions are
    given with `question`, `context`, `answers`, `id` and `title`."""
    path = opened.path
    text = opened.file.read(MAX_DOCUMENT + 1)
    if len(text) > MAX_DOCUMENT:
        raise UsageError(f"{path}: a JSON document of more than 1 GiB, expected JSON lines (.jsonl) for so many rows")
    try:
        document = json.loads(text.decode(opened.encoding).removeprefix("\ufeff"), object_pairs_hook=_once)
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not {opened.encoding} (byte {error.start + 1})") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: broken JSON: {error}") from None
    rows = rows_of(document)
    if rows is None:
        raise UsageError(f'{path}: expected a list of objects, such as [{{"text": ..., "label": ...}}], or {{"data": [...]}}')
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise UsageError(f"{path}: row {number}: expected an object, got {json.dumps(row)[:60]}")
        if "paragraphs" in row:
            yield from ((None, question) for question in _questions(row, f"{path}: article {number}"))
        else:
            yield None, row


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are there once: which of two values is meant nobody knows."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for i, (name, _) in enumerate(pairs) if name in dict(pairs[:i]))
        raise ValueError(f"two values for {json.dumps(twice)[:60]}")
    return found


def rows_of(document: Any) -> list[Any] | None:
    """The rows of a document; None where it has none."""
    if isinstance(document, list):
        return document
    if not isinstance(document, dict):
        return None
    if isinstance(document.get("data"), list):
        return list(document["data"])
    columns = list(document.values())
    if columns and all(isinstance(column, dict) for column in columns):  # pandas: an object a column, rows by their index
        if any(column.keys() != columns[0].keys() for column in columns):
            return None
        return [{name: document[name][index] for name in document} for index in columns[0]]
    if not columns or any(not isinstance(column, list) or len(column) != len(columns[0]) for column in columns):
        return None
    return [dict(zip(document, values, strict=True)) for values in zip(*columns, strict=True)]


def _questions(article: Mapping[str, Any], place: str) -> Iterator[Row]:
    try:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                answers = question.get("answers", [])
                yield {
                    "question": question["question"],
                    "context": paragraph["context"],
                    "answers": {
                        "text": [answer["text"] for answer in answers],
                        "answer_start": [answer["answer_start"] for answer in answers],
                    },
                    "id": question.get("id"),
                    "title": article.get("title"),
                }
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{place}: is not as in SQuAD: {type(error).__name__}: {error}") from None
