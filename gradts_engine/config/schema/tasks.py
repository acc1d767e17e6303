"""A task of one's own in tasks.toml."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from gradts_engine.config.schema.values import (
    LIST,
    Files,
    Filled,
    Limit,
    known_encoding,
    listed,
    names,
    one_character,
    registered,
)
from gradts_engine.contracts import Format, Scheme
from gradts_engine.settings import Section


class TaskTable(Section):
    """`[tasks.NAME]`: a task of one's own, or a variant of a registered one."""

    base: Annotated[str, registered("task", "tasks")] | None = Field(
        default=None,
        description="A registered task whose settings hold where none are given here; default: NAME, if "
        "registered, unless both type and train are given.",
    )
    type: Annotated[str, registered("task type", "task_types")] | None = Field(
        default=None, description="A registered task type."
    )
    train: Files | None = Field(
        default=None,
        description="Train rows: a file, a pattern or a list of files, a table of text files that belong together line by line "
        '(`{text = "a.txt", label = "b.txt"}`), or a Hub data set as "hf:owner/name:split".',
    )
    dev: Files | None = Field(default=None, description="Development rows, which trials are judged by.")
    test: Files | None = Field(default=None, description="Test rows, used for the final score alone.")
    text: Annotated[
        tuple[Filled, ...] | None,
        Field(strict=False),
        BeforeValidator(lambda v: (v,) if isinstance(v, str) else v, json_schema_input_type=str | tuple[str, ...]),
    ] = Field(default=None, description='The column that holds the text, or two for a pair; default: "text".')
    label: Annotated[str | tuple[str, ...] | None, BeforeValidator(listed), AfterValidator(names)] = Field(
        default=None,
        description='The column that holds the label, or one of 0 and 1 for each class of a multi_label task; default: "label".',
    )
    separator: Filled | None = Field(
        default=None,
        description="What stands between classes (or words) where a column holds several in a string; words: default blanks.",
    )
    format: Format | None = Field(
        default=None, description="What the files hold: sentences is a sentence a line, lines a text a line; default: detected."
    )
    delimiter: Annotated[str | None, AfterValidator(one_character)] = Field(
        default=None, description='Between the columns of CSV, TSV and CoNLL files, such as ";" or "\\t"; default: detected.'
    )
    quoting: Literal["minimal", "none"] | None = Field(
        default=None,
        description="Of CSV and TSV: whether fields may be in quotation marks, or these are text; default: detected.",
    )
    encoding: Annotated[str | None, AfterValidator(known_encoding)] = Field(
        default=None, description='Of text files, such as "windows-1252"; default: UTF-8, or what a byte order mark says.'
    )
    header: Annotated[tuple[str, ...] | None, *LIST] = Field(
        default=None, min_length=1, description="The columns of CSV and TSV files without a header, or of CoNLL files."
    )
    labels: Annotated[tuple[Filled, ...], *LIST] | None = Field(
        default=None,
        description="All classes, in the order of the model's outputs; default: those of the train rows, sorted.",
    )
    metric: str | None = Field(default=None, description="Main metric, one of the task type's; default: its first.")
    positive: Filled | None = Field(
        default=None, description="The class that f1 and average_precision are of; default: the last of two."
    )
    scheme: Scheme | None = Field(
        default=None, description="How tags mark spans: IOB1, IOB2, IOBES, BILOU or IO; default: as the tags of the data do."
    )
    strict: bool | None = Field(default=None, description="Count only spans whose tags keep to the scheme; default: false.")
    dev_fraction: float | None = Field(default=None, gt=0, lt=1, description="Share of the train rows to set apart as dev split.")
    group: Filled | None = Field(
        default=None, description="With dev_fraction: a column whose equal values stay together, such as a document."
    )
    options: dict[str, Any] | None = Field(default=None, description="Arguments for data that a function makes.")
    train_limit: Limit = Field(default=None, description="Use so many train rows; default: that of [data].")
    dev_limit: Limit = Field(default=None, description="Use so many dev rows; default: that of [data].")
    test_limit: Limit = Field(default=None, description="Use so many test rows; default: that of [data].")
