"""What a shell offers where a run, a task or an encoder is to be named."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _offering(names: Callable[[click.Context], Iterable[tuple[str, str]]]) -> Complete:
    """Offers names with a word about each; where they cannot be had, nothing: a prompt is no place for an error."""

    def complete(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            return [CompletionItem(name, help=about) for name, about in names(context) if name.startswith(incomplete)]
        except Exception:
            return []

    return complete


def _runs(context: click.Context) -> Iterable[tuple[str, str]]:
    from gradts_engine.runtime.store import open_store

    for run in open_store(context.params.get("store")).runs():
        yield run.id, run.state()


def _tasks(context: click.Context) -> Iterable[tuple[str, str]]:
    """Of the latest run of the store, and those that are registered."""
    from gradts_engine.hooks.catalog import load_catalog
    from gradts_engine.runtime.store import open_store

    runs = open_store(context.params.get("store")).runs()
    known = {name: task.type for name, task in runs[0].view().tasks.items()} if runs else {}
    return (known | {name: spec.description for name, spec in load_catalog().tasks.items()}).items()


def _encoders(_: click.Context) -> Iterable[tuple[str, str]]:
    from gradts_engine.hooks.catalog import load_catalog

    return [(name, spec.description) for name, spec in load_catalog().encoders.items()]


complete_run, complete_task, complete_encoder = _offering(_runs), _offering(_tasks), _offering(_encoders)
