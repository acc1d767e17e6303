"""The keys of tasks.toml, a frozen record a section: type, range, default and a line of description with its unit each.

The reference documentation is made from these records. Names are looked up in the catalog while a file is loaded;
records that are built in code have no catalog to look in and take any name.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from os.path import isdir
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
)

from gradts_engine.contracts import (
    EncoderSpec,
    ExecutorSpec,
    Format,
    HeadAxis,
    PredictorSpec,
    Scheme,
    StrategySpec,
    TaskSpec,
    TaskTypeSpec,
)
from gradts_engine.nearest import did_you_mean, unknown
from gradts_engine.settings import Section

T = TypeVar("T")

HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")

STEPS_FACTOR = 3
"""Optimiser steps of a trial without `steps`, as a multiple of what `epochs` epochs of the primary alone take."""


PRESETS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "published": {
        "data": {"max_length": 512},
        "training": {"optimizer": "adamax"},
        "multitask": {"optimizer": "adamax", "length": "epochs"},
        "scoring": {"head_axis": "input"},
    }
}
"""Settings of each section that stand where a file gives none."""


class Names(Protocol):
    """What can be named in tasks.toml; the catalog of plugins is one."""

    @property
    def tasks(self) -> Mapping[str, TaskSpec]: ...
    @property
    def task_types(self) -> Mapping[str, TaskTypeSpec]: ...
    @property
    def encoders(self) -> Mapping[str, EncoderSpec]: ...
    @property
    def predictors(self) -> Mapping[str, PredictorSpec]: ...
    @property
    def strategies(self) -> Mapping[str, StrategySpec]: ...
    @property
    def executors(self) -> Mapping[str, ExecutorSpec]: ...


@dataclass(frozen=True)
class Context:
    """What validators know besides the value: the catalog, the folder of tasks.toml, the names of its `[tasks.NAME]`."""

    names: Names
    folder: Path
    defined: tuple[str, ...]


def find_encoder(name: str, context: Context) -> EncoderSpec:
    """A registered encoder, else a folder, else a name for the Hub; raises ValueError where it can be none of them."""
    encoders = context.names.encoders
    if name in encoders:
        return encoders[name]
    path = str((context.folder / name).absolute())
    if isdir(path):
        return EncoderSpec(name=name, source=lambda: path)
    # A misspelt registered name is likelier than a model of the Hub that has no owner and nearly the same name.
    near = "" if "/" in name else did_you_mean(name, encoders, cutoff=0.75)
    if near or not HUB_NAME.fullmatch(name):
        expected = "expected a registered encoder, a folder, or a Hub name as owner/name"
        raise ValueError(f"no encoder or folder '{name}', {expected}{near}")
    return EncoderSpec(name=name, source=lambda: name)


def _known_encoder(name: str, info: ValidationInfo) -> str:
    if info.context:
        find_encoder(name, info.context)
    return name


def _registered(kind: str, where: str) -> AfterValidator:
    """Accepts the keys of the catalog's mapping `where`."""

    def check(name: str, info: ValidationInfo) -> str:
        if info.context and name not in (known := getattr(info.context.names, where)):
            raise ValueError(unknown(kind, name, known))
        return name

    return AfterValidator(check)


def _known_task(name: str, info: ValidationInfo) -> str:
    if info.context and name not in (known := {*info.context.names.tasks, *info.context.defined}):
        raise ValueError(unknown("task", name, known))
    return name


def _unique(values: tuple[T, ...]) -> tuple[T, ...]:
    if twice := next((value for i, value in enumerate(values) if value in values[:i]), None):
        raise ValueError(f"'{twice}' is named twice")
    return values


# TOML has typed values, so nothing is converted ("3" and true are no integers), except that an array becomes a tuple.
_LIST = (Field(strict=False), AfterValidator(_unique))
_Task = Annotated[str, AfterValidator(_known_task)]
_Filled = Annotated[str, Field(min_length=1)]
_Device = Annotated[str, Field(pattern=r"^(auto|cpu|cuda|cuda:[0-9]{1,3})$")]
_Limit = Annotated[int | None, Field(ge=1)]


