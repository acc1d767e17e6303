"""Immutable results of stages, named by the SHA-256 key of everything they depend on, verified by hash when they are read."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from gradts_engine.contracts import Device
from gradts_engine.digests import canonical, digest, file_digest
from gradts_engine.durable import fsync, keep, make_folder, storing, unique
from gradts_engine.errors import RunError
from gradts_engine.names import inside, is_name
from gradts_engine.runtime.workspaces import Workspace, present_digest

META = "meta.json"
MODEL, PREDICTIONS, ANSWERS = "model.safetensors", "predictions.json", "answers.jsonl"
RAW, STATE, STATES = "raw.safetensors", "state.safetensors", "states.safetensors"
GRADIENT = "gradient.safetensors"
TAU, ROWS, LEFT_OUT = "instance_tau.safetensors", "rows.safetensors", "left_out.safetensors"
"""Files of results: weights; true and predicted answers to each dev row; answers to each test row; raw importance; mean state;
states of what is labelled, with its labels; gradient of held-out rows, with what scales that of others; tau of instances; chosen
rows; rows that a primary cannot be trained with."""

MAX_META = 1 << 24
"""Bytes of a `meta.json`; a larger one is not ours."""

UNFINISHED, WORK, DAMAGED = "unfinished", "work", "damaged"
"""Folders beside those of the stages: artifacts that are being written, workspaces, and what was set aside."""

Files = bool | tuple[str, ...]
"""Whether the files of a result are needed, too, or the names of those that are."""

Result = tuple[Mapping[str, Any], Callable[[Path], None]]
"""What was computed: small values, and a function that writes the files into a folder."""


def content_key(stage: str, version: int, **parts: Any) -> str:
    """Key of a stage's result: SHA-256 hex of the stage, its version and everything it depends on (JSON values)."""
    return digest({"stage": stage, "version": version, **parts})


class DamagedArtifact(RunError):
    """Stored bytes are not those that were written."""


@dataclass(frozen=True)
class Artifact:
    """A stored result: small values in `result`, arrays in files of `folder`, each with its SHA-256 in `files`."""

    stage: str
    key: str
    folder: Path
    result: Mapping[str, Any]
    files: Mapping[str, str]
    made: Mapping[str, Any] = field(default_factory=dict)
    """What it was made with: versions of libraries and plugins, kind of device, threads; for which run; in how many seconds. No
    part of its key."""
    freed: tuple[str, ...] = ()
    """Those of `files` that were removed on purpose, since nothing needed them. That is no damage: who needs one computes the
    result again."""

    @property
    def there(self) -> tuple[str, ...]:
        """Names of the files that were not freed."""
        return tuple(name for name in self.files if name not in self.freed)

    def verify(self, names: Iterable[str]) -> None:
        """Raises `DamagedArtifact` if a file is not as it was written, `RunError` if it cannot be read."""
        for name in names:
            path = self.folder / name
            with _reading(path):
                intact = not path.is_symlink() and path.is_file() and present_digest(path) == self.files.get(name)
            if not intact:
                raise DamagedArtifact(f"{path} is damaged")

    def arrays(self, name: str) -> dict[str, Any]:
        """The numpy arrays of one safetensors file."""
        from safetensors.numpy import load_file

        return load_file(self.folder / name)


T = TypeVar("T")

LATE = 15.0
"""Seconds after which a network file system shows, at the latest, what another machine has written."""


def awaited(find: Callable[[], T | None], devices: Sequence[Device]) -> T | None:
    """What `find` finds of something that is known to be there; waits for it where a device is in another machine."""
    until = time.monotonic() + LATE * any(device.place for device in devices)
    while (found := find()) is None and time.monotonic() < until:
        time.sleep(0.1)
    return found


