"""`demo`: the default run."""

from __future__ import annotations

from pathlib import Path

import click

from gradts_engine.cli.base import cli, say, store_option
from gradts_engine.cli.run import run
from gradts_engine.errors import UsageError

PLUGINS = ("gradts-minilm", "gradts-planted")
"""Distributions that the default run needs."""


@cli.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=Path("gradts-demo"))
@click.option("--plain", is_flag=True, help="Lines instead of progress bars (as when piped).")
@store_option
@click.pass_context
def demo(context: click.Context, folder: Path, plain: bool, store: Path | None) -> None:
    """Write the default tasks.toml into FOLDER and run it.

    Ranks six generated tasks, of which it is known which help, for a seventh: three to ten minutes on two
    CPU cores, and no network.

    \b
      gradts-engine demo
      gradts-engine demo /tmp/first-look --plain
    """
    from importlib.metadata import PackageNotFoundError, version

    from gradts_engine.demo import write_demo

    for name in PLUGINS:
        try:
            version(name)
        except PackageNotFoundError:
            raise UsageError(f"the demo needs the plugin {name}: pip install {' '.join(PLUGINS)}") from None
    path = write_demo(folder)
    say(f"{path}: which of six generated tasks help a seventh? This takes three to ten minutes on two cores.", err=True)
    say("Ctrl+C stops it, and the same command goes on. After a change of the file only what it touches is computed.", err=True)
    context.invoke(run, config=path, store=store, yes=False, plain=plain, detach=False, announce=None)
