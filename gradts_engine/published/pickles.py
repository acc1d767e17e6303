"""One pickle of the published code -> plain numpy values, by way of a process that can do nothing else (`unpickle`)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from gradts_engine.errors import UsageError
from gradts_engine.published.unpickle import SECONDS

MAX_BYTES = 2 << 30
"""Largest file: the instances of MNLI with 24 layers of 16 heads have a third of it."""


def read_pickle(path: Path) -> np.ndarray | dict[str, float]:
    """An array (a list of numbers is one too), or a table of numbers by name.

    Raises UsageError for anything else, whatever it would have done: nothing that the file names is imported or run.
    """
    try:
        size = path.stat().st_size
        if not path.is_file() or size > MAX_BYTES:
            raise UsageError(f"{path}: expected a file of at most {MAX_BYTES >> 30} GiB")
        with path.open("rb") as file:
            header, data = _in_a_child(file, size)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    if "error" in header:
        raise UsageError(f"{path}: not a pickle of the published code: {header['error']}")
    values = np.frombuffer(data, header["dtype"])
    if header["kind"] == "table":
        return dict(zip(header["names"], values.tolist(), strict=True))
    return values.reshape(header["shape"]).astype(values.dtype.newbyteorder("="))


def _in_a_child(file: Any, size: int) -> tuple[dict[str, Any], bytes]:
    """Header and values; a header with an error where the child had to be stopped."""
    program = Path(__file__).with_name("unpickle.py")
    try:  # -I and -S: no environment, no site, no folder of ours on the path
        child = subprocess.run(
            [sys.executable, "-I", "-S", str(program), str(size)],
            stdin=file,
            capture_output=True,
            env={},
            timeout=2 * SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"it takes longer than {2 * SECONDS} s"}, b""
    head, _, data = child.stdout.partition(b"\n")
    if child.returncode or not head:
        return {"error": "it takes more memory or time than its size allows for"}, b""
    header: dict[str, Any] = json.loads(head)
    return header, data
