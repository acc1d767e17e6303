"""The reference of tasks.toml, from the records that check it: for `gradts-engine settings` and the documentation."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gradts_engine.config.schema import Sections, TaskTable

if TYPE_CHECKING:
    from gradts_engine.contracts import StrategySpec
    from gradts_engine.settings import Section

RANGES = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


@dataclass(frozen=True)
class Setting:
    """A key: its type in words, its default as TOML has it (empty: none), and its line of description."""

    key: str
    type: str
    default: str
    meaning: str


@dataclass(frozen=True)
class Reference:
    """A table of tasks.toml: what it is about, and its keys."""

    name: str
    about: str
    settings: tuple[Setting, ...]


def reference(strategies: Mapping[str, StrategySpec]) -> list[Reference]:
    """All tables, those of the registered strategies among them, in the order in which the documentation has them."""
    sections: dict[str, Any] = {name: field.annotation for name, field in Sections.model_fields.items() if name != "tasks"}
    own = {f"selection.{name}": spec.settings() for name, spec in strategies.items()}
    sections |= {name: model for name, model in own.items() if model.model_fields}
    return [_table(name, model) for name, model in (sections | {"tasks.NAME": TaskTable}).items()]


def _table(name: str, model: type[Section]) -> Reference:
    schema = model.model_json_schema()
    required = schema.get("required", [])
    return Reference(name, _about(model), tuple(_setting(k, v, k in required) for k, v in schema["properties"].items()))


def _about(model: type[Section]) -> str:
    """The record's docstring without the name of its table, a line a paragraph."""
    text = re.sub(r"^`\[\S+\]`: ", "", inspect.getdoc(model) or "")
    text = re.sub(r"(?<!\n)\n(?!\n)", " ", text)
    return text[0].upper() + text[1:]


def _setting(key: str, value: Mapping[str, Any], required: bool) -> Setting:
    default = value.get("default")
    shown = "required" if required else "" if default is None else json.dumps(default)
    return Setting(key, _type(value), shown, value["description"])


def _type(value: Mapping[str, Any]) -> str:
    """A JSON schema in words."""
    if "anyOf" in value:
        return " or ".join(_type(option) for option in value["anyOf"] if option.get("type") != "null")
    if "const" in value or "enum" in value:
        return " or ".join(json.dumps(choice) for choice in value.get("enum", [value.get("const")]))
    if value["type"] == "array":
        return f"list of {_type(value['items'])}"
    ranges = ", ".join(f"{sign} {value[name]}" for name, sign in RANGES.items() if name in value)
    return " ".join(filter(None, [{"object": "table"}.get(value["type"], value["type"]), ranges]))
