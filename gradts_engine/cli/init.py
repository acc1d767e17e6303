"""`init`: from a folder of files to a tasks.toml."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gradts_engine.cli.base import cli, names_in, say, store_option
from gradts_engine.cli.completing import complete_encoder
from gradts_engine.cli.plan import plan
from gradts_engine.errors import UsageError
from gradts_engine.names import DEFAULT_ENCODER

if TYPE_CHECKING:
    from gradts_engine.wizard import Guess

ENCODER = "Encoder (a registered one, a folder, or a name on the Hugging Face Hub)"
BUDGET = ("quick", "normal", "full")


@cli.command()
@click.argument("folder", type=click.Path(file_okay=False, exists=True, path_type=Path), default=Path())
@click.option("--primary", metavar="TASK", help="The task to improve.")
@click.option("--tasks", metavar="A,B,C", help="Use these tasks alone; default: all that are found.")
@click.option("--text", "texts", metavar="TASK=COLUMN", multiple=True, help="The column of the text, or two: TASK=A,B.")
@click.option("--label", "labels", metavar="TASK=COLUMN", multiple=True, help="The column of the label.")
@click.option("--type", "types", metavar="TASK=TYPE", multiple=True, help="The task type.")
@click.option(
    "--encoder",
    shell_complete=complete_encoder,
    help=f"A registered encoder, a folder, or a Hub name; default: {DEFAULT_ENCODER}.",
)
@click.option("--budget", type=click.Choice(BUDGET), help="How much is computed: quick, normal or full.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write; default: tasks.toml in FOLDER.")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@click.option("--plan/--no-plan", "planned", default=True, help="Say what a run would do, for which all data are read.")
@click.option("--yes", is_flag=True, help="Ask nothing: take what is guessed where no option says otherwise.")
@store_option
@click.pass_context
def init(
    context: click.Context,
    folder: Path,
    primary: str | None,
    tasks: str | None,
    texts: Sequence[str],
    labels: Sequence[str],
    types: Sequence[str],
    encoder: str | None,
    budget: str | None,
    out: Path | None,
    force: bool,
    planned: bool,
    yes: bool,
    store: Path | None,
) -> None:
    """Write a tasks.toml for the data files of FOLDER, and show what a run would do.

    Looks at the files (CSV, TSV, JSON lines, Parquet, CoNLL), shows columns and labels, and asks what it cannot know. Files of
    one task are told by their names: reviews/train.csv and reviews/dev.csv, or reviews-train.csv and reviews-dev.csv.

    \b
      gradts-engine init
      gradts-engine init data --primary reviews --budget quick --yes
      gradts-engine init --text reviews=title,body --label reviews=stars --type reviews=regression
    """
    from gradts_engine.wizard import BUDGETS, Answers, write

    path = out or folder / "tasks.toml"
    if path.exists() and not force:
        raise UsageError(f"{path} is there already: choose another --out, or --force to replace it")
    said = {what: _by_task(f"--{what}", given) for what, given in (("text", texts), ("label", labels), ("type", types))}
    ask = not yes and sys.stdin.isatty()
    chosen = _chosen(folder, tasks, said)
    answers = Answers(
        tasks=tuple(replace(task, files=_relative(task.files, folder, path.parent)) for task in chosen),
        primary=_primary([task.name for task in chosen], primary, ask),
        encoder=_encoder(encoder, path.parent, ask),
        budget=budget or (_budget({name: meaning for name, (meaning, _) in BUDGETS.items()}) if ask else "normal"),
    )
    write(answers, path, replace=force)
    say(f"wrote {path}")
    if planned:
        context.invoke(plan, config=path, store=store, as_json=False)
    say(f"next: gradts-engine run {path}")


def _encoder(name: str | None, folder: Path, ask: bool) -> str:
    """One that tasks.toml in `folder` can name; where a person is asked, until it is."""
    from gradts_engine.config.schema.values import Context, find_encoder
    from gradts_engine.hooks.catalog import load_catalog

    context = Context(load_catalog(), folder, ())

    def known(said: str) -> str:
        try:
            find_encoder(said, context)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
        return said

    try:
        return (
            known(name or DEFAULT_ENCODER)
            if name or not ask
            else click.prompt(ENCODER, DEFAULT_ENCODER, err=True, value_proc=known)
        )
    except click.BadParameter as error:
        raise UsageError(error.message) from None


def _budget(meanings: Mapping[str, str]) -> str:
    for name, meaning in meanings.items():
        say(f"  {name}: {meaning}", err=True)
    answer: str = click.prompt("Budget", type=click.Choice(BUDGET), default="normal", err=True)
    return answer


def _by_task(option: str, given: Iterable[str]) -> dict[str, str]:
    """`TASK=VALUE` as a mapping."""
    pairs = [text.partition("=") for text in given]
    if bad := [text for text, equals, value in pairs if not (equals and value)]:
        raise UsageError(f"{option} {bad[0]}: expected TASK=VALUE")
    return {task: value for task, _, value in pairs}


def _chosen(folder: Path, tasks: str | None, said: Mapping[str, Mapping[str, str]]) -> list[Guess]:
    """The tasks to use of those in `folder`, which are shown; errors name what is missing."""
    from gradts_engine.nearest import unknown
    from gradts_engine.wizard import look

    found, problems = look(folder, **said)
    for problem in problems:
        say(f"warning: {problem}", err=True)
    names = [task.name for task in found]
    wanted = names_in(tasks) if tasks is not None else names
    for name in [*wanted, *(task for given in said.values() for task in given)]:
        if name not in names:
            raise UsageError(f"{unknown('task', name, names)} (a task that was found in {folder.absolute()})")
    if len(wanted) < 2:
        has = f"only {', '.join(names)}" if names else "no data files"
        raise UsageError(f"{folder.absolute()} has {has}: expected files of two tasks or more, as in reviews.csv and topics.csv")
    chosen = [task for task in found if task.name in wanted]
    say(f"{len(chosen)} tasks in {folder.absolute()}:")
    for task in chosen:
        say(f"  {task.name}: {task.described}")
    return chosen


def _primary(names: Sequence[str], primary: str | None, ask: bool) -> str:
    from gradts_engine.nearest import unknown

    if primary is None and not ask:
        raise UsageError(f"name the task to improve: --primary {' or '.join(names)}")
    answer: str = primary or click.prompt("Which task is to be improved?", type=click.Choice(list(names)), err=True)
    if answer not in names:
        raise UsageError(unknown("task", answer, names))
    return answer


def _relative(files: Mapping[str, str], folder: Path, parent: Path) -> dict[str, str]:
    """The files as tasks.toml names them: from its own folder."""
    base = parent.absolute()
    paths = {split: (folder / path).absolute() for split, path in files.items()}
    return {split: (p.relative_to(base) if p.is_relative_to(base) else p).as_posix() for split, p in paths.items()}
