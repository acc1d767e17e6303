"""`settings`: what tasks.toml may say."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from gradts_engine.cli.base import cli, json_option, show
from gradts_engine.errors import UsageError
from gradts_engine.nearest import unknown

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gradts_engine.config.reference import Reference


@cli.command()
@click.argument("section", required=False)
@json_option
def settings(section: str | None, as_json: bool) -> None:
    """List what tasks.toml may say: every key, its type, default and meaning, or those of one SECTION.

    \b
      gradts-engine settings
      gradts-engine settings training
      gradts-engine settings tasks.NAME
    """
    from gradts_engine.config.reference import reference
    from gradts_engine.hooks.catalog import load_catalog

    tables = {table.name: table for table in reference(load_catalog().strategies)}
    wanted = (section or "").strip("[]")
    if wanted and wanted not in tables:
        raise UsageError(unknown("section", wanted, tables))
    chosen = [table for name, table in tables.items() if wanted in ("", name)]
    show([asdict(table) for table in chosen], as_json, lambda: _drawn(chosen))


def _drawn(chosen: list[Reference]) -> RenderableType:
    from rich.console import Group

    from gradts_engine import tables

    parts: list[RenderableType] = []
    for table in chosen:
        rows = [{"key": s.key, "default": s.default, "type": s.type, "meaning": s.meaning} for s in table.settings]
        parts += [tables.label(f"[{table.name}]", "bold"), tables.label(table.about), tables.records(rows)]
    return Group(*parts)
