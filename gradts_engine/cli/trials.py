"""`trials`: what predictors may learn from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gradts_engine.cli.base import cli, json_option, open_store, say, show, store_option
from gradts_engine.errors import UsageError

if TYPE_CHECKING:
    from gradts_engine.runtime.prepare import Prepared


@cli.group()
def trials() -> None:
    """The trials that a store holds: of all runs, and imported ones. Predictors such as main-effect learn from them.

    Only trials with the same encoder and the same settings of a training (their protocol) tell a run something. Results that
    `gc` removes are no longer known: export them before.
    """


@trials.command("list")
@store_option
@json_option
def list_trials(store: Path | None, as_json: bool) -> None:
    """Show them: best dev score of a primary with auxiliaries, in one repeat.

    \b
      gradts-engine trials list
      gradts-engine trials list --json | jq length
    """
    from gradts_engine import tables
    from gradts_engine.runtime.stored_trials import known, listed
    from gradts_engine.runtime.trial_tables import AND
    from gradts_engine.words import score

    kept = open_store(store)
    found = list(listed(known(kept)))
    rows = [t | {"auxiliaries": AND.join(t["auxiliaries"]) or "(alone)", "score": score(t["score"])} for t in found]
    show(found, as_json, lambda: tables.records(rows) if rows else tables.label(f"no trial in {kept.root}"))


@trials.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@store_option
def export_trials(file: Path, store: Path | None) -> None:
    """Write them to FILE, a CSV with scores in percent: target, source (several as a + b), seed, score, and what they were made
    with.

    \b
      gradts-engine trials export trials.csv
      gradts-engine study replay trials.csv
    """
    from gradts_engine.durable import is_stdout, keep_at, why
    from gradts_engine.runtime.stored_trials import known
    from gradts_engine.runtime.trial_tables import table

    kept = open_store(store)
    found = known(kept)
    if not found:
        raise UsageError(f"no trial in {kept.root}: make some with `gradts-engine run`, or name a store with --store")
    try:
        keep_at(file, lambda path: path.write_text(table(found), encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {why(error)}") from error
    say(f"wrote {len(found)} trials to {file}", err=is_stdout(file))


@trials.command("import")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--like", type=click.Path(path_type=Path), help="The tasks.toml that they were made with, where FILE does not say.")
@store_option
def import_trials(file: Path, like: Path | None, store: Path | None) -> None:
    """Take over the trials of FILE: another store's, a study's, or any CSV with target, source, seed and score.

    Nothing is taken over where a row is wrong. To import a file again changes nothing. Scores are in percent; where FILE was not
    written by `trials export` and has none above 1, they are taken for shares of 1.

    \b
      gradts-engine trials import trials.csv
      gradts-engine trials import pairs.csv --like tasks.toml
    """
    from gradts_engine.runtime.stored_trials import add
    from gradts_engine.runtime.trial_tables import read

    kept = open_store(store, like)
    found = read(file, _prepared(like, kept.root) if like else None)
    new = add(kept, found, file)
    say(f"{new} trials imported into {kept.root}, {len(found) - new} were known")


def _prepared(config: Path, store: Path) -> Prepared:
    """Data, encoder and settings of a tasks.toml."""
    from contextlib import closing

    from gradts_engine.config import load_experiment
    from gradts_engine.hooks.catalog import load_catalog
    from gradts_engine.runtime.prepare import load_executor, prepare

    catalog = load_catalog()
    experiment = load_experiment(config, catalog)
    with closing(load_executor(experiment, catalog, store, lambda record: None)) as executor:
        return prepare(experiment, catalog, executor.devices)
