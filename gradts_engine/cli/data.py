"""`data`: what would be read."""

from __future__ import annotations

from pathlib import Path

import click

from gradts_engine.cli.base import cli, json_option, show
from gradts_engine.errors import UsageError
from gradts_engine.names import DEFAULT_ENCODER


@cli.command()
@click.argument("what", metavar="FILE|TASK")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=Path("tasks.toml"),
    show_default=True,
    help="The file that TASK is looked up in.",
)
@click.option("--text", metavar="COLUMN", help="Of FILE: the column of the text, or two for a pair: A,B; default: guessed.")
@click.option("--label", metavar="COLUMN", help="Of FILE: the column of the label; default: guessed.")
@click.option("--header", metavar="NAMES", help="Of FILE without a header: the names of its columns: A,B,C.")
@click.option("--type", "kind", metavar="TYPE", help="Of FILE: the task type; default: guessed.")
@click.option("--encoder", default=DEFAULT_ENCODER, show_default=True, help="Of FILE: whose tokens are counted.")
@click.option("--max-length", type=click.IntRange(4), help="Of FILE: tokens of the longest input; default: as in tasks.toml.")
@json_option
def data(
    what: str,
    config: Path,
    text: str | None,
    label: str | None,
    header: str | None,
    kind: str | None,
    encoder: str,
    max_length: int | None,
    as_json: bool,
) -> None:
    """Show what would be read of a file, or of a task of tasks.toml.

    How the file is read, columns, rows and classes of each split, lengths and what is cut, duplicates, texts in common with other
    tasks, first rows, warnings, and the table to paste into tasks.toml. A file needs no tasks.toml.

    \b
      gradts-engine data reviews.csv
      gradts-engine data mails.csv --header label,text
      gradts-engine data pairs.tsv --text premise,hypothesis --label gold_label
      gradts-engine data reviews --config tasks.toml --json | jq .classes
    """
    from gradts_engine import tables
    from gradts_engine.hooks.catalog import load_catalog
    from gradts_engine.inspected import inspect_file, inspect_task

    given = {"text": text, "label": label, "type": kind, "header": header}
    catalog, said = load_catalog(), {key: value for key, value in given.items() if value}
    known = what in catalog.tasks or _defined(what, config)
    if Path(what).is_file() or (not known and (Path(what).exists() or "/" in what or "." in what)):
        found = inspect_file(Path(what), catalog, said, encoder, max_length)
    elif said:
        raise UsageError(f"'{what}' is a task, whose {', '.join(said)} {config} says; the options are for files")
    else:
        found = inspect_task(what, config, catalog)
    show(found, as_json, lambda: tables.data_found(found))


def _defined(name: str, config: Path) -> bool:
    """Whether a name that looks like a file's is one of tasks.toml."""
    return config.exists() and f"[tasks.{name}]" in config.read_text(encoding="utf-8", errors="replace")
