"""The document's tables become records of the schema, and what is wrong with them becomes problems in our words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gradts_engine.config.file import Key, Problems
from gradts_engine.config.schema import PRESETS, Context, Names, SelectionSettings
from gradts_engine.nearest import did_you_mean, unknown
from gradts_engine.settings import Section

S = TypeVar("S", bound=Section)


def with_preset(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the settings of its preset under its own; a preset that is not one is for the schema to report."""
    run = document.get("run")
    name = run.get("preset") if isinstance(run, dict) else None
    preset = PRESETS.get(name, {}) if isinstance(name, str) else {}
    given = {section: document.get(section, {}) for section in preset}
    return document | {name: {**preset[name], **own} for name, own in given.items() if isinstance(own, dict)}


def validate(model: type[S], value: Any, at: Key, context: Context, problems: Problems) -> S | None:
    """A table as a record; None where it has problems, which are added to `problems` with their keys under `at`."""
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


def without_strategies(document: dict[str, Any], names: Names) -> tuple[dict[str, Any], dict[str, Any]]:
    """The document without the tables `[selection.NAME]` of strategies, and these."""
    selection = document.get("selection")
    if not isinstance(selection, dict):
        return document, {}
    tables = {name: table for name, table in selection.items() if name in names.strategies and isinstance(table, dict)}
    rest = {key: value for key, value in selection.items() if key not in tables}
    return document | {"selection": rest}, tables


def strategy_settings(
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
        settings = validate(model, shared | own, ("selection", name), context, inside)
        problems += [(key, what) for key, what in inside if key[-1] not in shared]  # those are told where they stand
        found = settings if name == chosen else found
    return found
