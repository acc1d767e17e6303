"""Pickles of the published code, made from its own results: read to the bit, and its correlations found again."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from gradts_engine.__main__ import main


def old(content: bytes) -> bytes:
    """As numpy before 2.0 wrote it. The shorter name is padded where its length is written before it."""
    return content.replace(b"numpy._core.", b"numpy.core.") if content[1] < 4 else content


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_gradient_files_are_imported_to_the_bit(correlation_case: Path, tmp_path: Path, capsys, protocol):
    source = tmp_path / "gradient_files" / "bert"
    matrices = np.load(correlation_case / "matrices.npz")
    tau = json.loads((correlation_case / "task_level.json").read_text())["task_level"]
    instance_tau = np.load(correlation_case / "instance_level.npz")
    tasks = sorted({name.partition("__")[0] for name in matrices})

    def dump(value: object, *place: str) -> None:
        path = source.joinpath(*place)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(old(pickle.dumps(value, protocol)))

    for task in tasks:
        dump(matrices[f"{task}__task"], task, "gradient_layer_normal_task.pkl")
        dump(matrices[f"{task}__ins"], task, "gradient_layer_normal_ins.pkl")
        table = {auxiliary: np.float64("nan" if x is None else x) for auxiliary, x in tau[task].items()}
        dump(table, task, "gradient_correlation", "task_level_corr.pkl")
    for name in instance_tau:
        main_task, _, auxiliary = name.partition("__")
        dump(list(instance_tau[name]), main_task, "gradient_correlation", f"{auxiliary}.pkl")

    out = tmp_path / "out"
    assert main(["import-pickle", str(source), str(out), "--json"]) == 0
    shown = capsys.readouterr()
    facts = json.loads(shown.out)
    count = sum(map(len, tau.values())) + sum(instance_tau[name].size for name in instance_tau)
    assert (facts["compared"], facts["equal"]) == (count, count)
    assert f"{count} published correlations computed again: all are equal, to the bit" in shown.err
    for task in tasks:
        found = load_file(out / f"{task}.safetensors")
        np.testing.assert_array_equal(found["task"], matrices[f"{task}__task"].astype(np.float32))
        np.testing.assert_array_equal(found["instances"], matrices[f"{task}__ins"].astype(np.float32))
    for name in instance_tau:
        main_task, _, auxiliary = name.partition("__")
        np.testing.assert_array_equal(load_file(out / f"{main_task}.tau.safetensors")[auxiliary], instance_tau[name])
    written = json.loads((out / "tau.json").read_text())
    assert written["published"] == {t: {a: None if x is None or x != x else x for a, x in tau[t].items()} for t in tasks}
