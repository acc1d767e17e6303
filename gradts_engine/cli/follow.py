"""`logs`: what happened in a run, and what happens now."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gradts_engine.cli.base import cli, open_store, run_argument, say, store_option

if TYPE_CHECKING:
    from gradts_engine.events import Event

INTERVAL = 0.5
"""Seconds between two looks at a run's events."""


@cli.command()
@run_argument
@click.option("--follow", "-f", is_flag=True, help="Go on until the engine ends.")
@store_option
def logs(run: str | None, follow: bool, store: Path | None) -> None:
    """Print what happened in a run, a line an event; the latest run without a name.

    With --follow it goes on for as long as an engine works on the run. Ctrl+C leaves it, and the engine goes on.

    \b
      gradts-engine logs
      gradts-engine logs tasks-1a2b3c4d -f | grep warning
    """
    from gradts_engine.runtime.journal import read_events

    folder = open_store(store).run(run)
    seen = 0
    while True:
        engine = folder.engine()  # before its events: what it wrote until it let go is then read
        for seq, when, event in read_events(folder.events, seen):
            seen = seq
            _line(when, event)
        if not (follow and engine):
            return
        try:
            time.sleep(INTERVAL)
        except KeyboardInterrupt:
            return


def _line(when: float, event: Event) -> None:
    from gradts_engine import events
    from gradts_engine.console import describe

    text = describe(event)
    if isinstance(event, events.RunEnded):
        text = f"run {event.state}{': ' if event.reason else ''}{event.reason}"
    if text:
        say(f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(when))}  {text}")
