"""`runs`: put runs away."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gradts_engine.cli.base import cli, open_store, say, store_option
from gradts_engine.cli.completing import complete_run
from gradts_engine.errors import RunError

if TYPE_CHECKING:
    from gradts_engine.runtime.store import RunFolder, Store

names_argument = click.argument("names", metavar="RUN...", nargs=-1, required=True, shell_complete=complete_run)
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


@cli.group()
def runs() -> None:
    """Remove runs, or pack them away, with what only they hold."""


@runs.command("rm")
@names_argument
@click.option("--dry-run", is_flag=True, help="Show what would be removed, and remove nothing.")
@yes_option
@store_option
def remove(names: Sequence[str], dry_run: bool, yes: bool, store: Path | None) -> None:
    """Remove runs: their records, their models, and the stored results that no other run has.

    \b
      gradts-engine runs rm tasks-1a2b3c4d --dry-run
      gradts-engine runs rm tasks-1a2b tasks-5e6f --yes
    """
    from gradts_engine.runtime.cleaning import removable
    from gradts_engine.runtime.shelving import own, remove_runs

    kept = open_store(store)
    folders = _named(kept, names)
    results = own(kept, folders)
    for run in folders:
        models = len(list(run.models.glob("*")))
        try:
            state = run.state()
        except RunError as error:  # one that is damaged can be removed all the same
            state = str(error)
        say(f"{run.id}  {removable(run.path, 'run').size / 1e6:.2f} MB, {state}, {models} models")
    say(f"{len(results)} results that no other run has  {sum(item.size for item in results) / 1e6:.2f} MB")
    if dry_run:
        return
    if not yes:
        click.confirm("Remove them?", abort=True)
    say(f"freed {remove_runs(kept, folders) / 1e6:.2f} MB")


@runs.command("archive")
@names_argument
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write; default: RUN.tar.gz here.")
@click.option("--keep", is_flag=True, help="Leave the runs where they are, too.")
@yes_option
@store_option
def archive(names: Sequence[str], out: Path | None, keep: bool, yes: bool, store: Path | None) -> None:
    """Pack runs into a .tar.gz with all that they need, then remove them.

    `tar -xf RUN.tar.gz -C .gradts` puts them back.

    \b
      gradts-engine runs archive tasks-1a2b3c4d
      gradts-engine runs archive tasks-1a2b tasks-5e6f --out /mnt/tape/june.tar.gz --keep
    """
    from gradts_engine.runtime.shelving import archive, remove_runs

    kept = open_store(store)
    folders = _named(kept, names)
    path = out or Path(f"{folders[0].id}.tar.gz")
    if not (keep or yes):
        click.confirm(f"Pack {', '.join(run.id for run in folders)} into {path} and remove what only they hold?", abort=True)
    archive(kept, folders, path)
    say(f"wrote {path}, {path.stat().st_size / 1e6:.2f} MB")
    if not keep:
        say(f"freed {remove_runs(kept, folders) / 1e6:.2f} MB")


def _named(store: Store, names: Sequence[str]) -> list[RunFolder]:
    """The runs with these names, each once."""
    return list({run.id: run for run in map(store.run, names)}.values())
