"""Runs that are removed or packed away, with the stored results that no other run has."""

from __future__ import annotations

import math
import os
import tarfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from gradts_engine.errors import RunError, UsageError
from gradts_engine.names import is_name
from gradts_engine.runtime.cleaning import Removable, removable, remove
from gradts_engine.runtime.keeping import Name, held, places
from gradts_engine.runtime.store import RunFolder, Store
from gradts_engine.runtime.studying import before_studies
from gradts_engine.runtime.view import RunView


def results_of(store: Store, views: Iterable[RunView]) -> list[Removable]:
    """The stored results that runs name, those that are there."""
    return [removable(folder, "result") for folder in places(store, set[Name]().union(*map(held, views)))]


def size(store: Store, run: RunFolder, view: RunView) -> int:
    """Bytes that a run takes: its records, its models, and the stored results that it names, which other runs may name, too."""
    return sum(item.size for item in [removable(run.path, "run"), *results_of(store, [view])])


def own(store: Store, runs: Sequence[RunFolder]) -> list[Removable]:
    """Those that no other run names: what is gone with these runs, with the checkpoints of what they had not finished; nothing
    that a study at work may be using."""
    ours = {run.id for run in runs}
    names = {name for run in runs for name in _held(run) if all(map(is_name, name))}  # they may be of a damaged journal
    found = [(name, removable(folder, "result")) for name in names for folder in places(store, [name])]
    work = {name: store.artifacts.workspace(*name).folder for name in names}
    found += [(name, removable(folder, "checkpoints")) for name, folder in work.items() if folder.is_dir()]
    others = [run for run in store.runs() if run.id not in ours]  # last: what they use now is new
    try:
        needed = set[Name]().union(*(held(run.view()) for run in others))
    except RunError as error:
        raise RunError(f"{error}; what that run needs is not known: remove it first, or together with these") from error
    begun = before_studies(store)
    found = [(name, item) for name, item in found if item.used < begun and (item.kind == "result" or begun == math.inf)]
    return [item for name, item in found if name not in needed]


def _held(run: RunFolder) -> set[Name]:
    """What a run that is to be removed names: nothing that is known, where its journal cannot be read."""
    try:
        return held(run.view())
    except RunError:
        return set()


def remove_runs(store: Store, runs: Sequence[RunFolder]) -> int:
    """Remove runs with their models and what only they hold; the bytes that this frees.

    Raises `RunError` where an engine works on one of them; then nothing is removed.
    """
    with ExitStack() as locks:
        for run in runs:
            locks.enter_context(run.locked(named=False))  # the disk may be full
        results = own(store, runs)
        return remove(store, [removable(run.path, "run") for run in runs]) + remove(store, results)


def archive(store: Store, runs: Sequence[RunFolder], path: Path) -> None:
    """Pack runs, with all results that they name, into a new .tar.gz, from which `tar -xf FILE -C .gradts` puts them back.

    Raises `UsageError` where the file is there already or cannot be written, `RunError` where an engine works on a run.
    """
    partial = path.with_name(f".{path.name}.partial")
    if path.exists():
        raise UsageError(f"{path} is there already: choose another name")
    try:
        with ExitStack() as locks:
            for run in runs:
                locks.enter_context(run.locked())
            with tarfile.open(partial, "w:gz") as tar:
                results = results_of(store, [run.view() for run in runs])
                folders = [folder.relative_to(store.root) for folder in [*(run.path for run in runs), *(r.path for r in results)]]
                for above in sorted({parent for folder in folders for parent in folder.parents[:-1]}):
                    tar.add(store.root / above, above, recursive=False)  # so that it is made as private as it is here
                for folder in folders:
                    tar.add(store.root / folder, folder, filter=_no_lock)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        os.rename(partial, path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        with suppress(OSError):  # as it could not be made
            partial.unlink()


def _no_lock(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Without the file that says which engine works on a run: none does."""
    return None if member.name.endswith("/lock") else member
