"""`attach`, `pause`, `resume` and `cancel`: commands about an engine that runs elsewhere."""

from __future__ import annotations

import shlex
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gradts_engine.cli.base import cli, open_store, run_argument, say, show_results, store_option
from gradts_engine.errors import Cancelled, GradTSError, Interrupted, RunError, UsageError, WaitingForConfirmation

if TYPE_CHECKING:
    from gradts_engine.events import RunEnded
    from gradts_engine.runtime.inbox import AnyCommand
    from gradts_engine.runtime.store import RunFolder, Store

INTERVAL = 0.25
"""Seconds between two looks at a run's events."""
PATIENCE = 30.0
"""Seconds to wait for an engine's answer to a command."""


@cli.command()
@run_argument
@store_option
@click.option("--plain", is_flag=True, help="Lines instead of progress bars (as when piped).")
def attach(run: str | None, store: Path | None, plain: bool) -> None:
    """Follow a running engine, as `run` would show it.

    Ctrl+C leaves it, and the engine goes on. The exit code is that of the run if it ends meanwhile. Without a name: the run
    with an engine, or else the latest; of a run without an engine, it shows how the last one ended. It says so when an engine
    gives no sign of life, and goes on waiting.
    """
    kept = open_store(store)
    running = [folder for folder in kept.runs() if folder.engine()] if run is None else []
    folder = running[0] if len(running) == 1 else kept.run(run)
    try:
        ended = _follow(folder, plain)
    except KeyboardInterrupt:
        say(
            f"left; the run goes on, stop it with: gradts-engine cancel {folder.id} --store {shlex.quote(str(kept.root))}",
            err=True,
        )
        return
    if ended.state == "done":
        show_results(kept, folder)
    else:
        raise _as_error(folder, ended)


def _follow(folder: RunFolder, plain: bool) -> RunEnded:
    """Draw the events of the latest engine until its end."""
    from gradts_engine import events
    from gradts_engine.console import Display
    from gradts_engine.runtime.journal import read_events
    from gradts_engine.runtime.lock import SILENT

    news = [(seq, event) for seq, _, event in read_events(folder.events)]
    last_start = max((i for i, (_, event) in enumerate(news) if isinstance(event, events.RunStarted)), default=0)
    news = news[last_start:]
    seen, silent = 0, False
    with Display(plain) as display:
        while not display.gone:
            for seq, event in news:
                display(event)
                seen = seq
                if isinstance(event, events.RunEnded):
                    _let_go(folder)
                    return event
            engine = folder.engine()
            news = [(seq, event) for seq, _, event in read_events(folder.events, seen)]
            if not engine and not news:
                raise RunError(f"the engine of run {folder.id} died; give the run's command again to go on")
            if (SILENT in engine) != silent:
                silent = not silent
                display.say(f"{engine}; leave with Ctrl+C" if silent else "the engine gives signs of life again")
            if not news:
                time.sleep(INTERVAL)
    raise click.exceptions.Exit(128 + signal.SIGPIPE)


def _let_go(folder: RunFolder) -> None:
    """Wait for an engine that has said its last word to be gone: it would refuse what it is asked next."""
    engine, deadline = folder.engine(), time.monotonic() + PATIENCE
    while engine and folder.engine() == engine and time.monotonic() < deadline:
        time.sleep(INTERVAL)


def _as_error(folder: RunFolder, ended: RunEnded) -> GradTSError:
    """How a run that ended otherwise than done would have ended in the foreground."""
    kinds = {"waiting": WaitingForConfirmation, "interrupted": Interrupted, "cancelled": Cancelled}
    return kinds.get(ended.state, RunError)(f"run {folder.id}: {ended.state}{': ' if ended.reason else ''}{ended.reason}")


@cli.command()
@run_argument
@store_option
def pause(run: str | None, store: Path | None) -> None:
    """Have a running engine hold after its present step.

    It keeps its models in memory; to free the memory, cancel the run and give its command again later.
    """
    from gradts_engine.runtime.inbox import Pause

    order(_running(open_store(store), run), Pause())


@cli.command()
@run_argument
@store_option
def resume(run: str | None, store: Path | None) -> None:
    """Have a paused engine go on."""
    from gradts_engine.runtime.inbox import Resume

    order(_running(open_store(store), run), Resume())


@cli.command()
@run_argument
@store_option
def cancel(run: str | None, store: Path | None) -> None:
    """End a running engine after its present step.

    What it has done is kept: the command that started it goes on with the run. The engine ends with exit code 4.
    """
    from gradts_engine.runtime.inbox import Cancel

    order(_running(open_store(store), run), Cancel())


def _running(store: Store, run: str | None) -> RunFolder:
    """The run of that name, or the only one with an engine."""
    if run is not None:
        folder = store.run(run)
        if not folder.engine():
            raise UsageError(f"no engine works on run {folder.id}, which is {folder.state()}")
        return folder
    running = [folder for folder in store.runs() if folder.engine()]
    if len(running) == 1:
        return running[0]
    names = ", ".join(folder.id for folder in running)
    raise UsageError(f"several engines are running, name one: {names}" if running else f"no engine is running in {store.root}")


def order(folder: RunFolder, command: AnyCommand) -> None:
    """Send a command to a running engine and wait for its answer. Raises `RunError` if it is refused, or not answered."""
    from gradts_engine.events import CommandAnswered
    from gradts_engine.runtime.inbox import send
    from gradts_engine.runtime.journal import ends, read_events

    _, seen = ends(folder.events)
    send(folder.inbox, command)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        engine = folder.engine()  # before the events: it answers before it ends
        for seq, _, event in read_events(folder.events, seen):
            seen = seq
            if not isinstance(event, CommandAnswered) or event.id != command.id:
                continue
            if not event.accepted:
                raise RunError(f"run {folder.id}: {command.command} refused: {event.reason}")
            say(f"run {folder.id}: {command.command} accepted")
            return
        if not engine:
            raise RunError(f"the engine of run {folder.id} ended before it answered")
        time.sleep(INTERVAL)
    raise RunError(f"the engine of run {folder.id} has not answered for {PATIENCE:.0f} s ({folder.engine()})")
