"""A result to store."""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

RESULT = {"score": 0.1 + 0.2, "best": 1, "tiny": 1e-05, "scores": [0.5, 1.0], "metric": "Köln", "none": None, "yes": True}


def same(a, b) -> bool:
    """Whether two JSON values are one and the same: 1 is not true, and 1 is not 1.0."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b and str(a) == str(b)  # -0.0 is not 0.0


def write(folder: Path) -> None:
    save_file({"a": np.arange(4, dtype=np.float32)}, folder / "a.safetensors")
    (folder / "notes.txt").write_text("so it is")