class ArtifactStore:
    """Artifacts below one folder, `STAGE/KEY/`. Several processes may share it: an artifact appears whole, by a rename, and two
    writers of one key write the same thing."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(
        self, stage: str, key: str, *, files: Files = True, warn: Callable[[str], None] = lambda _: None, use: bool = True
    ) -> Artifact | None:
        """The artifact, or None; also where it lacks, since it was freed, one of the `files` that are needed. Those that are not
        needed are not verified. What is only looked at is not in `use`, by which `cache gc` goes.

        A damaged one is set aside under `damaged/`, reported to `warn`, and counts as missing, so that it is computed again.
        Raises `RunError` where it cannot be read.
        """
        if not (is_name(stage) and is_name(key)):  # they may have been read from a damaged journal
            return None
        folder = self.root / stage / key
        if not folder.is_dir():
            return None
        if use:
            with suppress(OSError):  # the time of its last use; a store may be read-only
                os.utime(folder)
        with suppress(DamagedArtifact):
            return self._intact(folder, files)
        with self._alone():
            try:
                return self._intact(folder, files) if folder.is_dir() else None  # else it was being freed, or made whole again
            except DamagedArtifact as error:
                warn(f"{error}; {self._set_aside(folder)}")
        return None

    def _intact(self, folder: Path, files: Files) -> Artifact | None:
        """The artifact with the files that are needed, None where they were freed. Raises `DamagedArtifact`."""
        artifact = self._read(folder)
        needed = tuple(artifact.files) if files is True else files or ()
        if not set(needed).isdisjoint(artifact.freed):
            return None
        artifact.verify(needed)
        return artifact

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Within: nobody else frees, makes whole or sets aside. Where the store is read-only, nobody can."""
        lock = -1
        try:
            with suppress(OSError):
                lock = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            if lock >= 0:
                os.close(lock)

    def _set_aside(self, folder: Path) -> str:
        """Move a damaged artifact out of the way; what was done, in words."""
        try:
            aside = Path(
                tempfile.mkdtemp(dir=self.folder(DAMAGED), prefix=f"{folder.parent.name}-{folder.name[:16]}-{unique()}-")
            )
            os.rename(folder, aside / folder.name)
        except OSError as error:
            return f"it cannot be moved away: {error.strerror}"
        return f"moved to {aside}, to be computed again"

    def save(
        self,
        stage: str,
        key: str,
        result: Mapping[str, Any],
        write: Callable[[Path], None] = lambda _: None,
        made: Mapping[str, Any] | None = None,
    ) -> Artifact:
        """Store a result: `write(folder)` puts files into a temporary folder, which then becomes the artifact at once. Raises
        `RunError` where that is not possible."""
        with storing(self.root):
            self._save({"stage": stage, "key": key, "result": dict(result), "made": dict(made or {})}, write)
        return self._read(self.root / stage / key)

    def _save(self, body: dict[str, Any], write: Callable[[Path], None]) -> None:
        stage, key = body["stage"], body["key"]
        temporary = self.folder(UNFINISHED) / f"{stage}-{unique()}"
        make_folder(temporary)
        try:
            write(temporary)
            files = {}
            for path in sorted(temporary.iterdir()):
                fsync(path)
                files[path.name] = file_digest(path)
            _write_meta(temporary / META, body | {"files": files})
            fsync(temporary / META)
            fsync(temporary)
            folder = self.folder(stage) / key
            with self._alone():
                try:
                    os.rename(temporary, folder)
                except OSError:
                    if not folder.is_dir():
                        raise
                    if self._read(folder).freed:  # else another writer was first
                        _put_back(temporary, folder)
                fsync(folder.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def free(self, folder: Path, names: Iterable[str]) -> None:
        """Remove files of a result that stays. That they are to go is written first: where a process is killed in between, a file
        is left that counts as freed, and can be freed again."""
        with self._alone():
            artifact = self._read(folder)
            freed = sorted({*artifact.freed, *names})
            body = {"stage": artifact.stage, "key": artifact.key, "result": artifact.result, "made": artifact.made}
            keep(folder, META, lambda path: _write_meta(path, body | {"files": artifact.files, "freed": freed}))
            for path in (*folder.glob(".*"), *(folder / name for name in freed)):  # also half a record of who was killed here
                path.unlink(missing_ok=True)
            fsync(folder)

    def workspace(self, stage: str, key: str) -> Workspace:
        """Where a stage keeps what it has done so far; the same key finds it again."""
        return Workspace(self.root / WORK / f"{stage}-{key}")

    def folders(self) -> list[Path]:
        """The folders of all artifacts, damaged ones too, but not what a running engine is just writing."""
        found = (path.parent for path in self.root.glob(f"*/*/{META}"))
        return sorted(folder for folder in found if folder.parent.name != UNFINISHED)

    def __iter__(self) -> Iterator[Artifact]:
        for folder in self.folders():
            try:
                yield self._read(folder)
            except RunError:  # who needs this one is told
                continue

    def of(self, stage: str) -> Iterator[Artifact]:
        """The artifacts of one stage, by key; what cannot be read is left out, and files are not verified."""
        for path in sorted((self.root / stage).glob(f"*/{META}")):
            try:
                yield self._read(path.parent)
            except RunError:
                continue

    def folder(self, name: str) -> Path:
        """A folder below the root, made if it is new."""
        folder = self.root / name
        make_folder(folder)
        return folder

    def _read(self, folder: Path) -> Artifact:
        path = folder / META
        with _reading(path), path.open("rb") as file:
            content = file.read(MAX_META)
        try:
            body = json.loads(content)
            intact = body.pop("sha256") == digest(body)
            intact = intact and (body["stage"], body["key"]) == (folder.parent.name, folder.name) and inside(path, self.root)
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
            intact = False
        if not intact:
            raise DamagedArtifact(f"{path} is damaged")
        made, freed = body.get("made", {}), tuple(body.get("freed", ()))
        return Artifact(body["stage"], body["key"], folder, body["result"], body["files"], made, freed)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Within: a file that is not there is damage. One that cannot be read just now may be whole: nobody may set it aside."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP):
            raise DamagedArtifact(f"{path} is damaged") from None
        again = f"try again, or remove {path.parent} to have it computed again"
        raise RunError(f"{path} cannot be read: {error.strerror}; {again}") from error


def _write_meta(path: Path, body: Mapping[str, Any]) -> None:
    path.write_bytes(canonical({**body, "sha256": digest(body)}))


def _put_back(made: Path, folder: Path) -> None:
    """Give a result whose files were freed those of one that was computed again, and then its record."""
    for path in made.iterdir():
        if path.name != META:
            os.rename(path, folder / path.name)
    fsync(folder)
    os.rename(made / META, folder / META)
    fsync(folder)
