"""Files of all formats, sound and damaged, read by other people's readers: the same rows, or both refuse."""

import bz2
import csv
import gzip
import io
import json
import random
import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import conllu
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pytest

from gradts_engine.contracts import Dialect
from gradts_engine.errors import UsageError
from gradts_engine.learning.rows import detect, read_rows
from gradts_engine.learning.rows.columns import CONLLU

Rows = list[dict[str, object]]


class Refused(Exception):
    """The other reader does not take the file."""


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are there once."""
    if len(dict(pairs)) < len(pairs):
        raise Refused
    return dict(pairs)


PIECES = [
    "a",
    "word",
    "two words",
    "é",
    "日本",
    "'",
    '"',
    '""',
    '"quoted"',
    '5" disk',
    ",",
    ";",
    "|",
    "#",
    "# x",
    "1",
    "-1",
    "NaN",
]
PIECES += ["", " ", " lead", "trail ", "\u2028", "\x0b", "null", "true", "1.0", "🙂", "x" * 300, "O", "B-PER", "_", "=", "[", "{"]
LABELS = ["pos", "neg", "0", "1", "neutral mood", "ü"]


def texts(rng: random.Random, count: int, forbidden: str = "") -> list[str]:
    out = ["".join(rng.choice(PIECES) for _ in range(rng.randint(1, 4))) for _ in range(count)]
    return [re.sub(f"[{re.escape(forbidden)}]", "x", text) if forbidden else text for text in out]


def table(rng: random.Random, size: int, forbidden: str = "") -> Rows:
    extra = ["id", "note"][: rng.randint(0, 2)]
    rows = [{"text": text or "x", "label": rng.choice(LABELS)} for text in texts(rng, size, forbidden)]
    return [row | {name: rng.choice(["7", "", "n"]) for name in extra} for row in rows]


# --- writers and the readers of others: content, and how to read it ----------------------------------------------------


def _frame(text: str, delimiter: str, quoting: int) -> Rows:
    """pandas' rows where pyarrow finds as many fields in each, and quotation marks are as RFC 4180 has them."""
    d, text = re.escape(delimiter), re.sub(r"\r\Z", "\n", text)
    blank = r"[ \r\x0b]*" if delimiter == "\t" else r"[ \r\t\x0b]*"
    text = re.sub(rf"^{blank}(\n|\Z)", "", text, flags=re.MULTILINE)
    field = rf'"(?:[^"]|"")*"|(?:[^"\r\n{d}][^\r\n{d}]*)?' if quoting == csv.QUOTE_MINIMAL else rf"[^\n{d}]*"
    if not re.fullmatch(rf"(?:(?:{field})(?:{d}(?:{field}))*\r?\n)*(?:(?:{field})(?:{d}(?:{field}))*)?", text):
        raise Refused("quotation marks or carriage returns")
    options = pa.csv.ParseOptions(
        delimiter=delimiter, quote_char='"' if quoting == csv.QUOTE_MINIMAL else False, newlines_in_values=True
    )
    try:
        if quoting == csv.QUOTE_MINIMAL:  # without quotation marks a carriage return is text for us and a line end for pyarrow
            pa.csv.read_csv(io.BytesIO(text.encode()), parse_options=options)
        elif len({line.count(delimiter) for line in text.split("\n") if line.rstrip("\r")}) > 1:
            raise Refused("ragged")
        lines = None if quoting == csv.QUOTE_MINIMAL else "\n"
        frame = pd.read_csv(
            io.StringIO(text), sep=delimiter, quoting=quoting, header=None, dtype=str, keep_default_na=False, lineterminator=lines
        )
    except pd.errors.EmptyDataError:
        return []
    except (pa.ArrowInvalid, pd.errors.ParserError) as error:
        if "Empty CSV" not in str(error):  # a header alone
            raise Refused(str(error)) from None
        if not text.strip():
            return []
        frame = pd.read_csv(io.StringIO(text), sep=delimiter, header=None, dtype=str, keep_default_na=False)
    names, *rows = frame.to_numpy().tolist()
    if quoting != csv.QUOTE_MINIMAL:
        blank = ["\r", *[""] * (len(names) - 1)]
        names, *rows = ([*row[:-1], row[-1].removesuffix("\r")] for row in (names, *rows) if row != blank)
    if len({name for name in names if name}) < sum(map(bool, names)):
        raise Refused("a name twice")
    return [{name: value for name, value in zip(names, row, strict=True) if name} for row in rows]


