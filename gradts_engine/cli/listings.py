"""`tasks`, `encoders`, `predictors`, `strategies`, `executors` and `plugins`: what can be named in tasks.toml."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gradts_engine.cli.base import cli, json_option, say, show
from gradts_engine.cli.completing import complete_task
from gradts_engine.errors import UsageError
from gradts_engine.scaffold import KINDS, create

if TYPE_CHECKING:
    from gradts_engine.contracts import Instance


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


@cli.command()
@json_option
def executors(as_json: bool) -> None:
    """List where jobs can be computed: `[run] executor`, or --executor."""
    _listing("executors", as_json, lambda s: {"description": s.description})


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
