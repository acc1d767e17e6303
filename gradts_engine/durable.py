"""Files that are there as a whole or not at all, and stay when the power fails: write, sync, rename, sync the folder."""

from __future__ import annotations

import errno
import os
import re
import secrets
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gradts_engine.errors import RunError
from gradts_engine.names import slug


def unique() -> str:
    """A name that no other process has, on this host or on another one that shares the folder, now or later."""
    return f"{slug(socket.gethostname(), 24)}-{os.getpid()}-{secrets.token_hex(4)}"


def fsync(path: Path) -> None:
    """Have the disk keep a file or the entries of a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_tree(folder: Path) -> None:
    """Have the disk keep a folder with all that is in it."""
    for path in folder.rglob("*"):
        fsync(path)
    fsync(folder)


def make_folder(path: Path) -> None:
    """Make a folder that only the user can look into, and those above it where they are missing; the disk keeps that they are
    there."""
    if not path.is_dir():
        make_folder(path.parent)
        try:
            path.mkdir(mode=0o700, exist_ok=True)
        except FileExistsError as error:  # something that is no folder
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path)) from error
        fsync(path.parent)


def keep(folder: Path, name: str | Callable[[Path], str], write: Callable[[Path], object]) -> Path:
    """Put a file into a folder: what `write` puts at the path it is given. `name` may be made from the written file."""
    temporary = folder / f".{unique()}"
    try:
        write(temporary)
        fsync(temporary)
        path = folder / (name if isinstance(name, str) else name(temporary))
        os.rename(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    fsync(folder)
    return path


def is_stdout(path: Path) -> bool:
    """Whether a path is what this process prints to."""
    try:
        return os.path.samestat(path.stat(), os.fstat(1))
    except OSError:
        return False


def keep_at(path: Path, write: Callable[[Path], object]) -> None:
    """`keep` at a path that a person names: a link stays a link, and what is no regular file, such as /dev/stdout, stays what it
    is and is written to."""
    if is_stdout(path):  # a file to which a shell has it appended keeps what it has
        with tempfile.TemporaryDirectory() as folder:
            write(whole := Path(folder) / path.name)
            sys.stdout.flush()
            sys.stdout.buffer.write(whole.read_bytes())
            sys.stdout.flush()
    elif path.exists() and not path.is_file():
        write(path)
    else:
        path = path.resolve()
        keep(path.parent, path.name, write)


def why(error: Exception) -> str:
    """What a file system has refused, without the name of a temporary file."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return re.sub(r"^Error while serializing: I/O error: (.*?)( \(os error.*)?$", r"\1", str(error))


@contextmanager
def storing(folder: Path) -> Iterator[None]:
    """Turns what a file system can refuse (full, read-only, over a quota, gone) into a `RunError`."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError) as error:
        raise RunError(f"{folder} cannot be written: {why(error)}; what is finished is kept, the same command goes on") from error