def _one_character(value: str | None) -> str | None:
    if value is not None and (len(value) != 1 or value in '\r\n"'):
        raise ValueError(f"got {json.dumps(value)}, expected one character")
    return value


def _known_encoding(name: str | None) -> str | None:
    try:
        known = name is None or codecs.lookup(name)._is_text_encoding
    except (LookupError, ValueError):
        known = False
    if not known:
        raise ValueError(f"unknown encoding '{name}', expected one of Python's, such as utf-8, windows-1252 or shift-jis")
    return name


def _listed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _names(value: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
    """A column, or several different ones."""
    if value is not None and not all(value if isinstance(value, tuple) else [value]):
        raise ValueError("is empty")
    return _unique(value) if isinstance(value, tuple) else value


def _files(value: Any) -> Any:
    """A file, several, or a file for each column."""
    several = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else [value]
    if not all(isinstance(name, str) for name in several):
        raise ValueError('expected a file, a list of files, or a table of text files such as {text = "a.txt", label = "b.txt"}')
    if not several or not all(several):
        raise ValueError("is empty")
    return _listed(value)


_Files = Annotated[str | tuple[str, ...] | dict[str, str], BeforeValidator(_files)]


class RunSettings(Section):
    """`[run]`: which encoder, which tasks, on which devices."""

    encoder: Annotated[_Filled, AfterValidator(_known_encoder)] = Field(
        description="A registered encoder, a folder (relative to this file), or a Hub name."
    )
    tasks: Annotated[tuple[_Task, ...], *_LIST] = Field(
        default=(), description="Registered tasks to use, besides those defined in this file."
    )
    primary: Annotated[tuple[str, ...], *_LIST] = Field(
        default=(), description="Tasks to find auxiliaries for; default: every task in turn."
    )
    preset: Literal["published"] | None = Field(
        default=None,
        description="Defaults where this file sets nothing: published, the settings nearest to the published ones.",
    )
    seed: int = Field(default=2018, ge=0, lt=2**32, description="Seed of all randomness.")
    executor: Annotated[str, _registered("executor", "executors")] = Field(
        default="threads", description="A registered way to run jobs on devices."
    )
    devices: Annotated[tuple[_Device, ...], *_LIST] = Field(
        default=("auto",), min_length=1, description="Devices to use: auto, cpu, cuda (all of them) or cuda:N."
    )
    notify: Annotated[tuple[_Filled, ...], Field(strict=False)] = Field(
        default=(),
        description="A program and its arguments, started when the run waits, fails or ends, with run, state and reason added.",
    )

    @field_validator("primary")
    @classmethod
    def _takes_part(cls, primary: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if info.context and "tasks" in info.data:
            tasks = {*info.data["tasks"], *info.context.defined}
            if problems := [unknown("task", name, tasks) for name in primary if name not in tasks]:
                raise ValueError(" and ".join(problems))
        return primary


class DataSettings(Section):
    """`[data]`: how the rows of all tasks are read."""

    max_length: int = Field(default=128, ge=4, description="Longest input, in tokens with special ones; longer texts are cut.")
    train_limit: _Limit = Field(default=None, description="Use so many train rows of each task; default: all.")
    dev_limit: _Limit = Field(default=None, description="Use so many dev rows of each task; default: all.")
    test_limit: _Limit = Field(default=None, description="Use so many test rows of each task; default: all.")
    limit_order: Literal["sample", "first"] = Field(
        default="sample",
        description="Which rows a limit leaves: a random sample with every class in its share, or the first ones.",
    )
    seed: int | None = Field(
        default=None,
        ge=0,
        lt=2**32,
        description="Seed of `dev_fraction` and of samples alone; default: that of [run].",
    )
    overlap: Literal["drop", "keep", "stop"] = Field(
        default="drop",
        description="Auxiliaries' train rows with a text of the primary's dev or test split: leave them out, keep them, or stop.",
    )
    verdict_fraction: float = Field(
        default=0.5, gt=0, lt=1, description="Share of a primary's dev rows that verdicts are given on, and no choice is made on."
    )
    on_bad_row: Literal["stop", "skip"] = Field(
        default="stop", description="Stop at rows that cannot be read, or skip and count them."
    )


class TrainingSettings(Section):
    """`[training]`: the fine-tuning of each task alone."""

    epochs: int = Field(default=3, ge=1, description="Passes over the train split.")
    batch_size: int = Field(default=8, ge=1, description="Instances a batch.")
    accumulation: int = Field(default=1, ge=1, description="Batches an optimiser step.")
    optimizer: Literal["adamw", "adamax"] = Field(default="adamw", description="Optimiser.")
    learning_rate: float = Field(default=5e-5, gt=0, description="Peak learning rate, after warm-up.")
    weight_decay: float = Field(default=0.01, ge=0, description="Decay of weights a step, times the learning rate.")
    warmup: float = Field(default=0.1, ge=0, le=1, description="Linear warm-up, as a share of all steps.")
    max_grad_norm: float = Field(default=1.0, gt=0, description="Gradients are clipped to this norm.")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="Dropout of the heads, as a share of units.")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(default="auto", description="Number format of the forward pass.")
    seeds: int = Field(default=1, ge=1, description="How often each training is made, each time with another seed.")


class MultitaskSettings(TrainingSettings):
    """`[multitask]`: trials and final training, one setting for both, so that a confirmed trial is the final model.

    With `length = "steps"` all trials of a primary take the same number of optimiser steps. If `steps` is not given,
    that is `STEPS_FACTOR` (3) times what `epochs` epochs of the primary alone take.
    """

    epochs: int = Field(default=7, ge=1, description="Passes over the train split.")
    accumulation: int = Field(default=4, ge=1, description="Batches an optimiser step.")
    length: Literal["steps", "epochs"] = Field(
        default="steps",
        description="Train every trial for equally many optimiser steps, or for so many epochs over all its data.",
    )
    steps: int | None = Field(
        default=None,
        ge=1,
        description="Optimiser steps of each trial; default: 3 times those of `epochs` epochs of the primary alone.",
    )
    auxiliary_ratio: float = Field(
        default=1.0,
        gt=0,
        description='With length = "steps": most rows of an auxiliary in a pass, as a multiple of the primary\'s rows.',
    )


class ScoringSettings(Section):
    """`[scoring]`: the gradient pass."""

    head_axis: HeadAxis = Field(
        default="output", description="Which weights are a head's: output rows, or input columns as published."
    )
    projections: Annotated[tuple[Literal["query", "key", "value"], ...], *_LIST] = Field(
        default=("key", "value"), min_length=1, description="Projections whose gradients count: query, key, value."
    )
    batch_tokens: int | None = Field(
        default=None, ge=1, description="Most tokens of a batch, with padding; default: what memory and encoder allow."
    )
    precision: Literal["fp32", "bf16"] = Field(
        default="fp32",
        description="Number format of the encoder's passes; bf16 is for GPUs and changes importance by less than 1%.",
    )


class SelectionSettings(Section):
    """`[selection]`: how auxiliaries are chosen and confirmed."""

    strategy: Annotated[str, _registered("strategy", "strategies")] = Field(default="trial", description="A registered strategy.")
    confirm: Literal["ask", "auto"] = Field(
        default="ask", description="Wait for a person to confirm the proposal, or take it as it is."
    )
    predictor: Annotated[str, _registered("predictor", "predictors")] | None = Field(
        default=None, description="The predictor that orders the candidates; default: the strategy's own."
    )
    predictors: Annotated[tuple[Annotated[str, _registered("predictor", "predictors")], ...], *_LIST] = Field(
        default=("tau", "embedding"), description="Predictors to show beside it, whatever orders the candidates."
    )
    margin: float = Field(default=1.0, ge=0, description="A gain that is no gain, in points (hundredths) of the metric.")
    threshold: float | None = Field(
        default=None, ge=-1, le=1, description="Where [selection.NAME] has none: smallest value to select."
    )
    keep: float | None = Field(
        default=None, gt=0, le=1, description="Where [selection.NAME] has none: share of each auxiliary's instances to keep."
    )


class Sections(Section):
    """All of tasks.toml; `tasks` as written, each a `TaskTable`."""

    run: RunSettings = Field(description="A table [run] with at least an encoder.")
    data: DataSettings = DataSettings()
    training: TrainingSettings = TrainingSettings()
    multitask: MultitaskSettings = MultitaskSettings()
    scoring: ScoringSettings = ScoringSettings()
    selection: SelectionSettings = SelectionSettings()
    tasks: dict[str, Any] = Field(default={}, description="A table [tasks.NAME] for each task of one's own.")


class TaskTable(Section):
    """`[tasks.NAME]`: a task of one's own, or a variant of a registered one."""

    base: Annotated[str, _registered("task", "tasks")] | None = Field(
        default=None,
        description="A registered task whose settings hold where none are given here; default: NAME, if registered.",
    )
    type: Annotated[str, _registered("task type", "task_types")] | None = Field(
        default=None, description="A registered task type."
    )
    train: _Files | None = Field(
        default=None,
        description="Train rows: a file, a pattern or a list of files, a table of text files that belong together line by line "
        '(`{text = "a.txt", label = "b.txt"}`), or a Hub data set as "hf:owner/name:split".',
    )
    dev: _Files | None = Field(default=None, description="Development rows, which trials are judged by.")
    test: _Files | None = Field(default=None, description="Test rows, used for the final score alone.")
    text: Annotated[
        tuple[_Filled, ...] | None,
        Field(strict=False),
        BeforeValidator(lambda v: (v,) if isinstance(v, str) else v, json_schema_input_type=str | tuple[str, ...]),
    ] = Field(default=None, description='The column that holds the text, or two for a pair; default: "text".')
    label: Annotated[str | tuple[str, ...] | None, BeforeValidator(_listed), AfterValidator(_names)] = Field(
        default=None,
        description='The column that holds the label, or one of 0 and 1 for each class of a multi_label task; default: "label".',
    )
    separator: _Filled | None = Field(
        default=None,
        description="What stands between classes (or words) where a column holds several in a string; words: default blanks.",
    )
    format: Format | None = Field(
        default=None, description="What the files hold: sentences is a sentence a line, lines a text a line; default: detected."
    )
    delimiter: Annotated[str | None, AfterValidator(_one_character)] = Field(
        default=None, description='Between the columns of CSV, TSV and CoNLL files, such as ";" or "\\t"; default: detected.'
    )
    quoting: Literal["minimal", "none"] | None = Field(
        default=None,
        description="Of CSV and TSV: whether fields may be in quotation marks, or these are text; default: detected.",
    )
    encoding: Annotated[str | None, AfterValidator(_known_encoding)] = Field(
        default=None, description='Of text files, such as "windows-1252"; default: UTF-8, or what a byte order mark says.'
    )
    header: Annotated[tuple[str, ...] | None, *_LIST] = Field(
        default=None, min_length=1, description="The columns of CSV and TSV files without a header, or of CoNLL files."
    )
    labels: Annotated[tuple[_Filled, ...], *_LIST] | None = Field(
        default=None,
        description="All classes, in the order of the model's outputs; default: those of the train rows, sorted.",
    )
    metric: str | None = Field(default=None, description="Main metric, one of the task type's; default: its first.")
    positive: _Filled | None = Field(
        default=None, description="The class that f1 and average_precision are of; default: the last of two."
    )
    scheme: Scheme | None = Field(
        default=None, description="How tags mark spans: IOB1, IOB2, IOBES, BILOU or IO; default: as the tags of the data do."
    )
    strict: bool | None = Field(default=None, description="Count only spans whose tags keep to the scheme; default: false.")
    dev_fraction: float | None = Field(default=None, gt=0, lt=1, description="Share of the train rows to set apart as dev split.")
    group: _Filled | None = Field(
        default=None, description="With dev_fraction: a column whose equal values stay together, such as a document."
    )
    options: dict[str, Any] | None = Field(default=None, description="Arguments for data that a function makes.")
    train_limit: _Limit = Field(default=None, description="Use so many train rows; default: that of [data].")
    dev_limit: _Limit = Field(default=None, description="Use so many dev rows; default: that of [data].")
    test_limit: _Limit = Field(default=None, description="Use so many test rows; default: that of [data].")
