"""Files that are damaged at random, and what a program may say of them."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gradts_engine.errors import GradTSError


def effort(some: int, many: int) -> pytest.MarkDecorator:
    """Number of inputs, here and in `make torture`."""
    return pytest.mark.parametrize("inputs", [some, pytest.param(many, marks=pytest.mark.torture)])


PIECES = [
    b"\0",
    b"\xff\xfe",
    b"\n",
    b'"',
    b"{",
    b"}",
    b"[" * 3000,
    b"9" * 5000,
    b"-1",
    b"1e999",
    b"NaN",
    b"null",
    b"../",
    b"\\ud800",
    b"true",
]


def damaged(rng: random.Random, content: bytes) -> bytes:
    """One to three changes of the kinds that disks, editors and enemies make."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(changed) + 1)
        match rng.randrange(6):
            case 0 | 1 if changed:
                changed[at % len(changed)] ^= 1 << rng.randrange(8)
            case 2:
                del changed[at:]
            case 3:
                changed[at:at] = rng.choice(PIECES)
            case 4:
                changed[at : at + rng.randint(1, 40)] = b""
            case _:
                end = min(len(changed), at + rng.randint(1, 40))
                changed[at:at] = changed[at:end]
    return bytes(changed)


def damages(folder: Path, inputs: int, seed: str) -> Iterator[Path]:
    """Copies of `folder`, a file damaged in each; the file's path. All files in turn."""
    rng = random.Random(seed)
    work = folder.with_name(f"{folder.name}-damaged")
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    for i in range(inputs):
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(folder, work)
        path = work / files[i % len(files)]
        path.write_bytes(damaged(rng, path.read_bytes()))
        yield path
    shutil.rmtree(work, ignore_errors=True)


def told(error: GradTSError) -> None:
    """Every problem is a line."""
    assert all("\n" not in problem for problem in getattr(error, "problems", [str(error)]))
