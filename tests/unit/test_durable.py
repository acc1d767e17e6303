"""What is written is there as a whole or not at all, and stays when the power fails."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gradts_engine.durable import keep, keep_at, make_folder
from gradts_engine.learning.export import _put
from gradts_engine.names import slug


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What is done to the file system from now on, and to what; it is done, too."""
    calls: list[tuple[str, str]] = []

    def tracing(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *arguments: Any, **options: Any) -> Any:
            calls.append((name, Path(os.readlink(f"/proc/self/fd/{path}") if isinstance(path, int) else path).name))
            return real(path, *arguments, **options)

        return call

    for name in ("fsync", "rename", "mkdir", "unlink", "rmdir"):
        monkeypatch.setattr(os, name, tracing(name, getattr(os, name)))
    return calls


def test_a_former_export_goes_only_once_the_disk_has_the_new_one(tmp_path: Path, traced: list[tuple[str, str]]) -> None:
    """Whatever moment the power fails at, there is a whole model, under its own name or that of the old one."""
    partial, folder = tmp_path / "final.partial", tmp_path / "final"
    for path, text in ((folder, "old"), (partial / "part", "new")):
        path.mkdir(parents=True)
        (path / "weights").write_text(text)
    _put(partial, folder)
    assert (folder / "part" / "weights").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["final"]
    first_move = traced.index(("rename", "final"))
    assert {("fsync", name) for name in ("weights", "part", "final.partial")} <= {*traced[:first_move]}
    in_place = traced.index(("rename", "final.partial"))
    removed = traced.index(("rmdir", ".final.old"))
    assert ("fsync", tmp_path.name) in traced[in_place:removed]
    assert not [call for call in traced[:in_place] if call[0] in ("unlink", "rmdir")]


def test_the_disk_keeps_every_new_folder(tmp_path: Path, traced: list[tuple[str, str]]) -> None:
    make_folder(tmp_path / "a" / "b")
    assert traced == [("mkdir", "a"), ("fsync", tmp_path.name), ("mkdir", "b"), ("fsync", "a")]


def test_temporary_names_are_of_a_host_a_process_and_an_attempt(tmp_path: Path) -> None:
    """Two hosts on one store, where processes have the same numbers, do not write into each other's files."""
    seen: list[str] = []
    for _ in range(2):
        keep(tmp_path, "part", lambda path: (seen.append(path.name), path.write_bytes(b"")))
    first, second = seen
    assert first != second
    assert f"-{os.getpid()}-" in first
    assert first.startswith(f".{slug(socket.gethostname(), 24)}-")


@pytest.mark.parametrize("how", [">", ">>", "| cat >>"])
def test_what_is_written_to_where_a_program_prints_comes_after_what_is_there(tmp_path: Path, how: str) -> None:
    """A shell may append to a file: nothing of it is lost."""
    (tmp_path / "all").write_text("before\n")
    code = "from gradts_engine.durable import *; print(1); keep_at(Path('/dev/stdout'), lambda p: p.write_text('2\\n')); print(3)"
    subprocess.run(f'{sys.executable} -c "{code}" {how} all', shell=True, check=True, cwd=tmp_path)
    assert (tmp_path / "all").read_text() == ("" if how == ">" else "before\n") + "1\n2\n3\n"


def test_what_a_person_names_stays_what_it_is(tmp_path: Path) -> None:
    """A link, or what is no regular file: a rename would put one in its place."""
    pipe, link, target = tmp_path / "pipe", tmp_path / "link", tmp_path / "there" / "target"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    keep_at(pipe, lambda path: path.write_text("so it is"))
    assert os.read(reader, 100) == b"so it is"
    os.close(reader)
    assert pipe.is_fifo()
    target.parent.mkdir()
    link.symlink_to(target)
    for text in ("first", "second"):
        keep_at(link, lambda path, text=text: path.write_text(text))
        assert (link.is_symlink(), target.read_text()) == (True, text)
