"""One source of rows -> checked instances, with what is wrong with the others, each with file and line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gradts_engine.contracts import Answer, Instance, Label, Source, TaskSpec, TaskType, Text
from gradts_engine.learning import classes, cuts
from gradts_engine.learning.rows import Record, read_rows
from gradts_engine.learning.rows.cells import needed, unfold
from gradts_engine.nearest import did_you_mean
from gradts_engine.printing import printable

MAX_CHARACTERS = 1 << 20
"""Characters of an instance's text and of its label, whatever source it comes from."""
MESSAGE = 500
"""Characters that are shown of what is wrong with a row, which may repeat the row."""


@dataclass
class Split:
    """What was read of one split: rows with a label, rows without, the groups of the former, what is wrong with bad rows."""

    source: Source
    rows: list[Instance] = field(default_factory=list)
    unlabelled: list[Instance] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)


class Reader:
    """Reads rows as a task means them."""

    def __init__(self, spec: TaskSpec, task_type: TaskType) -> None:
        self.spec = spec
        self.type = task_type
        self.labelled = getattr(task_type, "labelled", True)
        self.columns = (spec.text,) if isinstance(spec.text, str) else spec.text
        self.classes = spec.labels or ()

    def split(self, name: str, source: Source) -> Split:
        """All rows of a source. A test split may lack labels, or the whole column of them, or have it empty."""
        split, optional = Split(source), name == "test"
        for record in read_rows(source, self.spec.options, self.spec.dialect, needed(self.spec, self.labelled and not optional)):
            try:
                row = self._instance(record, optional)
                group = self._group(record, row.text) if name == "train" else ""
            except ValueError as error:
                split.bad.append(printable(f"{where(source, record)}: {error}"[:MESSAGE]))
            else:
                if self.labelled and row.label == "":
                    split.unlabelled.append(row)
                else:
                    split.rows.append(row)
                    split.groups.append(group)
        if optional and self.spec.separator is not None and not any(self.names(row.label) for row in split.rows):
            split.unlabelled += [replace(row, label="") for row in split.rows]  # cells that are all empty name no classes
            split.rows, split.groups = [], []
        return split

    def key(self, text: Text) -> str:
        """What is compared of a text."""
        return cuts.normalised(text, words=self.type.word_level)

    def names(self, label: Label) -> Sequence[str]:
        """The classes of a label; none where all that it says is that there is no label."""
        names = tuple(self.type.classes(label)) if label != "" else ()
        return () if all(map(self._is_none, names)) else names

    def _is_none(self, name: str) -> bool:
        return classes.is_no_label(name) and name not in self.classes

    def _column(self, record: Record, name: str) -> Any:
        if name not in record.values:
            known = f"expected one of {', '.join(record.values)}"
            raise ValueError(f"no column '{name}'{did_you_mean(name, record.values) or ', ' + known}")
        return record.values[name]

    def _instance(self, record: Record, optional: bool) -> Instance:
        """A row, its label "" where it has none. `optional`: there need not be a column for it."""
        spec = self.spec
        missing = optional and not any(name in record.values for name in spec.indicators or (spec.label,))
        record = unfold(replace(spec, indicators=()) if missing else spec, record, self.type.word_level)
        values = [self._column(record, column) for column in self.columns]
        value = self._column(record, spec.label) if self.labelled and not missing else None
        text = self.type.read_text(values)
        label = "" if self.labelled and classes.is_missing(value) else self._label(value, text)
        _check_characters(text, label)
        return Instance(record.row, text, label)

    def _label(self, value: Any, text: Text) -> Label:
        try:
            label = self.type.read_label(value, text)
        except ValueError:
            if classes.is_no_label(value):
                return ""
            raise
        if self.type.word_level and isinstance(label, tuple):  # of one word, -1 stands for no label as of a row
            label = tuple("" if self._is_none(str(name)) else str(name) for name in label)
            if not any(label):
                return ""
        names = self.names(label)
        if self.spec.labels is not None and (extra := [name for name in names if name not in self.classes]):
            raise ValueError(f"unknown label '{extra[0]}'{did_you_mean(extra[0], self.classes)}")
        return label if names or not tuple(self.type.classes(label)) else ""

    def _group(self, record: Record, text: Text) -> str:
        """What decides on which side of a cut a row is: its group, or else its text."""
        value = None if self.spec.group is None else self._column(record, self.spec.group)
        return self.key(text) if classes.is_missing(value) else cuts.normalised([str(value)])


def _check_characters(text: Text, label: Label) -> None:
    """JSON may hold halves of surrogate pairs, which no tokenizer and no terminal takes."""
    parts = label if isinstance(label, tuple) else (label,)
    joined = "".join((*text, *(part.text if isinstance(part, Answer) else str(part) for part in parts)))
    if len(joined) > MAX_CHARACTERS:
        raise ValueError(f"text and label have {len(joined)} characters, expected at most {MAX_CHARACTERS}")
    try:
        joined.encode()
    except UnicodeEncodeError:
        raise ValueError("text or label holds half a surrogate pair, which is not Unicode") from None


def where(source: Source, record: Record | None = None) -> str:
    """File and line, or the closest that the source has to them; counted from 1."""
    place = str(source)
    if record and record.file:
        place = record.file
    elif isinstance(source, tuple):
        place = ", ".join(source)
    elif hasattr(source, "__name__"):
        place = f"{source.__name__}()"
    if record is None:
        return place
    return f"{place}: row {record.row + 1}" if record.line is None else f"{place}:{record.line}"
