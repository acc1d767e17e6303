"""The commands of `gradts-engine`: arguments in, one call into the engine, output out. Heavy imports wait inside the commands."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from gradts_engine.errors import UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gradts_engine.console import Display
    from gradts_engine.runtime.store import RunFolder, Store

STORE = ".gradts"

store_option = click.option(
    "--store",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="GRADTS_STORE",
    help="Folder that keeps runs and results; default: .gradts beside tasks.toml, or in this folder. Also GRADTS_STORE.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
run_argument = click.argument("run", required=False)


def _store(folder: Path | None, beside: Path | None = None) -> Store:
    from gradts_engine.runtime.store import Store

    return Store(folder or (beside.parent if beside else Path()) / STORE)


def _show(data: Any, as_json: bool, table: Callable[[], RenderableType]) -> None:
    """Print as JSON or as a table; piped tables are not cut to a width."""
    if as_json:
        click.echo(json.dumps(data, indent=2, allow_nan=False))
        return
    from rich.console import Console

    console = Console(markup=False, highlight=False)
    console.print(table(), width=None if console.is_terminal else 200)


def _versions() -> dict[str, str]:
    """Versions of engine, torch, transformers and plugins, read from their metadata without importing them."""
    from importlib.metadata import version

    from gradts_engine.hooks.catalog import installed

    names = ["gradts", "torch", "transformers", *(entry.dist.name for entry in installed() if entry.dist)]
    return {name: version(name) for name in dict.fromkeys(names)}


def _print_versions(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        for name, number in _versions().items():
            click.echo(f"{name} {number}")
        context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_versions,
    help="Versions of engine, torch, transformers and plugins.",
)
def cli() -> None:
    """Which other tasks should I train with?

    Fine-tunes an encoder on each task alone, ranks candidates by the importance of attention heads, tries the best, and trains
    the final model. Everything is kept: the same command again goes on where it stopped.

    \b
      gradts-engine run tasks.toml          from settings to a trained model
      gradts-engine results                 ranking, trials, choice and gain of the latest run
      gradts-engine results --heatmap rte   importance of every head for one task
      gradts-engine confirm                 accept what a run proposes
    """


@cli.command()
@click.argument("config", type=click.Path(path_type=Path), default=Path("tasks.toml"))
@store_option
@click.option("--yes", is_flag=True, help="Accept every proposal without asking.")
@click.option("--plain", is_flag=True, help="Lines instead of progress bars (as when piped).")
def run(config: Path, store: Path | None, yes: bool, plain: bool) -> None:
    """Run the experiment of a tasks.toml, or go on with it.

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
            click.echo(f"warning: plugin {plugin.name} is not in use: {plugin.error}", err=True)
    experiment = load_experiment(config, catalog)
    kept = _store(store, config)
    stop = threading.Event()
    with Display(plain) as display:
        signal.signal(signal.SIGINT, _interrupter(stop, display, config))
        display.say(f"reading {len(experiment.tasks)} tasks and loading {experiment.encoder.name}")
        from gradts_engine.runtime.pipeline import Options, run_experiment

        options = Options(
            listeners=(display, *observers(catalog)),
            ask=lambda folder, primary: _ask(kept, folder, primary, display),
            accept=yes,
            stop=stop,
            versions=_versions(),
        )
        folder = run_experiment(experiment, catalog, kept, options)
    from gradts_engine import report, tables

    found = report.results(kept, folder)
    _show(found, False, lambda: tables.run_results(found))
    click.echo(f"All results: gradts-engine results {folder.id} --store {kept.root}")


def _interrupter(stop: threading.Event, display: Display, config: Path) -> Callable[[int, FrameType | None], None]:
    def interrupt(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()
        display.say(
            f"stopping after this step (Ctrl+C again: at once); finished stages are kept, go on with: gradts-engine run {config}"
        )

    return interrupt


def _ask(store: Store, folder: RunFolder, primary: str, display: Display) -> Sequence[str] | None:
    """Show a proposal to whoever is at the terminal and take the decision; None where nobody is."""
    if not (click.get_text_stream("stdin").isatty() and display.console.is_terminal):
        return None
    from gradts_engine import report, tables

    found = report.results(store, folder)["primaries"][primary]
    proposed = [a["task"] for a in found["proposed"]]
    candidates = [r["task"] for r in found["ranking"]]
    with display.suspended() as console:
        console.print(tables.primary_results(primary, found))
        while True:
            answer = click.prompt(
                f"Train {primary} as proposed? [y]es, [a]lone, [l]ater, or auxiliaries by name (a,b,c)", default="y", err=True
            ).strip()
            if answer.lower() in ("y", "yes", "l", "later", "a", "alone"):
                return {"y": proposed, "a": [], "l": None}[answer[0].lower()]
            names = [name.strip() for name in answer.split(",")]
            if all(name in candidates for name in names):
                return names
            console.print(f"candidates are: {', '.join(candidates)}", style="yellow")


@cli.command()
@run_argument
@store_option
@json_option
def status(run: str | None, store: Path | None, as_json: bool) -> None:
    """List runs, or the stages of one.

    \b
      gradts-engine status
      gradts-engine status tasks-1a2b3c4d --json
    """
    from gradts_engine import tables

    kept = _store(store)
    if run is None:
        rows = [_run_row(folder) for folder in kept.runs()]
        _show(rows, as_json, lambda: tables.records(rows) if rows else tables.label(f"no runs in {kept.root}"))
        return
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
        for (stage, subject), s in view.stages.items()
    ]
    _show({**_run_row(folder), "stages": stages}, as_json, lambda: tables.records(stages))


