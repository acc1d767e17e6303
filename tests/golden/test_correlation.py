"""Kendall's tau against the published code's, bit for bit."""

import json
from pathlib import Path

import numpy as np

from gradts_engine.scoring.correlation import kendall_tau


def test_tau_of_tasks(correlation_case: Path) -> None:
    matrices = np.load(correlation_case / "matrices.npz")
    expected = json.loads((correlation_case / "task_level.json").read_bytes())["task_level"]
    found = {
        main: {a: kendall_tau(matrices[f"{main}__task"], matrices[f"{a}__task"][None])[0] for a in auxiliaries}
        for main, auxiliaries in expected.items()
    }
    assert found == expected


def test_tau_of_instances(correlation_case: Path) -> None:
    matrices = np.load(correlation_case / "matrices.npz")
    expected = np.load(correlation_case / "instance_level.npz")
    for pair in expected:
        main, auxiliary = pair.split("__")
        tau = kendall_tau(matrices[f"{main}__task"], matrices[f"{auxiliary}__ins"])
        assert np.array_equal(tau, expected[pair], equal_nan=True), pair
