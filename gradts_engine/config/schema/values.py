"""What single values of tasks.toml may be, and what their validators look names up in."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from os.path import isdir
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from gradts_engine.contracts import EncoderSpec, ExecutorSpec, PredictorSpec, StrategySpec, TaskSpec, TaskTypeSpec
from gradts_engine.nearest import did_you_mean, unknown

T = TypeVar("T")

HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")


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


def known_encoder(name: str, info: ValidationInfo) -> str:
    """A name that `find_encoder` finds."""
    if info.context:
        find_encoder(name, info.context)
    return name


def registered(kind: str, where: str) -> AfterValidator:
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


def unique(values: tuple[T, ...]) -> tuple[T, ...]:
    """No value twice."""
    if twice := next((value for i, value in enumerate(values) if value in values[:i]), None):
        raise ValueError(f"'{twice}' is named twice")
    return values


# TOML has typed values, so nothing is converted ("3" and true are no integers), except that an array becomes a tuple.
LIST = (Field(strict=False), AfterValidator(unique))
TaskName = Annotated[str, AfterValidator(_known_task)]
Filled = Annotated[str, Field(min_length=1)]
DeviceName = Annotated[str, Field(pattern=r"^(auto|cpu|cuda|cuda:[0-9]{1,3})$")]
Limit = Annotated[int | None, Field(ge=1)]


def one_character(value: str | None) -> str | None:
    """One character that no CSV needs for something else."""
    if value is not None and (len(value) != 1 or value in '\r\n"'):
        raise ValueError(f"got {json.dumps(value)}, expected one character")
    return value


def known_encoding(name: str | None) -> str | None:
    """One that Python can read text in."""
    try:
        known = name is None or codecs.lookup(name)._is_text_encoding
    except (LookupError, ValueError):
        known = False
    if not known:
        raise ValueError(f"unknown encoding '{name}', expected one of Python's, such as utf-8, windows-1252 or shift-jis")
    return name


def listed(value: Any) -> Any:
    """An array as a tuple."""
    return tuple(value) if isinstance(value, list) else value


def names(value: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
    """A column, or several different ones."""
    if value is not None and not all(value if isinstance(value, tuple) else [value]):
        raise ValueError("is empty")
    return unique(value) if isinstance(value, tuple) else value


def _files(value: Any) -> Any:
    """A file, several, or a file for each column."""
    several = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else [value]
    if not all(isinstance(name, str) for name in several):
        raise ValueError('expected a file, a list of files, or a table of text files such as {text = "a.txt", label = "b.txt"}')
    if not several or not all(several):
        raise ValueError("is empty")
    return listed(value)


Files = Annotated[str | tuple[str, ...] | dict[str, str], BeforeValidator(_files)]
