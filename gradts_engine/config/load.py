"""tasks.toml -> a frozen `Experiment`, or all problems of the file at once: line, key, what is wrong, what is expected."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import tomli
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gradts_engine.config.lines import LineFinder
from gradts_engine.config.schema import (
    PRESETS,
    Context,
    DataSettings,
    MultitaskSettings,
    Names,
    RunSettings,
    ScoringSettings,
    Sections,
    SelectionSettings,
    TaskTable,
    TrainingSettings,
    find_encoder,
)
from gradts_engine.contracts import Dialect, EncoderSpec, Parallel, Source, TaskSpec
from gradts_engine.errors import ProblemsError, UsageError
from gradts_engine.names import RULE, is_name
from gradts_engine.nearest import did_you_mean, unknown
from gradts_engine.printing import printable
from gradts_engine.settings import Section

MAX_BYTES = 2**20
"""Largest tasks.toml: 1 MiB. Whatever is larger is data, given as the wrong file."""

MAX_TASKS = 1000
MAX_PROBLEMS = 100
"""Problems that are shown; the others are counted."""

MAX_DEPTH = 32
"""Levels of tables and arrays in each other; settings need five."""

SPLITS = ("train", "dev", "test")
DIALECT = tuple(field.name for field in fields(Dialect))

Key = tuple[str | int, ...]
Problems = list[tuple[Key, str]]
"""Key path and what is wrong with it."""

S = TypeVar("S", bound=Section)


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A checked tasks.toml. `tasks` holds every task that takes part, in order; `limits[task][split]` how many of its
    rows to use (None: all). Files named in tasks.toml have become absolute paths."""

    path: Path
    run: RunSettings
    data: DataSettings
    training: TrainingSettings
    multitask: MultitaskSettings
    scoring: ScoringSettings
    selection: SelectionSettings
    strategy: Section
    """What `[selection.NAME]` says of the chosen strategy."""
    encoder: EncoderSpec
    tasks: Mapping[str, TaskSpec]
    limits: Mapping[str, Mapping[str, int | None]]
    primaries: tuple[str, ...]

    def candidates(self, primary: str) -> tuple[str, ...]:
        """The tasks that may help `primary`: all others, in order."""
        return tuple(name for name in self.tasks if name != primary)


def load_experiment(path: str | Path, names: Names) -> Experiment:
    """Read and check tasks.toml against what the catalog `names` knows.

    Raises UsageError if the file cannot be read or is not TOML, and ProblemsError with all problems of its content.
    """
    path = Path(path)
    text = _read(path)
    document = _with_preset(_parse(path, text))
    tables = document.get("tasks")
    tables = tables if isinstance(tables, dict) else {}
    if len(tables) > MAX_TASKS:
        raise UsageError(f"{path}: {len(tables)} tables [tasks.NAME], expected at most {MAX_TASKS}")
    context = Context(names, path.parent, defined=tuple(tables))

    problems: Problems = []
    document, strategies = _without_strategies(document, names)
    strategy = _strategy_settings(document, strategies, context, problems)
    sections = _validate(Sections, document, (), context, problems)
    checked = {name: _validate(TaskTable, table, ("tasks", name), context, problems) for name, table in tables.items()}
    specs: dict[str, TaskSpec] = {}
    for name, table in checked.items():
        if table and (spec := _resolve_task(name, table, context, problems)):
            specs[name] = spec
    if sections:
        for i, name in enumerate(sections.run.tasks):
            if name not in tables:
                specs[name] = names.tasks[name]
                _check_task(specs[name], ("run", "tasks", i), names, problems)
        order = tuple(dict.fromkeys([*sections.run.tasks, *tables]))
        if len(order) < 2:
            problems.append((("run", "tasks"), f"{len(order)} in use, expected at least 2: a primary and a candidate"))
    if problems or not sections or not strategy:
        raise ProblemsError(_lines(path, text, problems))
    return Experiment(
        path=path,
        run=sections.run,
        data=sections.data,
        training=sections.training,
        multitask=sections.multitask,
        scoring=sections.scoring,
        selection=sections.selection,
        strategy=strategy,
        encoder=find_encoder(sections.run.encoder, context),
        tasks={name: specs[name] for name in order},
        limits={name: _limits(sections.data, checked.get(name)) for name in order},
        primaries=sections.run.primary or order,
    )


# --- the file --------------------------------------------------------------------------------------------------------