def _run_row(folder: RunFolder) -> dict[str, Any]:
    view = folder.view()
    finished = sum(s.state in ("done", "cached") for s in view.stages.values())
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(view.last))
    return {
        "run": folder.id,
        "state": folder.state(),
        "stages": finished,
        "last event": when,
        "engine": folder.engine(),
        "reason": view.reason,
    }


@cli.command()
@run_argument
@store_option
@json_option
@click.option("--heatmap", metavar="TASK", help="Draw the importance of every head for a task.")
def results(run: str | None, store: Path | None, as_json: bool, heatmap: str | None) -> None:
    """Show what a run found: correlations, rankings, trials, choices, gains.

    \b
      gradts-engine results
      gradts-engine results tasks-1a2b3c4d --json | jq .tau
      gradts-engine results --heatmap rte
    """
    from gradts_engine import report, tables

    kept = _store(store)
    folder = kept.run(run)
    if heatmap:
        found = report.importance(kept, folder.view(), heatmap)["task"]
        _show(
            {"task": heatmap, "importance": found.tolist()}, as_json, lambda: tables.heat_map(found, f"importance for {heatmap}")
        )
        return
    everything = report.results(kept, folder)
    _show(everything, as_json, lambda: tables.run_results(everything))


@cli.command()
@run_argument
@store_option
@click.option("--primary", help="The primary to decide on; default: all that wait.")
@click.option("--auxiliaries", metavar="A,B,C", help="Train with these instead of the proposed ones.")
@click.option("--alone", is_flag=True, help="Train without auxiliaries.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def confirm(run: str | None, store: Path | None, primary: str | None, auxiliaries: str | None, alone: bool, yes: bool) -> None:
    """Accept or change what a run proposes; then `gradts-engine run` again trains the final models.

    \b
      gradts-engine confirm
      gradts-engine confirm --primary rte --auxiliaries mrpc,mnli --yes
    """
    from gradts_engine import tables
    from gradts_engine.nearest import unknown
    from gradts_engine.runtime.inbox import send_confirm

    folder = _store(store).run(run)
    view = folder.view()
    waiting = [p for p in view.proposals if not view.confirmed(p)]
    if primary is not None and primary not in view.proposals:
        raise UsageError(f"{unknown('primary', primary, view.proposals)} (a primary with a proposal in run {folder.id})")
    if auxiliaries is not None and (alone or primary is None):
        raise UsageError("--auxiliaries needs --primary and excludes --alone")
    chosen = [primary] if primary else waiting
    if not chosen:
        raise UsageError(f"run {folder.id} has no proposal that waits for confirmation")
    names = [] if alone else auxiliaries.split(",") if auxiliaries is not None else None
    tasks = view.started.tasks if view.started else ()
    for name in names or ():
        if name not in tasks or name == primary:
            raise UsageError(unknown("candidate", name, [t for t in tasks if t != primary]))
    for p in chosen:
        selection = list(view.proposals[p].auxiliaries) if names is None else names
        click.echo(f"{p}: train with {', '.join(map(str, map(tables.label, selection))) or 'no auxiliary'}")
    if not yes:
        click.confirm("Confirm?", abort=True)
    for p in chosen:
        send_confirm(folder.inbox, p, view.proposals[p].digest, names)
    click.echo(f"sent to run {folder.id}; go on with: gradts-engine run {view.started.config if view.started else 'tasks.toml'}")


@cli.group(invoke_without_command=True)
@json_option
@click.pass_context
def tasks(context: click.Context, as_json: bool) -> None:
    """List the tasks that plugins register; `tasks show NAME` reads one."""
    if context.invoked_subcommand is None:
        _listing("tasks", as_json, lambda s: {"type": s.type, "licence": s.licence, "description": s.description})


@tasks.command("show")
@click.argument("name")
@json_option
def show_task(name: str, as_json: bool) -> None:
    """Sizes, labels and first examples of a registered task."""
    from gradts_engine import tables
    from gradts_engine.hooks.catalog import load_catalog
    from gradts_engine.learning.data import read_task
    from gradts_engine.nearest import unknown

    catalog = load_catalog()
    if name not in catalog.tasks:
        raise UsageError(unknown("task", name, catalog.tasks))
    spec = catalog.tasks[name]
    kind = catalog.task_types[spec.type]
    data = read_task(spec, kind.load(), spec.metric or kind.metrics[0], {}, "skip", 0)
    facts: dict[str, Any] = {
        "task": name,
        "type": data.type,
        "metric": data.metric,
        "sizes": {split: len(rows) for split, rows in data.splits.items()},
        "labels": list(data.labels),
        "description": spec.description,
        "licence": spec.licence,
        "citation": spec.citation,
        "examples": [{"text": list(i.text), "label": i.label} for i in data.splits["train"][:3]],
    }
    _show(facts, as_json, lambda: tables.records([{"": key, " ": value} for key, value in facts.items()]))


@cli.command()
@json_option
def encoders(as_json: bool) -> None:
    """List the encoders that plugins register; any Hugging Face encoder works too, by folder or Hub name."""
    _listing("encoders", as_json, lambda s: {"description": s.description})


@cli.command()
@json_option
def strategies(as_json: bool) -> None:
    """List the ways to choose auxiliaries."""
    _listing("strategies", as_json, lambda s: {"description": s.description})


@cli.command()
@json_option
def plugins(as_json: bool) -> None:
    """List installed plugins, broken ones with their error."""
    from gradts_engine import tables
    from gradts_engine.hooks.catalog import load_catalog

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
    _show(rows, as_json, lambda: tables.records(rows))


def _listing(kind: str, as_json: bool, facts: Callable[[Any], dict[str, Any]]) -> None:
    """What plugins register of one kind."""
    from gradts_engine import tables
    from gradts_engine.hooks.catalog import load_catalog

    registry = getattr(load_catalog(), kind)
    rows = [{"name": name, "plugin": registry.plugin[name], **facts(spec)} for name, spec in registry.items()]
    _show(rows, as_json, lambda: tables.records(rows) if rows else tables.label(f"no plugin registers {kind}"))


@cli.group()
def export() -> None:
    """Write results to files for other programs."""


run_option = click.option("--run", metavar="RUN", help="The run; default: the latest.")
file_argument = click.argument("path", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))


