"""`status`, `results` and the listings: the commands that only read."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gradts_engine.cli.base import cli, json_option, open_store, run_argument, say, show, store_option
from gradts_engine.cli.completing import complete_run, complete_task
from gradts_engine.errors import UsageError
from gradts_engine.scaffold import KINDS, create

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gradts_engine.contracts import Instance
    from gradts_engine.runtime.store import RunFolder, Store


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
        rows = [_run_row(folder) for folder in kept.runs()]
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
            "reason": s.reason,
        }
        for stage, subject in view.named
        if (s := view.stage(stage, subject))
    ]
    return {**_run_row(folder), "stages": stages}, tables.records(stages)


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


def _run_row(folder: RunFolder) -> dict[str, Any]:
    view = folder.view()
    finished = sum(view.stage(*name).finished for name in view.named)
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(view.last))
    return {
        "run": folder.id,
        "state": folder.state(),
        "finished": finished,
        "last event": when,
        "engine": folder.engine(),
        "reason": view.reason,
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


@cli.group(invoke_without_command=True)
@json_option
@click.pass_context
def tasks(context: click.Context, as_json: bool) -> None:
    """List the tasks of plugins, or show one.

    \b
      gradts-engine tasks
      gradts-engine tasks show NAME
    """
    if context.invoked_subcommand is None:
        _listing("tasks", as_json, lambda s: {"type": s.type, "licence": s.licence, "description": s.description})


@tasks.command("show")
@click.argument("name", shell_complete=complete_task)
@json_option
def show_task(name: str, as_json: bool) -> None:
    """Sizes, labels, first examples, source, licence and citation of a registered task.

    \b
      gradts-engine tasks show rte
      GRADTS_DATA=/data gradts-engine tasks show rte --json
    """
    from gradts_engine import tables
    from gradts_engine.hooks.catalog import load_catalog
    from gradts_engine.learning.data import read_task
    from gradts_engine.learning.instances import where
    from gradts_engine.learning.rows import revision_of
    from gradts_engine.nearest import unknown

    catalog = load_catalog()
    if name not in catalog.tasks:
        raise UsageError(unknown("task", name, catalog.tasks))
    spec = catalog.tasks[name]
    kind = catalog.task_types[spec.type]
    facts: dict[str, Any] = {
        "task": name,
        "description": spec.description,
        "type": spec.type,
        "metric": spec.metric or kind.metrics[0],
        "source": {split: where(source) for split in ("train", "dev", "test") if (source := getattr(spec, split)) is not None},
        "revision": revision_of(where(spec.train)),
        "licence": spec.licence,
        "citation": spec.citation,
    }
    problem, task_type, shown = None, kind.load(), dict(facts)
    try:
        data = read_task(spec, task_type, facts["metric"], {}, "skip", 0)
    except UsageError as error:  # what is known of a task without its data is still worth seeing
        problem = error
    else:
        facts["sizes"] = {split: len(rows) for split, rows in data.splits.items()}
        facts["labels"] = list(data.labels)
        examples = data.splits["train"][:3]
        facts["examples"] = [{"text": list(i.text), "label": i.label} for i in examples]
        shown = facts | {"examples": tuple(_example(i, task_type.word_level) for i in examples)}
    show(facts, as_json, lambda: tables.facts(shown))
    if problem:
        raise problem


def _example(instance: Instance, word_level: bool) -> str:
    """An instance in a few lines: words with their labels, or texts and their label."""
    if word_level and isinstance(instance.label, tuple):
        words = [f"{word}/{label}" for word, label in zip(instance.text, instance.label, strict=True)]
        return " ".join(words[:30]) + (" ..." if len(words) > 30 else "")
    texts = [text if len(text) <= 200 else f"{text[:200]}..." for text in instance.text]
    return f"{' | '.join(texts)} -> {instance.label}"


@cli.command()
@json_option
def encoders(as_json: bool) -> None:
    """List the encoders of plugins.

    Any Hugging Face encoder works too, by folder or Hub name.
    """
    _listing("encoders", as_json, lambda s: {"description": s.description})


@cli.command()
@json_option
def predictors(as_json: bool) -> None:
    """List what foretells which candidates help, with what it costs in units of one pair training.

    \b
      [selection]
      predictor = "embedding"              # orders the candidates
      predictors = ["tau", "embedding"]    # shown beside each other
    """
    _listing("predictors", as_json, lambda s: {"needs": ", ".join(s.needs), "cost": s.cost, "description": s.description})


@cli.command()
@json_option
def strategies(as_json: bool) -> None:
    """List the ways to choose auxiliaries."""
    _listing("strategies", as_json, lambda s: {"description": s.description})


@cli.group(invoke_without_command=True)
@json_option
@click.pass_context
def plugins(context: click.Context, as_json: bool) -> None:
    """List installed plugins, broken ones with their error, or begin one.

    \b
      gradts-engine plugins
      gradts-engine plugins new my-tasks --kind tasks
    """
    from gradts_engine import tables
    from gradts_engine.hooks.catalog import load_catalog

    if context.invoked_subcommand is None:
        rows = [
            {
                "plugin": p.name,
                "distribution": p.distribution,
                "version": p.version,
                "state": "disabled" if p.disabled else "broken" if p.error else "in use",
                "error": p.error,
            }
            for p in load_catalog().plugins
        ]
        show(rows, as_json, lambda: tables.records(rows))


@plugins.command("new")
@click.argument("name")
@click.option("--kind", type=click.Choice(KINDS), required=True, help="What the plugin is to provide.")
@click.option(
    "--in", "parent", type=click.Path(path_type=Path), default=Path(), help="Folder to write it into; default: this one."
)
def new_plugin(name: str, kind: str, parent: Path) -> None:
    """Write the package gradts-NAME, complete and small: code, test, README.

    \b
      gradts-engine plugins new my-tasks --kind tasks
      pip install -e gradts-my-tasks
      gradts-engine plugins
      pytest gradts-my-tasks
    """
    folder = create(name, kind, parent)
    say(f"wrote {folder}; next: pip install -e {folder} && pytest {folder}, then change {folder / folder.name.replace('-', '_')}")


def _listing(kind: str, as_json: bool, facts: Callable[[Any], dict[str, Any]]) -> None:
    """What plugins register of one kind."""
    from gradts_engine import tables
    from gradts_engine.hooks.catalog import load_catalog

    registry = getattr(load_catalog(), kind)
    rows = [{"name": name, "plugin": registry.plugin[name], **facts(spec)} for name, spec in registry.items()]
    show(rows, as_json, lambda: tables.records(rows) if rows else tables.label(f"no plugin registers {kind}"))
