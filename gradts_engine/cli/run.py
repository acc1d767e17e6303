"""`run`: an experiment, here or in a process of its own."""

from __future__ import annotations

import json
import os
import select
import shlex
import termios
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gradts_engine.cli.base import cli, executor_options, names_in, open_store, say, show_results, store_option
from gradts_engine.errors import GradTSError
from gradts_engine.printing import let_go, printable

if TYPE_CHECKING:
    from gradts_engine.console import Console, Display
    from gradts_engine.events import Event
    from gradts_engine.runtime.listening import Listener
    from gradts_engine.runtime.store import RunFolder, Store


@cli.command()
@click.argument("config", type=click.Path(path_type=Path), default=Path("tasks.toml"))
@store_option
@executor_options
@click.option("--yes", is_flag=True, help="Accept every proposal without asking.")
@click.option("--plain", is_flag=True, help="Lines instead of progress bars (as when piped).")
@click.option("--detach", is_flag=True, help="Leave it to run by itself, and print its id as a line of JSON once it has begun.")
@click.option("--announce", type=int, hidden=True, help="File descriptor that a detached engine reports to.")
def run(
    config: Path,
    store: Path | None,
    yes: bool,
    plain: bool,
    detach: bool,
    announce: int | None,
    executor: str | None = None,
    address: str | None = None,
) -> None:
    """Run a tasks.toml, or go on with it.

    \b
      gradts-engine run tasks.toml
      gradts-engine run tasks.toml --yes --plain > log 2>&1
      gradts-engine run tasks.toml --detach        then: status, attach, pause, resume, cancel
      gradts-engine run tasks.toml --executor ray --address 10.0.0.1:6379 --store /shared/gradts

    What was finished before is found and not computed again. Ctrl+C ends the run after the present step. Where tasks.toml says
    confirm = "ask" and nobody is at the terminal, it ends with exit code 3 once there is something to confirm.
    """
    if detach:
        start_detached(config, open_store(store, config), accept=yes, where=(executor, address))
    elif announce is None:
        _run(config, store, yes, plain, where=(executor, address))
    else:
        from gradts_engine.runtime.detach import Announcer

        announcer = Announcer(announce, open_store(store, config))
        try:
            _run(config, store, yes, plain, announcer, where=(executor, address))
        except GradTSError as error:
            if not announcer.failed(error):
                raise
            raise click.exceptions.Exit(error.exit_code) from None


Where = tuple[str | None, str | None]
"""An executor and an address, as they are given in place of those of tasks.toml."""


def _run(
    config: Path,
    store: Path | None,
    yes: bool,
    plain: bool,
    announce: Listener = lambda event: None,
    where: Where = (None, None),
) -> None:
    """Run in this process, and print the results."""
    from gradts_engine.config import load_experiment
    from gradts_engine.hooks.catalog import load_catalog, observers, versions

    catalog = load_catalog()
    for plugin in catalog.plugins:
        if plugin.error:
            say(f"warning: plugin {plugin.name} is not in use: {plugin.error}", err=True)
    experiment = load_experiment(config, catalog).on(*where, catalog)

    # From here on there is something to run, and what that needs takes its time to import.
    from gradts_engine.cli.signals import Signals
    from gradts_engine.console import Display
    from gradts_engine.runtime.control import Control
    from gradts_engine.runtime.notify import Notify

    kept = open_store(store, config)
    again = f"gradts-engine run {shlex.quote(str(config))}{named(store)}"
    control = Control()
    with Display(plain) as display, Signals(control, display, again):
        display.say(f"reading {len(experiment.tasks)} tasks and loading {experiment.encoder.name}")
        from gradts_engine.runtime.pipeline import Options, run_experiment

        def show(event: Event) -> None:
            announce(event)  # first: where it announces the run, all that is printed from then on goes into the run's log
            display(event)

        options = Options(
            listeners=(show, *observers(catalog), *([Notify(experiment.run.notify)] if experiment.run.notify else [])),
            ask=lambda folder, primary, settled: _ask(kept, folder, primary, display, settled),
            accept=yes,
            control=control,
            versions=versions(),
        )
        folder = run_experiment(experiment, catalog, kept, options)
    show_results(kept, folder)


def start_detached(config: Path, store: Store, accept: bool = False, where: Where = (None, None)) -> None:
    """Start an engine, show what it says until it has begun, and print where it is as a line of JSON."""
    from gradts_engine.runtime.detach import launch

    executor, address = where
    options = [*(["--yes"] if accept else []), *(["--executor", executor] if executor is not None else [])]
    options += ["--address", address] if address is not None else []
    launched = launch(config, store.root, options=options, say=lambda line: say(line, err=True))
    say(json.dumps({name: value if isinstance(value, int) else str(value) for name, value in vars(launched).items()}))


def named(store: Path | None) -> str:
    """The option that leads to the same store again."""
    return f" --store {shlex.quote(str(store))}" if store else ""


LOOK = 0.2
"""Seconds between two looks at whether a question still stands."""


def _attended() -> bool:
    """Whether somebody is at the terminal and types for us: to read in its background would suspend all that is computed."""
    try:
        return os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp()
    except OSError:  # it is gone, or another session's
        return False


def _ask(store: Store, folder: RunFolder, primary: str, display: Display, settled: Callable[[], bool]) -> Sequence[str] | None:
    """Show a proposal to whoever is at the terminal and take the decision; None where nobody is, any more, or it is for later, or
    `settled` otherwise."""
    if not (_attended() and display.console.is_terminal):
        return None
    from gradts_engine import report, tables

    everything = report.results(store, folder)
    found = everything.primaries[primary]
    proposed = [a.task for a in found.proposed or ()]
    candidates = [r.task for r in found.ranking]
    question = f"Train {primary} as proposed? [y]es, [a]lone, [l]ater, or auxiliaries by name (a,b,c) [y]: "
    try:
        with display.suspended() as console:
            console.print(tables.primary_results(primary, found, everything.settings))
            while (answer := _answer(console, question, settled)) is not None:
                if answer.lower() in ("y", "yes", "l", "later", "a", "alone"):
                    return {"y": proposed, "a": [], "l": None}[answer[0].lower()]
                names = names_in(answer)
                if all(name in candidates for name in names):
                    return names
                console.print(printable(f"candidates are: {', '.join(candidates)}"), style="yellow")
    except OSError:
        if not let_go() and _attended():  # it is not that the terminal has gone
            raise
    return None


def _answer(console: Console, question: str, settled: Callable[[], bool]) -> str | None:
    """The line that is typed, `y` for an empty one; None for Ctrl+D, and where nobody types it or needs to."""
    console.print(printable(question), end="")
    typed = b""
    while not typed.endswith(b"\n"):
        attended = _attended()
        if settled() or not attended:
            if attended:
                with suppress(termios.error):  # half a line is no answer to what is asked next
                    termios.tcflush(0, termios.TCIFLUSH)
            console.print()
            return None
        if select.select([0], [], [], LOOK)[0]:
            more = os.read(0, 1 << 16)  # a line at most, as terminals give them
            if not more:
                console.print()
                return None
            typed += more
    return typed.decode(errors="replace").strip() or "y"
