"""What can be removed from a store: results that nobody used for long, weights that no run needs, and what killed engines left
half-written.

Nothing that an engine at work may be using is ever removed. Removing begins with a rename, so that a result is there as a whole
or not at all; one whose weights are freed stays.
"""

from __future__ import annotations

import math
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gradts_engine.runtime.artifacts import DAMAGED, MODEL, UNFINISHED, WORK, DamagedArtifact
from gradts_engine.runtime.keeping import held, spare
from gradts_engine.runtime.store import RunFolder, Store
from gradts_engine.runtime.studying import before_studies


@dataclass(frozen=True)
class Removable:
    """A folder of the store: what it is, its bytes, and when it was last used (Unix time)."""

    path: Path
    kind: str
    size: int
    used: float


def sweep(store: Store, run: RunFolder | None = None) -> None:
    """Remove half-written results of engines that were killed, unless another engine than that of `run` is at work: it may be
    writing them; and half-written predictions of `run`, on which nobody else works. What is listed before it is known that nobody
    is at work belongs to nobody."""
    for half in run.predictions.glob(".*") if run else ():
        half.unlink(missing_ok=True)
    left = list(_folders(store.artifacts.root / UNFINISHED))
    if left and not _others(store, run) and before_studies(store) == math.inf:
        for folder in left:
            shutil.rmtree(folder, ignore_errors=True)


def garbage(store: Store, older_than: float | None = None, max_size: int | None = None) -> list[Removable]:
    """What to remove: leftovers, weights that no run needs, results that were not used for `older_than` seconds, and then those
    that were not used for longest until the rest is at most `max_size` bytes. What live runs and studies use is left out."""
    artifacts = store.artifacts
    results = [removable(folder, "result") for folder in artifacts.folders() if folder.parent.name != DAMAGED]
    half = [removable(folder, "half-written") for folder in _folders(artifacts.root / UNFINISHED)]
    work = [removable(folder, "checkpoints") for folder in _folders(artifacts.root / WORK)]
    # After the lists: what is in them and of nobody who works now is of nobody.
    live, begun = _others(store, None), before_studies(store)
    needed = set[tuple[str, str]]().union(*(held(run.view()) for run in live))
    idle = not live and begun == math.inf
    weights = {item.path: item for item in spare_weights(store)}
    free = [r for r in results if (r.path.parent.name, r.path.name) not in needed and r.used < begun] + (work if idle else [])
    leftovers = [removable(folder, "damaged") for folder in _folders(artifacts.root / DAMAGED)] + (half if idle else [])

    def rest(item: Removable) -> int:
        """Bytes that it takes once weights are freed."""
        return item.size - (weights[item.path].size if item.path in weights else 0)

    chosen = [r for r in free if older_than is not None and r.used < time.time() - older_than]
    if max_size is not None:
        total = sum(map(rest, results + work)) - sum(map(rest, chosen))
        for candidate in sorted(set(free) - set(chosen), key=lambda r: (r.used, r.path)):
            if total <= max_size:
                break
            chosen.append(candidate)
            total -= rest(candidate)
    whole = {item.path for item in chosen}
    return leftovers + [item for item in weights.values() if item.path not in whole] + chosen


def spare_weights(store: Store, ending: RunFolder | None = None) -> list[Removable]:
    """Weights that no run needs, nor a study at work, each with the folder of its result (see `keeping.spare`)."""
    found, begun = [], before_studies(store)
    for folder in spare(store, ending):
        with suppress(FileNotFoundError):
            found.append(Removable(folder, "weights", (folder / MODEL).stat().st_size, folder.stat().st_mtime))
    return [item for item in found if item.used < begun]


def remove(store: Store, items: list[Removable]) -> int:
    """Remove what `garbage` found and was not used since; the number of bytes."""
    freed = 0
    for item in items:
        with suppress(FileNotFoundError, DamagedArtifact):
            if item.kind in ("result", "weights") and item.path.stat().st_mtime != item.used:
                continue
            if item.kind == "weights":
                store.artifacts.free(item.path, (MODEL,))
                freed += item.size
                continue
            trash = Path(tempfile.mkdtemp(dir=store.artifacts.folder(UNFINISHED), prefix="removed-"))
            os.rename(item.path, trash / item.path.name)
            shutil.rmtree(trash)
            freed += item.size
    return freed


def _others(store: Store, run: RunFolder | None) -> list[RunFolder]:
    """The runs that an engine works on, but for one."""
    return [other for other in store.runs() if (run is None or other.id != run.id) and other.engine()]


def _folders(parent: Path) -> Iterator[Path]:
    return (path for path in sorted(parent.glob("*")) if path.is_dir())


def removable(folder: Path, kind: str) -> Removable:
    """A folder with its size."""
    size = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            size += path.stat().st_size if path.is_file() else 0
    return Removable(folder, kind, size, folder.stat().st_mtime)
