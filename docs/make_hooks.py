"""Writes docs/hooks.md, the reference of the hooks and of what they return, from the code: `python docs/make_hooks.py`."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path
from typing import Any

from gradts_engine import contracts, events
from gradts_engine.hooks import specs

INTRO = """\
# Hooks

What a plugin may implement, and the records that its hooks return. This page is made from the code by `make docs`; do not edit
it. [plugins.md](plugins.md) shows how to write one.

A plugin is a module, named by an entry point in the group `{group}`. It marks its functions with
`from gradts_engine import hookimpl`.
"""

RECORDS = """TaskSpec TaskTypeSpec EncoderSpec HeadSites Projection PredictorSpec Evidence StoredTrial Repeats StrategySpec
Ranking Trials Verdict Auxiliary ExecutorSpec Setup Device""".split()
PROTOCOLS = (
    "TaskType",
    "PlainInputs",
    "OwnInputs",
    "PlainHead",
    "OwnHead",
    "TextAnswers",
    "Predictor",
    "Strategy",
    "Executor",
    "Worker",
    "RemoteWorker",
)


def hooks() -> str:
    """The whole page."""
    found = [value for name, value in vars(specs).items() if name.startswith("gradts_")]
    parts = [INTRO.format(group=specs.GROUP), "## Functions\n", *map(_function, found), "## Records\n"]
    parts += [_record(getattr(contracts, name)) for name in RECORDS]
    parts += ["## What they load\n", *(_protocol(getattr(contracts, name)) for name in PROTOCOLS)]
    parts += ["## Events\n", f"{_text(events)}\n", *map(_record, events.Event.__subclasses__())]
    return "\n".join(parts)


def _function(function: Any) -> str:
    return f"### {function.__name__}\n\n```text\n{function.__name__}{_signature(function)}\n```\n\n{_text(function)}\n"


def _signature(function: Any) -> str:
    signature = re.sub(r"(collections\.abc|gradts_engine(\.\w+)+)\.", "", str(inspect.signature(function)))
    return re.sub(r"'([^']*)'", r"\1", signature)


def _text(thing: Any) -> str:
    return re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.getdoc(thing) or "")


def _record(record: Any) -> str:
    rows = [f"| `{f.name}` | `{_kind(f.type)}` | {_default(f)} |" for f in dataclasses.fields(record)]
    about = "" if (record.__doc__ or "").startswith(f"{record.__name__}(") else f"{_text(record)}\n\n"
    return "\n".join([f"### {record.__name__}\n", f"{about}| field | type | default |", "|---|---|---|", *rows, ""])


def _kind(kind: Any) -> str:
    return str(kind).replace("|", "or")


def _default(field: Any) -> str:
    if field.default_factory is not dataclasses.MISSING:
        return f"`{field.default_factory()!r}`"
    return "" if field.default is dataclasses.MISSING or callable(field.default) else f"`{field.default!r}`"


def _protocol(protocol: Any) -> str:
    own = ((name, value) for name, value in vars(protocol).items() if inspect.isfunction(value))
    public = [(name, value) for name, value in own if not name.startswith("_") or (value.__doc__ is None and name == "__call__")]
    methods = [f"- `{name}{_signature(value)}`  \n  {_text(value)}".rstrip() for name, value in public]
    return "\n".join([f"### {protocol.__name__}\n", f"{_text(protocol)}\n", *methods, ""])


if __name__ == "__main__":
    Path(__file__).with_name("hooks.md").write_text(hooks(), encoding="utf-8")
