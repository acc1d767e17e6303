import json
from pathlib import Path

import datasets
import gradts_tagging
import pytest

from gradts_engine.__main__ import main
from gradts_engine.errors import UsageError
from gradts_engine.learning.published import Published
from gradts_engine.learning.rows import read_rows
from gradts_engine.testing import TaskContract

TASKS = {task.name: task for task in gradts_tagging.gradts_tasks()}
pytestmark = pytest.mark.usefixtures("real_data")


class TestTagging(TaskContract):
    tasks = tuple(task for task in TASKS.values() if task.name != "ner_conll2003")


def test_every_label_of_the_data_is_known() -> None:
    for name in ("pos_ewt", "ner_wnut17", "chunk_conll2000"):
        task = TASKS[name]
        for source in (task.train, task.dev, task.test):
            assert source is not None
            assert {label for row in read_rows(source) for label in row.values["labels"]} <= set(task.labels or ())


@pytest.mark.parametrize("name", ["pos_ewt", "ner_wnut17", "chunk_conll2000"])
def test_from_the_hub(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`datasets` reads a local folder by the same name as a data set of the Hub."""
    task = TASKS[name]
    source = task.train
    assert isinstance(source, Published)
    theirs = next(column for column, ours in source.columns.items() if ours == "labels")
    names = ["_", *(task.labels or ())]
    text, tag = datasets.Value("string"), datasets.ClassLabel(names=names)
    features = datasets.Features({"tokens": datasets.List(text), theirs: datasets.List(tag)})
    rows = {"tokens": [["don't", "do", "n't"]] * 10, theirs: [[0 if name == "pos_ewt" else 1, 1, 2]] * 10}
    owner, repository, config = source.hub.split("/")
    home = tmp_path / owner / repository
    for split in (
        "train",
        "validation",
        "test",
    ):  # as in a branch of converted data, which has no description
        datasets.Dataset.from_dict(rows, features=features).to_parquet(home / config / split / "0000.parquet")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GRADTS_DATA")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    found = [row.values for row in read_rows(source)]
    assert len(found) == (9 if name == "chunk_conll2000" else 10)
    first, second = (task.labels or ())[:2]
    if name == "pos_ewt":  # the written form of two words has no label of its own
        assert found[0] == {"tokens": ["do", "n't"], "labels": [first, second]}
    else:
        assert found[0] == {"tokens": ["don't", "do", "n't"], "labels": [first, first, second]}
    assert task.dev is not None
    assert len(list(read_rows(task.dev))) == (1 if name == "chunk_conll2000" else 10)


def test_what_is_fixed_to_a_commit_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "show", "ner_wnut17", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["revision"] == f"commit {gradts_tagging.WNUT}"
    assert main(["tasks", "show", "chunk_conll2000"]) == 0
    assert "refs/convert/parquet, which is not a commit: the Hub may change" in capsys.readouterr().out
    assert main(["tasks", "show", "ner_conll2003", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["revision"] == ""


def test_conll2003_is_for_those_who_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = TASKS["ner_conll2003"]
    with pytest.raises(UsageError, match=r"no data for 'ner_conll2003'.* NIST has to allow.*GRADTS_DATA"):
        list(read_rows(task.train))
    folder = tmp_path / "tasks" / "ner_conll2003"
    folder.mkdir(parents=True)
    (folder / "train.jsonl").write_text('{"tokens": ["Ada"], "labels": ["B-PER"]}\n')
    assert [row.values["labels"] for row in read_rows(task.train, {"data": str(tmp_path)})] == [["B-PER"]]
