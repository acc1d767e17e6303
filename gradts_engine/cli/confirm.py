"""`confirm`: a person's decision on what a run proposes."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gradts_engine.cli.base import Between, cli, names_in, open_store, run_argument, say, store_option
from gradts_engine.cli.engine import order
from gradts_engine.cli.run import named, start_detached
from gradts_engine.errors import UsageError
from gradts_engine.nearest import unknown

if TYPE_CHECKING:
    from gradts_engine.runtime.inbox import Confirm
    from gradts_engine.runtime.store import RunFolder
    from gradts_engine.runtime.view import RunView


@cli.command()
@run_argument
@store_option
@click.option("--primary", help="The primary to decide on; default: all that wait.")
@click.option("--auxiliaries", metavar="A,B,C", help="Train with these instead of the proposed ones.")
@click.option("--alone", is_flag=True, help="Train without auxiliaries.")
@click.option("--keep", type=Between(0, 1, min_open=True), help="Cut each auxiliary to this share, the highest tau first.")
@click.option("--threshold", type=Between(-1, 1), help="Cut each auxiliary to its instances with at least this tau.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--detach", is_flag=True, help="Go on with the run at once, by itself (see run --detach).")
def confirm(
    run: str | None,
    store: Path | None,
    primary: str | None,
    auxiliaries: str | None,
    alone: bool,
    keep: float | None,
    threshold: float | None,
    yes: bool,
    detach: bool,
) -> None:
    """Accept or change what a run proposes.

    The next `gradts-engine run` trains the final models with what was confirmed.

    \b
      gradts-engine confirm
      gradts-engine confirm --primary rte --auxiliaries mrpc,mnli --yes
      gradts-engine confirm --keep 0.25 --detach
    """
    from gradts_engine.runtime.inbox import send

    kept = open_store(store)
    folder = kept.run(run)
    view = folder.view()
    commands = _confirmations(folder, view, primary, auxiliaries, alone, keep, threshold)
    config = Path(view.started.config if view.started else "tasks.toml")
    if not folder.engine():
        _check_unchanged(folder, config)
    for command in commands:
        say(_in_words(command, view))
    if not yes:
        click.confirm("Confirm?", abort=True)
    engine = folder.engine()
    for command in commands:
        order(folder, command) if engine else send(folder.inbox, command)
    if detach and not engine:
        start_detached(config, kept)
    elif not engine:
        say(f"sent to run {folder.id}; go on with: gradts-engine run {shlex.quote(str(config))}{named(store)}")


def _confirmations(
    folder: RunFolder,
    view: RunView,
    primary: str | None,
    auxiliaries: str | None,
    alone: bool,
    keep: float | None,
    threshold: float | None,
) -> list[Confirm]:
    """What is to be sent, one for each primary that is decided on; errors name options that make no sense."""
    from gradts_engine.runtime.inbox import Confirm

    if auxiliaries is not None:
        if alone:
            raise UsageError("--auxiliaries and --alone exclude each other")
        primary = primary or _only(view)
    if (keep is not None) + (threshold is not None) + alone > 1:
        raise UsageError("--keep, --threshold and --alone exclude each other")
    if (keep is not None or threshold is not None) and view.started and "importance" not in view.started.needs:
        raise UsageError(f"run {folder.id} has no tau to cut instances by: add tau to [selection] predictors, and run it again")
    names = () if alone else _candidates(view, primary, auxiliaries) if auxiliaries is not None else None
    return [
        Confirm(primary=p, digest=view.proposals[p].digest, auxiliaries=names, keep=keep, threshold=threshold)
        for p in _to_decide(folder, view, primary)
    ]


def _in_words(command: Confirm, view: RunView) -> str:
    names = view.proposals[command.primary].auxiliaries if command.auxiliaries is None else command.auxiliaries
    cut = f", the {command.keep:.0%} nearest" if command.keep else ""
    if command.threshold is not None:
        cut = f", instances with tau >= {command.threshold}"
    return f"{command.primary}: train with {', '.join(names) or 'no auxiliary'}{cut}"


def _only(view: RunView) -> str | None:
    """The primary that auxiliaries are named for where there is no other."""
    if len(view.proposals) > 1:
        raise UsageError(f"--auxiliaries needs --primary, one of {', '.join(sorted(view.proposals))}")
    return next(iter(view.proposals), None)


def _check_unchanged(folder: RunFolder, config: Path) -> None:
    """Raises `UsageError` where tasks.toml, its data or its encoder are no longer those of the run: no engine would take up its
    proposals again."""
    from gradts_engine.runtime.prepare import current_run

    if (now := current_run(config)) != folder.id:
        raise UsageError(
            f"{config}: changed since run {folder.id} made its proposal (settings, data or encoder); this would be run {now}: "
            f"give `gradts-engine run {shlex.quote(str(config))}` first, or undo the change"
        )


def _candidates(view: RunView, primary: str | None, text: str) -> tuple[str, ...]:
    """The candidates of a primary that are named between commas."""
    tasks = [t for t in view.started.tasks if t != primary] if view.started else []
    names = names_in(text)
    for name in names:
        if name not in tasks:
            raise UsageError(unknown("candidate", name, tasks))
    return names


def _to_decide(folder: RunFolder, view: RunView, primary: str | None) -> list[str]:
    """The primary that was named, or all whose proposal waits."""
    if primary is not None and primary not in view.proposals:
        raise UsageError(f"{unknown('primary', primary, view.proposals)} (a primary with a proposal in run {folder.id})")
    waiting = [primary] if primary else [p for p in view.proposals if not view.confirmed(p)]
    if not waiting:
        raise UsageError(f"run {folder.id} has no proposal that waits for confirmation")
    return waiting