@export.command("importance")
@click.argument("task")
@file_argument
@run_option
@store_option
def export_importance(task: str, path: Path, run: str | None, store: Path | None) -> None:
    """Importance of every head for every train instance of TASK, as safetensors.

    \b
    raw [N, L, H] and instances [N, L, H] (normalised one by one), task [L, H], float32; row [N] int64: where each instance
    stands in its source, from 0.
    """
    from gradts_engine.report import export_importance

    kept = _store(store)
    export_importance(kept, kept.run(run), task, path)
    click.echo(f"wrote {path}")


@export.command("selection")
@click.argument("primary")
@file_argument
@run_option
@store_option
def export_selection(primary: str, path: Path, run: str | None, store: Path | None) -> None:
    """The chosen auxiliary instances of PRIMARY with their tau, one JSON object a line (reads the run's data again)."""
    from gradts_engine.selected import export_selection

    kept = _store(store)
    count = export_selection(kept, kept.run(run), primary, path)
    click.echo(f"wrote {count} instances to {path}")


@cli.group()
def cache() -> None:
    """Look after the stored results of all runs."""


@cache.command("list")
@store_option
@json_option
def cache_list(store: Path | None, as_json: bool) -> None:
    """Number and size of the stored results of each stage."""
    from gradts_engine import tables

    kept = _store(store)
    sizes: dict[str, list[int]] = {}
    for artifact in kept.artifacts:
        sizes.setdefault(artifact.stage, []).append(sum(p.stat().st_size for p in artifact.folder.iterdir()))
    rows = [{"stage": s, "results": len(n), "MB": round(sum(n) / 1e6, 2)} for s, n in sorted(sizes.items())]
    _show(rows, as_json, lambda: tables.records(rows) if rows else tables.label(f"nothing stored in {kept.root}"))


@cache.command("verify")
@store_option
def cache_verify(store: Path | None) -> None:
    """Check every stored result against its hash; damaged ones are set aside and computed again by the next run."""
    kept = _store(store)
    good = bad = 0
    for folder in sorted(path.parent for path in kept.artifacts.root.glob("*/*/meta.json")):
        found = kept.artifacts.find(folder.parent.name, folder.name, warn=click.echo)
        good, bad = good + (found is not None), bad + (found is None)
    click.echo(f"{good} intact, {bad} damaged")
    if bad:
        raise click.exceptions.Exit(1)
