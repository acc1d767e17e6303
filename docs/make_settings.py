"""Writes docs/settings.md, the reference of tasks.toml, from the records that check it: `python docs/make_settings.py`."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

from gradts_engine.config.schema import Sections, TaskTable
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.settings import Section

INTRO = """\
# Settings

All keys of `tasks.toml`. This page is made from the code by `make docs`; do not edit it.

Only `[run] encoder` must be given. An unknown key, a wrong type or a value out of range is an error with its line, and all errors
of a file are shown at once. Paths are relative to the folder of `tasks.toml`.
"""

RANGES = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


def settings() -> str:
    """The whole page."""
    sections = {name: field.annotation for name, field in Sections.model_fields.items() if name != "tasks"}
    strategies = {f"selection.{name}": spec.settings() for name, spec in load_catalog().strategies.items()}
    strategies = {name: model for name, model in strategies.items() if model.model_fields}
    tables = sections | strategies | {"tasks.NAME": TaskTable}
    return "\n".join([INTRO, *(_section(name, model) for name, model in tables.items())])


def _section(name: str, model: Any) -> str:
    schema = model.model_json_schema()
    required = schema.get("required", [])
    rows = [_row(key, value, required=key in required) for key, value in schema["properties"].items()]
    return "\n".join([f"## [{name}]\n", _about(model), "", "| key | type | default | meaning |", "|---|---|---|---|", *rows, ""])


def _about(model: type[Section]) -> str:
    """The record's docstring without the name of its table, a line a paragraph."""
    text = re.sub(r"^`\[\S+\]`: ", "", inspect.getdoc(model) or "")
    text = re.sub(r"(?<!\n)\n(?!\n)", " ", text)
    return text[0].upper() + text[1:]


def _row(key: str, value: dict[str, Any], *, required: bool) -> str:
    default = value.get("default")
    shown = "required" if required else "" if default is None else f"`{json.dumps(default)}`"
    return f"| `{key}` | {_type(value)} | {shown} | {value['description']} |"


def _type(value: dict[str, Any]) -> str:
    """A JSON schema in words."""
    if "anyOf" in value:
        return " or ".join(_type(option) for option in value["anyOf"] if option.get("type") != "null")
    if "const" in value or "enum" in value:
        return " or ".join(f"`{json.dumps(choice)}`" for choice in value.get("enum", [value.get("const")]))
    if value["type"] == "array":
        return f"list of {_type(value['items'])}"
    ranges = ", ".join(f"{sign} {value[name]}" for name, sign in RANGES.items() if name in value)
    return " ".join(filter(None, [{"object": "table"}.get(value["type"], value["type"]), ranges]))


if __name__ == "__main__":
    Path(__file__).with_name("settings.md").write_text(settings(), encoding="utf-8")