def _read(path: Path) -> str:
    try:
        if path.is_dir():
            raise UsageError(f"{path}: is a folder, expected a TOML file such as {path / 'tasks.toml'}")
        if path.exists() and not path.is_file():
            raise UsageError(f"{path}: is not a regular file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        near = did_you_mean(path.name, (p.name for p in path.parent.glob("*.toml")))
        raise UsageError(f"{path}: no such file{near}") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(content) > MAX_BYTES:
        raise UsageError(f"{path}: is larger than 1 MiB, expected a TOML file with settings")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}:{line}: is not UTF-8, expected a TOML file saved as UTF-8") from None


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        document = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise UsageError(f"{path}:{error.lineno}: not valid TOML: {error.msg} (column {error.colno})") from None
    except (ValueError, RecursionError) as error:  # integers of thousands of digits, nesting without end
        raise UsageError(f"{path}: not valid TOML: {error}") from None
    if _deeper_than(document, MAX_DEPTH):
        raise UsageError(f"{path}: tables or arrays are nested deeper than {MAX_DEPTH} levels, expected settings")
    return document


def _deeper_than(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(levels == 0 or _deeper_than(item, levels - 1) for item in inner)


def _with_preset(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the settings of its preset under its own; a preset that is not one is for the schema to report."""
    run = document.get("run")
    name = run.get("preset") if isinstance(run, dict) else None
    preset = PRESETS.get(name, {}) if isinstance(name, str) else {}
    given = {section: document.get(section, {}) for section in preset}
    return document | {name: {**preset[name], **own} for name, own in given.items() if isinstance(own, dict)}


def _lines(path: Path, text: str, problems: Problems) -> list[str]:
    """Problems as `FILE:LINE: key.path: what is wrong`, in the order of the file."""
    find = LineFinder(text)
    located = sorted((find(key), _dotted(key), what) for key, what in problems)
    lines = [printable(f"{path}:{line}: {key}: {what}") for line, key, what in located[:MAX_PROBLEMS]]
    return [*lines, f"{path}: {len(located) - MAX_PROBLEMS} more problems"] if located[MAX_PROBLEMS:] else lines


def _dotted(key: Key) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key).removeprefix(".")


# --- sections --------------------------------------------------------------------------------------------------------


def _validate(model: type[S], value: Any, at: Key, context: Context, problems: Problems) -> S | None:
    try:
        return model.model_validate(value, context=context)
    except ValidationError as error:
        problems.extend(((*at, *details["loc"]), _explain(model, details)) for details in error.errors())
        return None


def _explain(model: type[Section], error: ErrorDetails) -> str:
    """What pydantic found, in our words."""
    key = str(error["loc"][-1]) if error["loc"] else ""
    got = json.dumps(error["input"], default=str, ensure_ascii=False)[:60]
    fields = _fields(model, error["loc"][:-1])
    match error["type"]:
        case "missing":
            return f"is missing, expected: {fields[key].description}"
        case "extra_forbidden":
            return unknown("key", key, fields)
        case "value_error":
            return str(error["ctx"]["error"])
        case "model_type" | "dict_type":
            return f"got {got}, should be a table"
        case "too_short" | "string_too_short":
            return "is empty"
        case "string_pattern_mismatch":
            return f"got {got}, expected auto, cpu, cuda or cuda:N"
        case "literal_error":
            allowed = error["ctx"]["expected"]
            hint = did_you_mean(str(error["input"]), re.findall(r"'(.+?)'", allowed))
            return f"got {got}, expected {allowed}{hint}"
    return f"got {got}, {error['msg'].replace('Input should', 'should').replace('valid tuple', 'list')}"


def _fields(model: type[Section], key: Key) -> Mapping[str, Any]:
    """The fields of the section at `key`, itself a field of `model`."""
    for part in key:
        model = model.model_fields[str(part)].annotation  # type: ignore[assignment]  # looked at in the next line
        if not (isinstance(model, type) and issubclass(model, Section)):
            return {}
    return model.model_fields


def _without_strategies(document: dict[str, Any], names: Names) -> tuple[dict[str, Any], dict[str, Any]]:
    """The document without the tables `[selection.NAME]` of strategies, and these."""
    selection = document.get("selection")
    if not isinstance(selection, dict):
        return document, {}
    tables = {name: table for name, table in selection.items() if name in names.strategies and isinstance(table, dict)}
    rest = {key: value for key, value in selection.items() if key not in tables}
    return document | {"selection": rest}, tables


def _strategy_settings(
    document: dict[str, Any], tables: Mapping[str, Any], context: Context, problems: Problems
) -> Section | None:
    """Settings of the chosen strategy: its own table, over the keys of [selection] that mean the same to several strategies. The
    tables of other strategies are checked too."""
    selection = document.get("selection", {})
    selection = selection if isinstance(selection, dict) else {}
    chosen = str(selection.get("strategy", SelectionSettings().strategy))
    found = None
    for name in dict.fromkeys([*tables, *([chosen] if chosen in context.names.strategies else [])]):
        model, own = context.names.strategies[name].settings(), tables.get(name, {})
        shared = {key: selection[key] for key in ("threshold", "keep") if name == chosen and key in selection}
        shared = {key: value for key, value in shared.items() if key in model.model_fields and key not in own}
        inside: Problems = []
        settings = _validate(model, shared | own, ("selection", name), context, inside)
        problems += [(key, what) for key, what in inside if key[-1] not in shared]  # those are told where they stand
        found = settings if name == chosen else found
    return found


# --- tasks -----------------------------------------------------------------------------------------------------------


def _resolve_task(name: str, table: TaskTable, context: Context, problems: Problems) -> TaskSpec | None:
    """The task that a `[tasks.NAME]` table defines; fields that it does not give come from its base."""
    at = ("tasks", name)
    if not is_name(name):
        problems.append((at, f"not a task name, expected {RULE}"))
    registered, inherited = context.names.tasks, table.base or name
    base = registered.get(inherited)
    given = {key: value for key in table.model_fields_set if (value := getattr(table, key)) is not None}
    given = {key: value for key, value in given.items() if key != "base" and not key.endswith("_limit")}
    for split in SPLITS:
        if split in given:
            given[split] = _absolute(given[split], context.folder)
    dialect = {key: given.pop(key) for key in DIALECT if key in given}
    if isinstance(given.get("label"), tuple):
        indicators = given.pop("label")
        given |= {"indicators": indicators, "labels": given.get("labels", indicators)}
    elif "label" in given:
        given["indicators"] = ()
    if base is None and (missing := [key for key in ("type", "train") if key not in given]):
        problems.append((at, f"no {' and no '.join(missing)}, and no base = a registered task to take it from"))
        return None
    for key in ("dev_fraction", "group"):
        if "dev" in given and key in given:
            problems.append(((*at, key), "dev is given too, expected one of the two"))
    if base and "dev" in given:
        base = replace(base, dev_fraction=None, group=None)
    elif base and "dev_fraction" in given:
        base = replace(base, dev=None)
    spec = replace(base, name=name, **given) if base else TaskSpec(name=name, **given)
    if dialect:
        spec = replace(spec, dialect=replace(spec.dialect, **dialect))
    if table.options and not any(callable(getattr(spec, split)) for split in SPLITS):
        problems.append(((*at, "options"), "only data made by a function have options, but these are read from files"))
    _check_task(spec, at, context.names, problems)
    return spec


def _absolute(source: str | tuple[str, ...] | dict[str, str], folder: Path) -> Source:
    if isinstance(source, dict):
        return Parallel(tuple((column, str((folder / file).absolute())) for column, file in source.items()))
    if isinstance(source, tuple):
        return tuple(str((folder / file).absolute()) for file in source)
    return source if source.startswith("hf:") else str((folder / source).absolute())


def _check_task(spec: TaskSpec, at: Key, names: Names, problems: Problems) -> None:
    """The relations between a task's fields; `at` is the key that brought the task in."""

    def key(field: str) -> Key:
        return (*at, field) if at[0] == "tasks" else at

    if spec.dev is None and spec.dev_fraction is None:
        problems.append((at, 'no dev split: give dev = "FILE" or dev_fraction = 0.1'))
    if spec.type not in names.task_types:
        problems.append((key("type"), unknown("task type", spec.type, names.task_types)))
        return
    task_type = names.task_types[spec.type]
    if spec.indicators and spec.type != "multi_label":
        problems.append((key("label"), f"{len(spec.indicators)} columns, which only type 'multi_label' may have"))
    columns = 1 if isinstance(spec.text, str) else len(spec.text)
    if columns not in task_type.texts:
        allowed = " or ".join(map(str, task_type.texts))
        problems.append((key("text"), f"{columns} columns, expected {allowed} for type '{spec.type}'"))
    if spec.metric is not None and spec.metric not in task_type.metrics:
        problems.append((key("metric"), unknown(f"{spec.type} metric", spec.metric, task_type.metrics)))


def _limits(data: DataSettings, table: TaskTable | None) -> dict[str, int | None]:
    """The largest number of rows of each split: the task's own, or else that of [data]."""

    def limit(split: str) -> int | None:
        own: int | None = getattr(table, f"{split}_limit", None)
        return own or getattr(data, f"{split}_limit")

    return {split: limit(split) for split in SPLITS}
