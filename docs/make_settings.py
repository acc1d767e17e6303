"""Writes docs/settings.md, the reference of tasks.toml, from the records that check it: `python docs/make_settings.py`."""

from __future__ import annotations

import re
from pathlib import Path

from gradts_engine.config.reference import Reference, Setting, reference
from gradts_engine.hooks.catalog import load_catalog

INTRO = """\
# Settings

All keys of `tasks.toml`. This page is made from the code by `make docs`; do not edit it.

Only `[run] encoder` must be given. An unknown key, a wrong type or a value out of range is an error with its line, and all errors
of a file are shown at once. Paths are relative to the folder of `tasks.toml`.
"""


def settings() -> str:
    """The whole page."""
    return "\n".join([INTRO, *map(_section, reference(load_catalog().strategies))])


def _section(table: Reference) -> str:
    rows = map(_row, table.settings)
    return "\n".join(
        [f"## [{table.name}]\n", table.about, "", "| key | type | default | meaning |", "|---|---|---|---|", *rows, ""]
    )


def _row(setting: Setting) -> str:
    default = f"`{setting.default}`" if setting.default not in ("", "required") else setting.default
    choices = re.sub(r'("[^"]*")', r"`\1`", setting.type)
    return f"| `{setting.key}` | {choices} | {default} | {setting.meaning} |"


if __name__ == "__main__":
    Path(__file__).with_name("settings.md").write_text(settings(), encoding="utf-8")
