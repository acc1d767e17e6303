"""Which tasks the files of a folder hold: splits by the names of files, columns and labels by their first rows. Guesses, to be
shown to a person: nothing else depends on them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

from gradts_engine.contracts import Dialect
from gradts_engine.errors import UsageError
from gradts_engine.learning.rows import DETECTED, ENDINGS, detect, read_rows
from gradts_engine.learning.rows.files import ending_of
from gradts_engine.names import slug
from gradts_engine.printing import printable

ROWS = 500
"""Rows of a file that are looked at."""
FILES = 200
"""Most files of a folder that are looked at."""
CLASSES = 30
"""Most different labels that are taken for classes."""

SPLITS = {
    "train": "train",
    "training": "train",
    "dev": "dev",
    "devel": "dev",
    "val": "dev",
    "valid": "dev",
    "validation": "dev",
    "eval": "dev",
    "test": "test",
}
"""Parts of the names of files that say which split they are."""

TEXTS = tuple("text sentence premise question sentence1 text1 review title tokens words content body".split())
PAIRS = (
    ("premise", "hypothesis"),
    ("question", "sentence"),
    ("question", "answer"),
    ("question", "passage"),
    ("question", "context"),
    ("query", "passage"),
    ("query", "document"),
)
SECOND = {"1": "2", "a": "b", "first": "second"}
"""How the names of two columns of a pair end: text1 and text2, sentence_a and sentence_b."""
LABELS = tuple("label labels class category target tags ner_tags pos_tags score rating stars sentiment y".split())
"""Usual names of columns, the likelier first."""


@dataclass(frozen=True)
class Guess:
    """A task that a folder seems to hold: its files by split, its `columns` with an example each, which hold text and label, its
    type, and how often each label is among the `rows` that were looked at."""

    name: str
    files: Mapping[str, str]
    columns: Mapping[str, str]
    text: tuple[str, ...]
    label: str
    type: str
    labels: Mapping[str, int]
    rows: int

    @property
    def described(self) -> str:
        """In a line: type, columns, files and labels."""
        files = ", ".join(f"{split} {path}" for split, path in self.files.items())
        unused = f"; not used: {', '.join(self.unused)}" if self.unused else ""
        return f"{self.type}, text {' + '.join(self.text)}, label {self.label}: {self.answers}; {files}{unused}"

    @property
    def unused(self) -> tuple[str, ...]:
        """Columns that hold neither text nor label."""
        return tuple(name for name in self.columns if name not in (*self.text, self.label))

    @property
    def numbers(self) -> bool:
        """Whether three classes or more are all numbers: they may be amounts of something."""
        return self.type == "classification" and len(self.labels) > 2 and all(map(_is_number, self.labels))

    @property
    def answers(self) -> str:
        """What the labels are: their range, or the most frequent ones with their counts."""
        if self.type == "regression":
            numbers = sorted(float(label) for label in self.labels if _is_number(label)) or [0.0]
            return f"{numbers[0]:g} to {numbers[-1]:g}"
        most = ", ".join(f"{label} ({count})" for label, count in list(self.labels.items())[:8])
        return most + (f", ... {len(self.labels)} in all" if len(self.labels) > 8 else "")


Said = Mapping[str, str]
"""What a person has said of tasks: by name, a column (or two, between commas) or a type."""


def look(folder: Path, *, text: Said, label: Said, type: Said) -> tuple[list[Guess], list[str]]:  # noqa: A002
    """The tasks below `folder` (two levels deep), and for each file that is none why; ordered by name."""
    found, problems = [], []
    for name, files in _grouped(folder).items():
        try:
            columns = text[name].split(",") if name in text else ()
            task = guess(folder, name, files, columns, label.get(name, ""), type.get(name, ""), of=f"{name}=")
            if task.type == "classification" and len(task.labels) < 2 and task.rows < ROWS:
                raise UsageError(f"{files['train']}: all of '{task.label}' is {task.answers}: nothing to learn")
            found.append(task)
        except UsageError as error:
            problems.append(str(error))
    return found, problems


def guess(
    folder: Path,
    name: str,
    files: Mapping[str, str],
    text: Sequence[str] = (),
    label: str = "",
    kind: str = "",
    dialect: Dialect = DETECTED,
    of: str = "",
) -> Guess:
    """What a task's files hold; `text`, `label` and `kind` where a person has said, `of` what stands before these in options.

    Raises `UsageError` where they cannot be read, or nobody can tell which column is what.
    """
    source = str(folder / files["train"])
    detected = next(iter(detect(source, dialect)))
    columns = list(detected.columns)
    rows = [record.values for record in islice(read_rows(source, dialect=dialect), ROWS)]
    columns = columns or list(dict.fromkeys(key for row in rows for key in row))
    if not rows:
        raise UsageError(f"{source}: no rows")
    for column in (*text, *([label] if label else [])):
        if column not in columns:
            raise UsageError(f"{source}: no column '{column}', it has: {', '.join(columns)}")
    named, label = bool(label), label or _label(rows, [c for c in columns if c not in text])
    text = tuple(text) or _text(rows, [c for c in columns if c != label])
    if not label or not text:
        hint = f"name them with --text {of}COLUMN --label {of}COLUMN"
        raise UsageError(f"{source}: which of {', '.join(columns)} is the text, and which the label? {hint}")
    values = [row.get(label) for row in rows]
    counts = Counter(str(item) for value in values for item in (value if isinstance(value, list) else [value]))
    if label in counts and not named and detected.header:
        raise UsageError(
            f"{source}: the first row looks like data: '{printable(label)}' is a label of other rows, too; name the columns with "
            f"header = [...] in [tasks.NAME] (see `gradts-engine data FILE --header text,label`), or say with --label {of}COLUMN "
            "that it is a name"
        )
    shown = {c: _example(next((row[c] for row in rows if row.get(c) not in (None, "")), "")) for c in columns}
    return Guess(name, files, shown, text, label, kind or _type(rows, text, values), dict(counts.most_common()), len(rows))


def _grouped(folder: Path) -> dict[str, dict[str, str]]:
    """Files of each task by split, relative to `folder`; one without a train file uses the one it has for that. Files that are
    called alike, or nearly so, are tasks of their own."""
    tasks: dict[tuple[str, int], dict[str, str]] = {}
    for path in islice(_files(folder), FILES):
        stem = path.name[: len(path.name) - len("".join(path.suffixes[-2:]))] if ending_of(path) != path.suffix else path.stem
        parts = re.split(r"([._-])", stem)
        rest = "".join(part for part in parts if part.lower() not in SPLITS).strip("._-")
        above = [part.name for part in path.absolute().parents][: len(path.relative_to(folder).parts)]  # the nearest first
        said = [part.lower() for part in (*reversed(parts), *above[:-1]) if part.lower() in SPLITS]
        split = SPLITS[said[0]] if said else "train"
        title = rest or next((name for name in above if name.lower() not in SPLITS), "")
        place = next(i for i in count() if split not in tasks.get((title, i), {}))
        tasks.setdefault((title, place), {})[split] = path.relative_to(folder).as_posix()
    named: dict[str, dict[str, str]] = {}
    for title, place in sorted(tasks):
        name, files = slug(title, otherwise="task"), tasks[title, place]
        free = next(n for i in count(1) if (n := f"{name}-{i}" if i > 1 else name) not in named)
        named[free] = files if "train" in files else {"train": next(iter(files.values()))}
    return dict(sorted(named.items()))


def _files(folder: Path) -> Iterator[Path]:
    """Data files two levels deep; nothing hidden, and not what runs have written."""
    for pattern in ("*", "*/*", "*/*/*"):
        for path in sorted(folder.glob(pattern)):
            hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
            if not hidden and path.is_file() and ending_of(path) in ENDINGS:
                yield path


def _label(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """A column with a label's name, else the one of few different values."""
    named = {column.lower(): column for column in reversed(columns)}
    if found := next((named[name] for name in LABELS if name in named), ""):
        return found
    different = {c: len({str(row.get(c)) for row in rows}) for c in columns}
    few = [c for c in columns if 2 <= different[c] <= min(CLASSES, max(2, len(rows) // 2))]
    return min(few, key=different.__getitem__, default="")


def _text(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> tuple[str, ...]:
    """Columns with a pair's names or a text's, else the one of the longest strings. Of numbered pairs, which identifiers may be,
    too, the one of the longest strings that are no numbers."""
    named = {column.lower(): column for column in reversed(columns)}
    lengths = {c: sum(len(v) for row in rows if isinstance(v := row.get(c), str) and not _is_number(v)) for c in columns}
    alike = [(name, name.removesuffix(end) + SECOND[end]) for name in named for end in SECOND if name.endswith(end)]
    alike.sort(key=lambda pair: -lengths[named[pair[0]]])
    for pair in (*PAIRS, *alike):
        if all(lengths.get(named.get(name, "")) for name in pair):
            return tuple(named[name] for name in pair)
    if found := next((named[name] for name in TEXTS if name in named), ""):
        return (found,)
    best = max(columns, key=lengths.__getitem__, default="")
    return (best,) if best and lengths[best] > 0 else ()


def _type(rows: Sequence[Mapping[str, Any]], text: Sequence[str], labels: Sequence[Any]) -> str:
    """One of the built-in task types."""
    if isinstance(rows[0].get(text[0]), list) and any(isinstance(label, list) for label in labels):
        return "token_classification"
    if any(isinstance(label, list) for label in labels):
        return "multi_label"
    different = {str(label) for label in labels}
    numbers = all(_is_number(label) for label in different)
    return "regression" if numbers and (len(different) > CLASSES or _has_fractions(different)) else "classification"


def _is_number(label: str) -> bool:
    return re.fullmatch(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?", label) is not None


def _has_fractions(labels: Iterable[str]) -> bool:
    return any(float(label) != int(float(label)) for label in labels)


def _example(value: Any) -> str:
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 60 else f"{text[:59]}\u2026"
