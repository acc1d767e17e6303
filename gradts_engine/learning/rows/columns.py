"""Words in lines: columns of CoNLL and CoNLL-U, a sentence a line, a text a line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from gradts_engine.contracts import Row
from gradts_engine.errors import UsageError
from gradts_engine.learning.rows.files import Opened
from gradts_engine.learning.rows.shape import Detected, split_columns

MAX_WORDS = 10_000
"""Words of a sentence in columns, so that a file without empty lines does not become one sentence."""
CONLLU = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")

Numbered = Iterator[tuple[int | None, Row]]


def conll(opened: Opened, detected: Detected, names: Sequence[str] | None) -> Numbered:
    """A word a line, its columns between tabs or else blanks, a blank line after each sentence.

    A row holds `tokens` (the first column), `labels` (the last), every column as `0`, `1`, ..., and by its name where there are
    `names`. Left out are `-DOCSTART-` lines, and comments before a sentence: lines that begin with `#` and either have another
    number of columns than the file's words, or read `# key = value`. Whatever else begins with `#` is a word.
    """
    return _sentences(opened, detected, names or (), *_width(opened.sample, detected.delimiter), first=0, label=-1)


def conllu(opened: Opened, detected: Detected, names: Sequence[str] | None) -> Numbered:
    """As `conll`, with columns `id`, `form`, `lemma`, `upos` and so on: `tokens` are FORM and `labels` UPOS. Every line with `#`
    before a sentence is a comment; left out are words that are not in the sentence proper (numbered 3-4 or 5.1)."""
    return _sentences(opened, detected, names or CONLLU, 0, True, first=1, label=3)


def _sentences(
    opened: Opened, detected: Detected, names: Sequence[str], width: int, tabs: bool, first: int, label: int
) -> Numbered:
    path, universal = opened.path, detected.format == "conllu"
    sentence: list[list[str]] = []
    start = 0
    for number, line in opened.lines():
        line = line.rstrip("\r\n")
        fields = split_columns(line, detected.delimiter)
        if not line.strip() or fields[0] == "-DOCSTART-":
            if sentence:
                yield start, _row(sentence, names, first, label)
            sentence = []
            continue
        if not sentence and _is_comment(line, len(fields), width, tabs, universal):
            continue
        if universal and line.startswith("# ") and len(fields) != 10:
            raise UsageError(f"{path}:{number}: a comment inside the sentence of line {start}: is a blank line missing?")
        expected = len(sentence[0]) if sentence else 10 if universal else len(names) or len(fields)
        if len(fields) != expected:
            like = f"as in line {start}" if sentence else "of CoNLL-U" if universal else f"as in header = {list(names)}"
            raise UsageError(f"{path}:{number}: {_columns(len(fields))}, expected {expected} {like}")
        if universal and not re.fullmatch(r"[0-9]+([-.][0-9]+)?", fields[0]):
            raise UsageError(f"{path}:{number}: the first column is {fields[0][:20]!r}, expected a word's number")
        if universal and not fields[0].isdecimal():
            continue
        if universal and sentence and int(fields[0]) <= int(sentence[-1][0]):
            raise UsageError(f"{path}:{number}: word {fields[0]} after word {sentence[-1][0]}: is a blank line missing?")
        if len(fields) < 2:
            raise UsageError(f"{path}:{number}: one column, expected a word and its label, a blank line after each sentence")
        start = start if sentence else number
        sentence.append(fields)
        if len(sentence) > MAX_WORDS:
            raise UsageError(f"{path}:{start}: more than {MAX_WORDS} words without an empty line, expected sentences")
    if sentence:
        yield start, _row(sentence, names, first, label)


def _columns(count: int) -> str:
    return "one column" if count == 1 else f"{count} columns"


def _width(sample: str, delimiter: str | None) -> tuple[int, bool]:
    """How many columns most lines have, of those that are no comments for sure, and whether there are tabs between them."""
    filled = [line.rstrip("\r") for line in sample.split("\n") if line.strip() and not line.startswith("-DOCSTART-")]
    words = [line for line in filled if not line.startswith("#")] or filled
    widths = Counter(len(split_columns(line, delimiter)) for line in words)
    return widths.most_common(1)[0][0] if widths else 0, not delimiter and sum("\t" in line for line in words) * 2 > len(words)


def _is_comment(line: str, columns: int, width: int, tabs: bool, universal: bool) -> bool:
    """Of a file whose words have `width` columns, between `tabs` or blanks."""
    if not (line.startswith("#") if universal else line.startswith("# ") or line == "#"):
        return False
    if tabs and "\t" not in line:
        return True
    return universal or columns != width or re.match(r"# *[\w.:-]+ += ", line) is not None


def _row(lines: list[list[str]], names: Sequence[str], first: int, label: int) -> Row:
    columns = [list(column) for column in zip(*lines, strict=True)]
    numbered = {str(i): column for i, column in enumerate(columns)}
    return (
        {"tokens": columns[first], "labels": columns[label]} | numbered | dict(zip(names, columns, strict=True) if names else ())
    )


def sentence_lines(opened: Opened) -> Numbered:
    """A sentence a line: its words between blanks, a tab, and a label for each, as in ATIS."""
    for number, line in opened.lines():
        if not line.strip():
            continue
        fields = line.rstrip("\r\n").split("\t")
        if len(fields) != 2:
            raise UsageError(f"{opened.path}:{number}: {_columns(len(fields))}, expected words, a tab, and their labels")
        words, labels = (field.split() for field in fields)
        if len(words) != len(labels):
            raise UsageError(f"{opened.path}:{number}: {len(words)} words but {len(labels)} labels")
        yield number, {"tokens": words, "labels": labels}


def text_lines(opened: Opened) -> Numbered:
    """A text a line, as `text`; empty lines are skipped."""
    return ((number, {"text": line.rstrip("\r\n")}) for number, line in opened.lines() if line.strip())


def all_lines(opened: Opened) -> Iterator[tuple[int, str]]:
    """Every line, empty ones too: what files that belong together line by line have in common."""
    return ((number, line.rstrip("\r\n")) for number, line in opened.lines())
