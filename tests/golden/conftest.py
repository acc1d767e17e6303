"""Every folder of golden cases is taken up by what it holds, so that further cases need no code."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gradts_engine.learning.batches import Encoded
from gradts_engine.learning.task_types import IGNORED, Classification, Regression, TokenClassification

GOLDEN = Path(os.environ.get("GRADTS_GOLDEN", Path(__file__).resolve().parents[3] / "shared" / "golden"))

KINDS = {
    "checkpoint": "config.json",
    "correlation_case": "matrices.npz",
    "importance_case": "settings.json",
    "selection_case": "selection.json",
    "training_case": "trajectory.json",
}
"""The file that tells what a folder is."""


def kinds(folder: Path) -> list[str]:
    """What a folder is; importance of whole batches, which is not our definition, is a kind of its own."""
    found = [kind for kind, name in KINDS.items() if (folder / name).is_file()]
    if found == ["importance_case"] and json.loads((folder / "settings.json").read_bytes())["batch_size"] != 1:
        return ["batched_case"]
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for name in {*KINDS, "batched_case", "case_kinds"} & {*metafunc.fixturenames}:
        folders = sorted(path for path in GOLDEN.glob("*/") if name == "case_kinds" or name in kinds(path))
        none = pytest.param(None, marks=pytest.mark.skip(reason=f"no {name} in {GOLDEN}: set GRADTS_GOLDEN to run this test"))
        values = [(path.name, kinds(path)) for path in folders] if name == "case_kinds" else folders
        metafunc.parametrize(name, values or [none], ids=[path.name for path in folders] or ["none"])


@pytest.fixture
def read_inputs() -> Callable[..., Encoded]:
    """Reads an `inputs.npz`: without its padding, as our data."""
    types = {"ce": Classification, "mse": Regression, "token_ce": TokenClassification}

    def read(folder: Path, loss: str, n_class: int, labels: str = "labels") -> Encoded:
        arrays = np.load(folder / "inputs.npz")
        lengths = arrays["lengths"]
        names = [name for name in ("input_ids", "token_type_ids", "attention_mask") if name in arrays]
        inputs = {name: [row[:n] for row, n in zip(arrays[name], lengths, strict=True)] for name in names}
        targets = list(arrays[labels].astype(np.float32) if loss == "mse" else arrays[labels])
        if loss == "token_ce":
            targets = [np.where(row == -1, IGNORED, row)[:n] for row, n in zip(targets, lengths, strict=True)]
        classes = tuple(map(str, range(n_class)))
        return Encoded(folder.name, types[loss](), classes, inputs, targets, dict.fromkeys(names, 0))

    return read
