"""`run` and `confirm`: the commands that make something happen."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from gradts_engine.cli.base import cli, open_store, run_argument, say, show, store_option, versions
from gradts_engine.errors import Interrupted, UsageError
from gradts_engine.nearest import printable

if TYPE_CHECKING:
    from gradts_engine.console import Display
    from gradts_engine.runtime.store import RunFolder, Store


@cli.command()
@click.argument("config", type=click.Path(path_type=Path), default=Path("tasks.toml"))
@store_option
@click.option("--yes", is_flag=True, help="Accept every proposal without asking.")
@click.option("--plain", is_flag=True, help="Lines instead of progress bars (as when piped).")
def run(config: Path, store: Path | None, yes: bool, plain: bool) -> None:
    """Run a tasks.toml, or go on with it.

    \b
      gradts-engine run tasks.toml
      gradts-engine run tasks.toml --yes --plain > log 2>&1

    What was finished before is found and not computed again. Ctrl+C ends the run after the present step. Where tasks.toml says
    confirm = "ask" and nobody is at the terminal, it ends with exit code 3 once there is something to confirm.
    """
    from gradts_engine.config import load_experiment
    from gradts_engine.console import Display
    from gradts_engine.hooks.catalog import load_catalog, observers

    catalog = load_catalog()
    for plugin in catalog.plugins:
        if plugin.error:
            say(f"warning: plugin {plugin.name} is not in use: {plugin.error}", err=True)
    experiment = load_experiment(config, catalog)
    kept = open_store(store, config)
    stop = threading.Event()
    with Display(plain) as display:
        signal.signal(signal.SIGINT, _interrupter(stop, display, f"{shlex.quote(str(config))}{_named(store)}"))
        display.say(f"reading {len(experiment.tasks)} tasks and loading {experiment.encoder.name}")
        from gradts_engine.runtime.pipeline import Options, run_experiment

        options = Options(
            listeners=(display, *observers(catalog)),
            ask=lambda folder, primary: _ask(kept, folder, primary, display),
            accept=yes,
            stop=stop,
            versions=versions(),
        )
        folder = run_experiment(experiment, catalog, kept, options)
    from gradts_engine import report, tables

    found = report.results(kept, folder)
    show(found, False, lambda: tables.run_results(found))
    say(f"All results: gradts-engine results {folder.id} --store {shlex.quote(str(kept.root))}")


def _named(store: Path | None) -> str:
    """The option that leads to the same store again."""
    return f" --store {shlex.quote(str(store))}" if store else ""


def _interrupter(stop: threading.Event, display: Display, arguments: str) -> Callable[[int, FrameType | None], None]:
    def interrupt(number: int, frame: FrameType | None) -> None:
        if display.asking:
            raise KeyboardInterrupt
        if stop.is_set():
            os._exit(130)
        stop.set()
        display.say(
            "stopping after this step (Ctrl+C again: at once); finished stages are kept, "
            f"go on with: gradts-engine run {arguments}"
        )

    return interrupt


def _ask(store: Store, folder: RunFolder, primary: str, display: Display) -> Sequence[str] | None:
    """Show a proposal to whoever is at the terminal and take the decision; None where nobody is."""
    if not (sys.stdin.isatty() and display.console.is_terminal):
        return None
    from gradts_engine import report, tables

    everything = report.results(store, folder)
    found = everything["primaries"][primary]
    proposed = [a["task"] for a in found["proposed"]]
    candidates = [r["task"] for r in found["ranking"]]
    question = f"Train {primary} as proposed? [y]es, [a]lone, [l]ater, or auxiliaries by name (a,b,c)"
    with display.suspended() as console:
        console.print(tables.primary_results(primary, found, everything["settings"]))
        while True:
            try:
                answer = click.prompt(question, default="y", err=True).strip()
            except click.Abort:
                raise Interrupted("interrupted; the proposal is kept") from None
            if answer.lower() in ("y", "yes", "l", "later", "a", "alone"):
                return {"y": proposed, "a": [], "l": None}[answer[0].lower()]
            names = _names(answer)
            if all(name in candidates for name in names):
                return names
            console.print(printable(f"candidates are: {', '.join(candidates)}"), style="yellow")


def _names(text: str) -> list[str]:
    """Names between commas, each once."""
    return list(dict.fromkeys(name.strip() for name in text.split(",")))


@cli.command()
@run_argument
@store_option
@click.option("--primary", help="The primary to decide on; default: all that wait.")
@click.option("--auxiliaries", metavar="A,B,C", help="Train with these instead of the proposed ones.")
@click.option("--alone", is_flag=True, help="Train without auxiliaries.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def confirm(run: str | None, store: Path | None, primary: str | None, auxiliaries: str | None, alone: bool, yes: bool) -> None:
    """Accept or change what a run proposes.

    The next `gradts-engine run` trains the final models with what was confirmed.

    \b
      gradts-engine confirm
      gradts-engine confirm --primary rte --auxiliaries mrpc,mnli --yes
    """
    from gradts_engine.nearest import unknown
    from gradts_engine.runtime.inbox import send_confirm

    folder = open_store(store).run(run)
    view = folder.view()
    waiting = [p for p in view.proposals if not view.confirmed(p)]
    if primary is not None and primary not in view.proposals:
        raise UsageError(f"{unknown('primary', primary, view.proposals)} (a primary with a proposal in run {folder.id})")
    if auxiliaries is not None and (alone or primary is None):
        raise UsageError("--auxiliaries needs --primary and excludes --alone")
    chosen = [primary] if primary else waiting
    if not chosen:
        raise UsageError(f"run {folder.id} has no proposal that waits for confirmation")
    names = [] if alone else _names(auxiliaries) if auxiliaries is not None else None
    tasks = view.started.tasks if view.started else ()
    for name in names or ():
        if name not in tasks or name == primary:
            raise UsageError(unknown("candidate", name, [t for t in tasks if t != primary]))
    for p in chosen:
        selection = list(view.proposals[p].auxiliaries) if names is None else names
        say(f"{p}: train with {', '.join(selection) or 'no auxiliary'}")
    if not yes:
        click.confirm("Confirm?", abort=True)
    for p in chosen:
        send_confirm(folder.inbox, p, view.proposals[p].digest, names)
    config = view.started.config if view.started else "tasks.toml"
    say(f"sent to run {folder.id}; go on with: gradts-engine run {shlex.quote(config)}{_named(store)}")
