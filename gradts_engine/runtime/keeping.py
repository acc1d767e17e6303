"""Which stored weights a run still needs, and how much disk it takes.

The weights of a tuned encoder are needed until its importance is there, those of a trial until it is known which trial is the
final training. What a re-run and `export` need is kept: importance, answers, scores, and the weights of final trainings.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from gradts_engine.names import is_name
from gradts_engine.runtime.artifacts import MODEL
from gradts_engine.runtime.store import RunFolder, Store
from gradts_engine.runtime.view import RunView

Name = tuple[str, str]
"""Stage and key of a result."""


def held(view: RunView) -> set[Name]:
    """Every result that a run names."""
    return {(s.name, s.key) for s in view.stages.values()}


def needed(view: RunView) -> set[Name]:
    """The results whose weights a run needs: all, before it is done or where it was told to keep them; else those of its final
    trainings."""
    if view.state == "done" and view.started is not None and view.started.keep == "final":
        return {("trial", final.key) for final in view.finals.values()}
    return held(view)


def spare(store: Store, ending: RunFolder | None = None) -> list[Path]:
    """The results that have weights which no run needs; among those of `ending`, a run that is just done, where one is given."""

    def view(run: RunFolder) -> RunView:
        return replace(run.view(), state="done") if ending and run.id == ending.id else run.view()

    named = set[Name]().union(*(held(view(run)) for run in ([ending] if ending else store.runs())))
    folders = [folder for folder in places(store, named) if (folder / MODEL).exists()]
    needs = set[Name]().union(*(needed(view(run)) for run in store.runs())) if folders else set[Name]()
    return [folder for folder in folders if (folder.parent.name, folder.name) not in needs]


def places(store: Store, names: Iterable[Name]) -> list[Path]:
    """The folders of results that are there."""
    paths = [store.artifacts.root / stage / key for stage, key in sorted(names) if is_name(stage) and is_name(key)]
    return [path for path in paths if path.is_dir()]