def write_table(rng: random.Random, size: int) -> tuple[str, str, Callable[[str, Dialect], Rows]]:
    name = rng.choice(["csv", "tsv"])
    delimiter = rng.choice(",;|\t") if name == "csv" else "\t"
    rows = table(rng, size, "\t" if delimiter == "\t" else "")
    out = io.StringIO()
    names = list(rows[0]) if rows else ["text", "label"]
    end = rng.choice(["\n", "\r\n"])
    if delimiter == "\t":
        out.write("".join("\t".join(row) + end for row in [names, *(map(str, row.values()) for row in rows)]))
    else:
        writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
        writer.writerows([names, *(row.values() for row in rows)])

    def read(text: str, found) -> Rows:
        return _frame(text, found.delimiter, csv.QUOTE_NONE if found.quoting == "none" else csv.QUOTE_MINIMAL)

    return name, out.getvalue(), read


def write_lines_of_json(rng: random.Random, size: int) -> tuple[str, str, Callable[[str, Dialect], Rows]]:
    rows = table(rng, size)
    text = "".join(json.dumps(row, ensure_ascii=rng.random() < 0.5) + rng.choice(["\n", "\r\n", "\n\n"]) for row in rows)

    def read(text: str, found) -> Rows:
        rows = (
            [json.loads(line, object_pairs_hook=once) for line in text.split("\n") if line.strip()]
            if found.format == "jsonl"
            else _document(text)
        )
        if not all(isinstance(row, dict) for row in rows):
            raise Refused("not an object")
        return rows

    return rng.choice(["jsonl", "ndjson"]), text, read


def _document(text: str) -> Rows:
    """A list; what else a document may be is not written here."""
    document = json.loads(text, object_pairs_hook=once)
    if not isinstance(document, list):
        raise Refused("no list")
    return document


def write_json(rng: random.Random, size: int) -> tuple[str, str, Callable[[str, Dialect], Rows]]:
    rows = table(rng, size)

    def read(text: str, found) -> Rows:
        return write_lines_of_json(rng, 0)[2](text, found)

    return "json", json.dumps(rows, indent=rng.choice([None, 2])), read


def _columns(rng: random.Random, size: int) -> list[list[list[str]]]:
    width = rng.randint(2, 4)
    word = lambda: rng.choice(["Ada", "#", "x", "日本", "'", '"', "a,b", "[", "-", "#1"])  # noqa: E731
    return [
        [[word(), *rng.choices(["O", "B-PER", "NN", "_"], k=width - 1)] for _ in range(rng.randint(1, 5))] for _ in range(size)
    ]


def write_conll(rng: random.Random, size: int) -> tuple[str, str, Callable[[str, Dialect], Rows]]:
    between, end = rng.choice(" \t"), rng.choice(["\n", "\r\n"])
    blocks = [end.join(between.join(word) for word in sentence) for sentence in _columns(rng, size)]
    text = (end + rng.choice(["", " ", "\t", end]) + end).join(blocks) + end if blocks else ""

    def read(text: str, found) -> Rows:
        def fields(line: str) -> list[str]:
            line = line.rstrip("\r")
            return line.split("\t") if "\t" in line else [field for field in line.split(" ") if field]

        rows = []
        lines = [line for line in text.split("\n") if line.strip()]
        widths = Counter(len(fields(line)) for line in [line for line in lines if line[0] != "#"] or lines)
        for block in re.split(r"\n\s*\n", "\n" + text + "\n"):
            lines = [line for line in block.split("\n") if line.strip()]
            while lines and re.match("# |#\r?$", lines[0]) and len(fields(lines[0])) != widths.most_common(1)[0][0]:
                del lines[0]  # a comment
            words = [fields(line) for line in lines]
            if words and (len({len(w) for w in words}) > 1 or len(words[0]) < 2):
                raise Refused("ragged")
            if words:
                columns = [list(column) for column in zip(*words, strict=True)]
                numbered = {str(i): column for i, column in enumerate(columns)}
                rows.append({"tokens": columns[0], "labels": columns[-1]} | numbered)
        return rows

    return rng.choice(["conll", "bio", "iob"]), text, read


