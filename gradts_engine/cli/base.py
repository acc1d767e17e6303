"""What the commands share: the group, options, and printing as a table or as JSON."""

from __future__ import annotations

import json
import math
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gradts_engine.cli.completing import complete_run
from gradts_engine.errors import RunError
from gradts_engine.printing import outliving, printable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gradts_engine.runtime.store import RunFolder, Store

Command = TypeVar("Command", bound=Callable[..., Any])

UNBOUNDED = 100_000
"""Columns of what goes to a file or a pipe, unless COLUMNS says another number: no line is folded."""

store_option = click.option(
    "--store",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="GRADTS_STORE",
    help="Folder that keeps runs and results; default: .gradts beside tasks.toml, or in this folder. Also GRADTS_STORE.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
run_argument = click.argument("run", required=False, shell_complete=complete_run)


class Between(click.FloatRange):
    """A number in a range. NaN is in none, although no comparison says so."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Fails where it is outside."""
        found: float = super().convert(value, param, ctx)
        return self.fail(f"{value} is not a number.", param, ctx) if math.isnan(found) else found


def executor_options(command: Command) -> Command:
    """`--executor` and `--address`: where jobs are computed, in place of what tasks.toml says."""
    command = click.option("--address", metavar="ADDRESS", help="Where the executor finds more machines, in place of [run].")(
        command
    )
    return click.option("--executor", metavar="NAME", help="How jobs are given to devices, in place of [run]; see `executors`.")(
        command
    )


def open_store(folder: Path | None, beside: Path | None = None) -> Store:
    """See `runtime.store.open_store`."""
    from gradts_engine.runtime import store

    return store.open_store(folder, beside)


def names_in(text: str) -> tuple[str, ...]:
    """Names between commas, each once."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",")))


def say(text: str, *, err: bool = False) -> None:
    """Print a line, whatever names and messages it holds."""
    _print(printable(text) + "\n", err=err)


def _print(text: str, *, err: bool = False) -> None:
    """Print; a reader that has gone, as in `| head`, is no error: what a command does is done all the same."""
    with _written():
        click.echo(text, nl=False, err=err)


@contextmanager
def _written() -> Iterator[None]:
    """Within: what is printed to a stream that has gone is lost. Raises `RunError` where a disk is full."""
    try:
        with outliving():
            yield
    except OSError as error:
        with open(os.devnull, "wb") as nowhere:  # what is left in the buffer would fail once more when the program ends
            os.dup2(nowhere.fileno(), 1)
        raise RunError(f"the output cannot be written: {os.strerror(error.errno or 0)}") from None


def show(data: Any, as_json: bool, table: Callable[[], RenderableType]) -> None:
    """Print as JSON (ASCII, controls escaped, data as they are) or as a table."""
    if as_json:
        _print(json.dumps(data, indent=2, allow_nan=False) + "\n")
        return
    from rich.console import Console

    width = None if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit() else UNBOUNDED
    console = Console(markup=False, highlight=False, width=width)
    drawing = table()
    with _written(), console.capture() as drawn:
        console.print(drawing)
    _print(drawn.get())


def show_results(store: Store, folder: RunFolder) -> None:
    """What a run found, and how to see it again."""
    from gradts_engine import report, tables

    found = report.results(store, folder)
    for warning in found.warnings:
        say(f"warning: {warning}", err=True)
    show(None, False, lambda: tables.run_results(found))
    say(f"All results: gradts-engine results {folder.id} --store {shlex.quote(str(store.root))}")


def _print_versions(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from gradts_engine.hooks.catalog import versions

        for name, number in versions().items():
            say(f"{name} {number}")
        context.exit()


SECTIONS = {
    "Begin": ("demo", "init", "data", "settings", "plan"),
    "Run": ("run", "status", "attach", "pause", "resume", "cancel", "logs"),
    "Look and decide": ("results", "confirm", "report", "export", "predict"),
    "What can be named in tasks.toml": ("tasks", "encoders", "predictors", "strategies", "executors", "plugins"),
    "What is kept": ("runs", "trials", "cache"),
    "More": ("study", "import-machamp", "import-mtdnn", "import-pickle", "completion"),
}
"""Commands in the order in which `--help` shows them."""


class Whole(click.Group):
    """A group that shows each of its commands with its whole first sentence."""

    def sections(self) -> Mapping[str, Sequence[str]]:
        """Names of its commands by what they are for."""
        return {"Commands": sorted(self.commands)}

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Part of `--help`."""
        for title, names in self.sections().items():
            with formatter.section(title):
                formatter.write_dl([(name, self.commands[name].get_short_help_str(limit=1000)) for name in names])


class Sections(Whole):
    """The group of all commands."""

    group_class = Whole

    def sections(self) -> Mapping[str, Sequence[str]]:
        return SECTIONS


@click.group(cls=Sections, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_versions,
    help="Versions of engine, torch, transformers and plugins.",
)
def cli() -> None:
    """Which other tasks should I train with?

    Fine-tunes an encoder on each task alone, ranks candidates by the importance of attention heads, tries the best, and trains
    the final model. Everything is kept: the same command again goes on where it stopped.

    \b
      gradts-engine demo                    see it work, on tasks that come with it
      gradts-engine init                    from a folder of data files to a tasks.toml
      gradts-engine run tasks.toml          from a tasks.toml to a trained model
      gradts-engine run tasks.toml --detach leave it to run by itself; gradts-tui shows it
      gradts-engine results                 ranking, trials, choice and gain of the latest run
      gradts-engine confirm                 accept what a run proposes
    """
