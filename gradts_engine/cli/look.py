"""`status` and `results`: what runs do and have found."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gradts_engine.cli.base import cli, json_option, open_store, run_argument, say, show, store_option
from gradts_engine.cli.completing import complete_run, complete_task
from gradts_engine.errors import RunError, UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gradts_engine.runtime.store import RunFolder, Store
    from gradts_engine.runtime.view import RunView


WATCH = 2.0
"""Seconds between two drawings of `status --watch`."""


@cli.command()
@run_argument
@store_option
@json_option
@click.option("--watch", is_flag=True, help="Draw it again every two seconds, until Ctrl+C.")
def status(run: str | None, store: Path | None, as_json: bool, watch: bool) -> None:
    """List runs, or the stages of one.

    \b
      gradts-engine status
      gradts-engine status tasks-1a2b3c4d --json
      gradts-engine status --watch
    """
    kept = open_store(store)
    if watch:
        _watch(lambda: _state(kept, run)[1])
        return
    data, table = _state(kept, run)
    show(data, as_json, lambda: table)


def _watch(table: Callable[[], RenderableType]) -> None:
    """Draw it again and again, for a person at a terminal."""
    from rich.console import Console
    from rich.live import Live

    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        raise UsageError("--watch needs a terminal: for programs there is --json")
    with suppress(KeyboardInterrupt), Live(table(), console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(table(), refresh=True)
            time.sleep(WATCH)


def _state(kept: Store, run: str | None) -> tuple[Any, RenderableType]:
    """The runs of a store, or the stages of one, as data and as a table."""
    from gradts_engine import tables

    if run is None:
        rows = [_run_row(kept, folder) for folder in kept.runs()]
        return rows, _runs(rows) if rows else tables.label(f"no runs in {kept.root}")
    folder = kept.run(run)
    view = folder.view()
    stages = [
        {
            "stage": stage,
            "subject": subject,
            "state": s.state,
            "done": s.done,
            "of": s.total,
            "seconds": round(s.seconds, 1),
            "device": s.device,
            "reason": s.reason,
        }
        for stage, subject in view.named
        if (s := view.stage(stage, subject))
    ]
    return {**_run_row(kept, folder), "stages": stages}, tables.records(stages)


def _runs(rows: list[dict[str, Any]]) -> RenderableType:
    """A line a run; below, why runs have ended or wait, which takes sentences."""
    from rich.console import Group

    from gradts_engine import tables

    columns = [
        {name: _short(value) if name == "engine" else value for name, value in row.items() if name != "reason"} for row in rows
    ]
    reasons = [tables.label(f"{row['run']}: {row['state']}: {row['reason']}") for row in rows if row["reason"]]
    return Group(tables.records(columns), *reasons)


def _short(engine: str) -> str:
    """Which process it is, and whether it hangs; not since when it runs."""
    return ", ".join(part for part in engine.removeprefix("process ").split(", ") if not part.startswith("since "))


def _confirmed(kept: Store, folder: RunFolder, view: RunView) -> str:
    """That all which waits was decided, and waits for an engine now; empty where it was not."""
    from gradts_engine.runtime.inbox import Confirm, read

    said = {c.primary: c.digest for _, c in read(folder.inbox) if isinstance(c, Confirm)}
    waits = {p: proposal.digest for p, proposal in view.proposals.items() if not view.confirmed(p)}
    if not waits or view.started is None or any(said.get(p) != digest for p, digest in waits.items()):
        return ""
    command = shlex.join(["gradts-engine", "run", view.started.config, "--store", str(kept.root.absolute())])
    return f"{', '.join(waits)} confirmed; go on with: {command}"


def _run_row(kept: Store, folder: RunFolder) -> dict[str, Any]:
    from gradts_engine.runtime.shelving import size

    try:
        state, view = folder.looked_at()
    except RunError as error:  # the others are there all the same
        nothing = dict.fromkeys(("finished", "MB", "last event"))
        return {"run": folder.id, "state": "unreadable", **nothing, "engine": folder.engine(), "reason": str(error)}
    finished = sum(view.stage(*name).finished for name in view.named)
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(view.last))
    return {
        "run": folder.id,
        "state": state,
        "finished": finished,
        "MB": round(size(kept, folder, view) / 1e6, 2),
        "last event": when,
        "engine": folder.engine(),
        "reason": (_confirmed(kept, folder, view) if state == "waiting" else "") or view.reason,
    }


@cli.command()
@run_argument
@click.argument("other", required=False, shell_complete=complete_run)
@store_option
@json_option
@click.option("--heatmap", metavar="TASK", shell_complete=complete_task, help="Draw the importance of every head for a task.")
def results(run: str | None, other: str | None, store: Path | None, as_json: bool, heatmap: str | None) -> None:
    """Show what a run found.

    Correlations, rankings, trials, choices and gains; the latest run without a name. Two runs are compared: settings that
    differ, rankings side by side, scores.

    \b
      gradts-engine results
      gradts-engine results tasks-1a2b3c4d --json | jq .tau
      gradts-engine results --heatmap rte
      gradts-engine results tasks-1a2b3c4d tasks-5e6f7a8b
    """
    from gradts_engine import report, tables, words

    kept = open_store(store)
    folder = kept.run(run)
    if heatmap:
        found = report.importance(kept, folder.view(), heatmap)["task"]
        numbers = [[words.number(x) for x in row] for row in found.tolist()]
        show({"task": heatmap, "importance": numbers}, as_json, lambda: tables.heat_map(found))
        return
    everything = report.results(kept, folder)
    if other:
        another = kept.run(other)
        if another.id == folder.id:
            raise UsageError(f"{run} and {other} are the same run, {folder.id}: name two to compare")
        compared = report.compare(everything, report.results(kept, another))
        show(asdict(compared), as_json, lambda: tables.comparison(compared))
        return
    for warning in everything.warnings:
        say(f"warning: {warning}", err=True)
    show(report.as_json(everything), as_json, lambda: tables.run_results(everything))
