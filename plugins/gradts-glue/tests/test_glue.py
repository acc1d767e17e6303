import json
from pathlib import Path
from typing import Any

import datasets
import gradts_glue
import pytest

from gradts_engine.__main__ import main
from gradts_engine.contracts import TaskSpec
from gradts_engine.errors import UsageError
from gradts_engine.learning.rows import read_rows
from gradts_engine.testing import TaskContract

TASKS = {task.name: task for task in gradts_glue.gradts_tasks()}
pytestmark = pytest.mark.usefixtures("real_data")


class TestGlue(TaskContract):
    tasks = tuple(TASKS.values())


def test_names_and_label_names() -> None:
    assert set(TASKS) == {*"cola sst2 mrpc qqp stsb mnli mnli-mismatched qnli rte wnli".split()}
    (first,) = (row.values for row in read_rows(TASKS["cola"].train) if row.row == 0)
    assert set(first) >= {"text", "label"}
    assert {row.values["label"] for row in read_rows(TASKS["mrpc"].train)} == {"not_equivalent", "equivalent"}
    assert {row.values["label"] for row in read_rows(TASKS["wnli"].train)} == {"not_entailment", "entailment"}
    assert {row.values["label"] for row in read_rows(TASKS["mnli-mismatched"].dev or "")} == set(TASKS["mnli"].labels or ())


def on_the_hub(folder: Path, task: str) -> None:
    """A data set with the columns, features and splits of the Hub's nyu-mll/glue, which `datasets` reads by the same name."""
    glue = gradts_glue.TASKS[task]
    label = datasets.ClassLabel(names=list(glue.labels)) if glue.labels else datasets.Value("float32")
    text = datasets.Value("string")
    columns = dict.fromkeys(glue.columns, text) | {"label": label, "idx": datasets.Value("int32")}
    features = datasets.Features(columns)
    values: list[Any] = [0, len(glue.labels) - 1] if glue.labels else [1.5, 4.0]
    rows = {column: [f"{column} 0", f"{column} 1"] for column in glue.columns} | {"label": values, "idx": [0, 1]}
    home = folder / "nyu-mll" / "glue"
    home.mkdir(parents=True, exist_ok=True)
    splits = ["train", "validation_matched", "validation_mismatched"] if task == "mnli" else ["train", "validation"]
    for split in splits:
        datasets.Dataset.from_dict(rows, features=features).to_parquet(home / task / f"{split}.parquet")
    files = [{"split": split, "path": f"{task}/{split}.parquet"} for split in splits]
    configs = [{"config_name": task, "data_files": files}]
    (home / "README.md").write_text(f"---\nconfigs: {json.dumps(configs)}\n---\n")


@pytest.mark.parametrize("name", TASKS)
def test_from_the_hub(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = TASKS[name]
    folder = task.train.folder  # type: ignore[union-attr]
    on_the_hub(tmp_path, folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GRADTS_DATA")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    train, dev = ([row.values for row in read_rows(source)] for source in (task.train, task.dev) if source is not None)
    assert train == dev
    columns = (task.text,) if isinstance(task.text, str) else task.text
    assert [set(row) for row in train] == [{*columns, "label"}] * 2
    assert [row["label"] for row in train] == ([task.labels[0], task.labels[-1]] if task.labels else [1.5, 4.0])


def test_the_hub_is_asked_for_one_commit() -> None:
    for task in TASKS.values():
        assert f"@{gradts_glue.REVISION}:" in str(task.train)


def test_what_is_missing_and_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(UsageError, match=r"tasks/rte/train.jsonl: no such file. Let the Hub's nyu-mll/glue be downloaded"):
        list(read_rows(TASKS["rte"].train, {"data": str(tmp_path)}))
    monkeypatch.setenv("GRADTS_DATA", str(tmp_path))
    with pytest.raises(UsageError, match=r"no data for 'rte': .* has no folder rte, and the Hub gave none. .*cannot be loaded"):
        list(read_rows(TASKS["rte"].train))
    (tmp_path / "tasks" / "rte").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"tasks/rte/train.jsonl: no such file"):
        list(read_rows(TASKS["rte"].train))


def test_show(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["tasks", "show", "rte", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["labels"] == ["entailment", "not_entailment"]
    assert shown["sizes"]["train"] > 1000
    assert len(shown["examples"]) == 3
    assert shown["citation"].startswith("Dagan")
    assert "nyu-mll/glue/rte@bcdcba7" in shown["source"]["train"]
    assert main(["tasks", "show", "rte"]) == 0
    assert " -> not_entailment" in capsys.readouterr().out
    monkeypatch.setenv("GRADTS_DATA", str(tmp_path))
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    assert main(["tasks", "show", "rte"]) == 2
    said = capsys.readouterr()
    assert "RTE 1, 2, 3 and 5" in said.out
    assert "no data for 'rte'" in said.err


def test_every_task_says_who_made_it() -> None:
    for task in TASKS.values():
        assert isinstance(task, TaskSpec)
        assert task.citation
