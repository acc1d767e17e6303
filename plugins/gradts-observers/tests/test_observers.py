from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradts_observers import mlflow, tensorboard
from gradts_observers.pictures import GAP, HEIGHT, WIDTH, draw

from gradts_engine.__main__ import main
from gradts_engine.testing import TOY_WORDS, tiny_encoder, toy_rows

pytest_plugins = ["gradts_engine.testing.fixtures"]


@pytest.fixture
def run(tmp_path: Path, isolated_catalog: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs two toy tasks with a plugin that watches; what was said."""
    import json

    tiny_encoder(tmp_path / "tiny", words=TOY_WORDS)
    tables = ""
    for task in ("mood", "stars"):
        for split in ("train", "dev"):
            rows = toy_rows()[task][split]
            (tmp_path / f"{task}.{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        kind = "classification" if task == "mood" else "regression"
        tables += f'[tasks.{task}]\ntype = "{kind}"\ntrain = "{task}.train.jsonl"\ndev = "{task}.dev.jsonl"\n'
    (tmp_path / "tasks.toml").write_text(
        '[run]\nencoder = "tiny"\nprimary = ["mood"]\ndevices = ["cpu"]\n[data]\nmax_length = 24\n'
        f'[training]\nepochs = 1\n[multitask]\nepochs = 1\n[selection]\nstrategy = "trial"\nconfirm = "auto"\n{tables}'
    )

    def run(plugin: Any) -> str:
        plugin._watchers.clear()
        isolated_catalog(plugin)
        assert main(["run", str(tmp_path / "tasks.toml"), "--plain"]) == 0
        said = capsys.readouterr()
        return said.out + said.err

    return run


def test_pictures() -> None:
    """A cell is brighter the higher its value, has ink for its digits, and none has a colour without a value."""
    pixels = draw(np.array([[0.0, 1.0], [np.nan, 0.5]]), ["one", "a-long-name"], ["x", "another-long-name"])
    assert pixels.dtype == np.uint8
    height, width, _ = pixels.shape
    left, top = width - 2 * WIDTH - GAP, height - 2 * HEIGHT - GAP
    assert top > 3 * HEIGHT, "long names of columns are turned"
    cells = [[pixels[top + y * HEIGHT :, left + x * WIDTH :][:HEIGHT, :WIDTH] for x in range(2)] for y in range(2)]
    low, high, missing, middle = (int(cells[y][x][0, 0].sum()) for y, x in ((0, 0), (0, 1), (1, 0), (1, 1)))
    assert low < middle < high < missing == 3 * 255
    assert all(len(np.unique(cell.reshape(-1, 3), axis=0)) > 1 for row in cells for cell in row)
    assert draw(np.full((1, 2), np.nan), ["a"], ["b", "c"]).shape[2] == 3


def test_tensorboard(run: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setenv("GRADTS_TENSORBOARD", str(tmp_path / "boards"))
    assert "no longer sees events" not in run(tensorboard)
    (folder,) = (tmp_path / "boards").iterdir()
    found = EventAccumulator(str(folder))
    found.Reload()
    scalars = set(found.Tags()["scalars"])
    assert {"loss/tune/mood", "dev/tune/mood/accuracy", "tau/mood/stars", "trials/mood", "final/mood/dev"} <= scalars
    assert set(found.Tags()["images"]) == {"importance/mood", "importance/stars", "tau"}
    assert all(np.isfinite(event.value) for event in found.Scalars("loss/tune/mood"))


def test_mlflow(run: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = pytest.importorskip("mlflow", reason="mlflow is not installed").MlflowClient
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # a server or a database would have to be installed
    monkeypatch.setenv("GRADTS_MLFLOW", (tmp_path / "mlruns").as_uri())
    said = run(mlflow)
    assert "no longer sees events" not in said
    found = client(tracking_uri=(tmp_path / "mlruns").as_uri())
    (one,) = found.search_runs([found.get_experiment_by_name("gradts").experiment_id])
    assert one.info.status == "FINISHED"
    assert {"loss/tune/mood", "tau/mood/stars", "final/mood/dev"} <= set(one.data.metrics)
    assert {"importance", "tau.png"} <= {file.path for file in found.list_artifacts(one.info.run_id)}


@pytest.mark.parametrize("plugin", [tensorboard, mlflow])
def test_off_unless_asked_for(plugin: Any, run: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRADTS_TENSORBOARD", raising=False)
    monkeypatch.delenv("GRADTS_MLFLOW", raising=False)
    run(plugin)
    assert not plugin._watchers


def test_what_goes_wrong_is_said_once_and_the_run_goes_on(
    run: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GRADTS_TENSORBOARD", str(tmp_path / "file" / "no-folder"))
    said = run(tensorboard)
    assert said.count("no longer sees events") == 1
    assert "stars" in said