def write_conllu(rng: random.Random, size: int) -> tuple[str, str, Callable[[str, Dialect], Rows]]:
    blocks = []
    for i in range(size):
        lines = [f"# sent_id = {i}"]
        for n in range(1, rng.randint(2, 6)):
            if rng.random() < 0.2:
                lines.append(f"{n}-{n + 1}\tdel\t" + "\t".join("_" * 8))
            feats = rng.choice(["_", "Number=Sing"])
            lines.append(
                "\t".join([str(n), rng.choice(["Ada", "#", "日本"]), "_", "NOUN", "X", feats, "0", "root", "_", "SpaceAfter=No"])
            )
        blocks.append("\n".join(lines))

    def read(text: str, found) -> Rows:
        try:
            sentences = conllu.parse(
                text, field_parsers=dict.fromkeys(("head", "feats", "deps", "misc"), lambda line, i: line[i])
            )
        except (conllu.exceptions.ParseException, ValueError, TypeError, AttributeError) as error:
            raise Refused(str(error)) from None
        keep = [[token for token in sentence if isinstance(token["id"], int)] for sentence in sentences]
        if re.search(r"^[^#\n].*\n#", text, re.MULTILINE) or any(a["id"] >= b["id"] for s in keep for a, b in pairwise(s)):
            raise Refused("sentences that run into each other")
        if any(line.count("\t") != 9 for line in text.split("\n") if line.strip() and not line.startswith("#")):
            raise Refused("ragged")
        return [{"tokens": [t["form"] for t in s], "labels": [t["upos"] for t in s]} for s in keep if s]

    return "conllu", "\n\n".join(blocks) + "\n\n" if blocks else "", read


def damage(rng: random.Random, text: str) -> str:
    at = rng.randrange(len(text) + 1)
    match rng.randrange(7):
        case 0:
            return text[:at] + text[at + rng.randint(1, 3) :]
        case 1:
            return text[:at] + rng.choice(['"', "\r", "\n", "\t", ",", "\x01", "{", " ", "#", "\ufeff"]) + text[at:]
        case 2:
            return text[:at]
        case 3:
            lines = text.split("\n")
            lines.insert(rng.randrange(len(lines) + 1), rng.choice(["", "   ", "# comment", "a", "a\tb\tc\td\te\tf", "[]"]))
            return "\n".join(lines)
        case 4:
            lines = text.split("\n")
            del lines[rng.randrange(len(lines))]
            return "\n".join(lines)
        case 5:
            return text[:at] + text[max(0, at - 20) :]
    return text.replace(rng.choice(['"', ",", "\t", "O", " "]), rng.choice(["", '"', "\t"]), 1)


WRITERS = (write_table, write_table, write_table, write_lines_of_json, write_json, write_conll, write_conll, write_conllu)
PACKERS = {"": lambda b: b, ".gz": gzip.compress, ".bz2": bz2.compress, ".zst": lambda b: pa.compress(b, "zstd", asbytes=True)}


def ours(path: Path, dialect: Dialect) -> Rows | UsageError:
    try:
        rows = [dict(record.values) for record in read_rows(str(path), None, dialect)]
    except UsageError as error:
        return error
    if path.name.startswith("t.conllu"):
        assert all(set(row) == {"tokens", "labels", *CONLLU, *map(str, range(10))} for row in rows)
        return [{"tokens": row["tokens"], "labels": row["labels"]} for row in rows]
    return rows


def one(seed: int, folder: Path) -> tuple[str, bool]:
    """What is wrong with how we read a file, empty where nothing is, and whether it was refused."""
    rng = random.Random(seed)
    name, text, other = rng.choice(WRITERS)(rng, rng.randint(0, 8))
    sound = rng.random() < 0.6
    text = text if sound else damage(rng, text)
    encoding, mark = rng.choice([("utf-8", ""), ("utf-8", ""), ("utf-8", "\ufeff"), ("utf-16", ""), ("utf-16-le", "")])
    packed = rng.choice(list(PACKERS))
    path = folder / f"t.{name}{packed}"
    path.write_bytes(PACKERS[packed]((mark + text).encode(encoding)))
    dialect = Dialect(encoding=encoding if encoding.endswith("-le") else None)
    got = ours(path, dialect)
    expected: Rows | Exception
    try:
        (found,) = detect(str(path), dialect)
        expected = other(text.removeprefix("\ufeff"), found)
    except (Refused, ValueError, UsageError) as error:
        expected = error
    path.unlink()
    refused = isinstance(got, UsageError)
    right = refused if isinstance(expected, Exception) else got == expected
    if not right or (sound and refused) or (refused and (str(path) not in str(got) or "\n" in str(got))):
        return f"seed {seed}, {name}{packed}, {encoding}: {text!r}: {got!r} but {expected!r}", refused
    return "", refused


@pytest.mark.parametrize("files", [400, pytest.param(5000, marks=pytest.mark.torture)])
def test_other_readers_find_the_same_rows(tmp_path: Path, files: int) -> None:
    found = [one(seed, tmp_path) for seed in range(files)]
    assert [wrong for wrong, _ in found if wrong] == []
    assert files * 0.05 < sum(refused for _, refused in found) < files * 0.5
