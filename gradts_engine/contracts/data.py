"""Rows, texts and labels; a task as a plugin or a person defines it, and as read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy as np


Row = Mapping[str, Any]
"""One record of a data file: column name to value."""


@dataclass(frozen=True)
class Parallel:
    """Text files that belong together line by line: column name and file of each."""

    files: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return " + ".join(file for _, file in self.files)


Source = str | tuple[str, ...] | Parallel | Callable[..., Iterable[Row]]
"""Where a split's rows come from: a file or a pattern for several (`data/*.jsonl`), several of these, files that belong together
line by line, a Hub data set (`hf:owner/name/config:split`) or a function that yields them."""

Format = Literal["csv", "tsv", "jsonl", "json", "parquet", "conll", "conllu", "sentences", "lines"]


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """What is set of how a task's files are read; None: it is detected, file by file.

    `quoting` "none" takes quotation marks as text. `header` names the columns of files without a header, or those of CoNLL files.
    """

    format: Format | None = None
    delimiter: str | None = None
    quoting: Literal["minimal", "none"] | None = None
    encoding: str | None = None
    header: tuple[str, ...] | None = None


class Answer(NamedTuple):
    """A part of a context: its text, and its first character from 0."""

    text: str
    start: int


Label = str | float | tuple[str, ...] | tuple[Answer, ...]
"""A class name or a candidate's position; a number; a class name a word, or several for a sentence; answers to a question."""

Text = tuple[str, ...]
"""One sentence, a pair of sentences, the words of a token task, or a query and its candidates."""


Scheme = Literal["IOB1", "IOB2", "IOBES", "BILOU", "IO"]
"""How the tags of words mark spans: `gradts_engine.learning.tags`."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a metric needs to know of a task besides its classes: the class that counts where a metric is of one class (default:
    the last), and how tags mark spans (default: as detected), strictly or not."""

    positive: str | None = None
    scheme: Scheme | None = None
    strict: bool = False


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """A labelled task, as a plugin registers it or as a `[tasks.NAME]` table defines it.

    `text` names one column, or two for a pair. `labels` fixes the classes and their order; without it they are those of the train
    rows, sorted. `positive`, `scheme` and `strict` are its `Rules`. `group` names a column whose equal values stay together in a
    cut. `options` are keyword arguments for sources that are functions (the dials of generated data). `indicators` are columns of
    0 and 1, one a class, that make up the label of a multi_label task. `separator` stands between the classes or words of a
    column that holds several in a string; `dialect` is what is set of how files are read.
    """

    name: str
    type: str
    train: Source
    dev: Source | None = None
    test: Source | None = None
    text: str | tuple[str, ...] = "text"
    label: str = "label"
    labels: tuple[str, ...] | None = None
    metric: str | None = None
    positive: str | None = None
    scheme: Scheme | None = None
    strict: bool = False
    dev_fraction: float | None = None
    group: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    dialect: Dialect = Dialect()
    indicators: tuple[str, ...] = ()
    separator: str | None = None
    description: str = ""
    licence: str = ""
    citation: str = ""


@dataclass(frozen=True, slots=True)
class Instance:
    """One example: `row` is its position in the source (from 0), bad rows counted, so that it can be found again."""

    row: int
    text: Text
    label: Label


@dataclass(frozen=True, kw_only=True)
class TaskData:
    """A task as read: checked instances, bad rows left out, and a digest of what a model can see, of each split.

    `labels` is empty for a task whose labels are numbers, and otherwise has the model's outputs in their order; `unknown` are
    classes that dev or test rows have and train rows never. The digests are of each split by itself, since not every stage
    depends on every split: a corrected test row must not cost a training.

    `unlabelled` are test rows without a label: predicted, not scored. `texts[split]` [N] uint64 are hashes by which equal
    texts of all tasks are found, those of `unlabelled` at the end of "test". `classes[name][split]` counts labels, of words where
    words have them; rows without a label count as class "". `duplicates` counts rows with the text of an earlier one of their
    split.
    """

    name: str
    type: str
    metric: str
    labels: tuple[str, ...]
    splits: Mapping[str, Sequence[Instance]]
    skipped: Mapping[str, int]
    digests: Mapping[str, str]
    rules: Rules = Rules()
    unknown: tuple[str, ...] = ()
    unlabelled: tuple[Instance, ...] = ()
    texts: Mapping[str, np.ndarray] = field(default_factory=dict, compare=False)
    classes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    duplicates: int = 0
    warnings: tuple[str, ...] = ()
    separator: str | None = None
    """What stands between classes (or words) of a string, set or detected."""

    @property
    def tested(self) -> tuple[Instance, ...]:
        """All test rows, with and without a label, in the order of the source."""
        return tuple(sorted([*self.splits.get("test", ()), *self.unlabelled], key=lambda instance: instance.row))

    @property
    def judged_by(self) -> str:
        """The metric with what it depends on, as people are shown it: `f1 of yes`, `span_f1 (IOB2)`."""
        scheme = f" ({self.rules.scheme}{', strict' if self.rules.strict else ''})" if self.rules.scheme else ""
        return f"{self.metric} of {self.rules.positive}" if self.rules.positive else f"{self.metric}{scheme}"
