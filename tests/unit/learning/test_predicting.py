"""Rows that an exported model is given are read as those that it was trained with."""

import json
from pathlib import Path

import pytest
from torch import nn

from gradts_engine.contracts import Dialect, TaskSpec
from gradts_engine.learning.data import read_task
from gradts_engine.learning.predicting import Model, read_rows_for, reads
from gradts_engine.learning.task_types import Classification, MultiLabel


@pytest.fixture
def write(tmp_path: Path):
    def write(name: str, content: str) -> str:
        (tmp_path / name).write_text(content)
        return str(tmp_path / name)

    return write


def trained(kind, train: str, test: str, **fields):
    """A task as a run reads it, and its model as it was exported."""
    spec = TaskSpec(name="t", type="t", train=train, dev=train, test=test, **fields)
    data = read_task(spec, kind, "accuracy", {}, "stop", 0)
    kept = json.loads(json.dumps(reads(spec, data)))
    return data, Model(nn.Identity(), lambda inputs: inputs["x"], None, "t", kind, data.labels, 32, kept)


def test_minus_one_is_a_class_where_the_model_has_it(write):
    rows = write("a.jsonl", "".join(json.dumps({"text": f"row {i}", "label": str(i % 3 - 1)}) + "\n" for i in range(9)))
    data, model = trained(Classification(), rows, rows, labels=("-1", "0", "1"))
    found = read_rows_for(model, rows, {})
    assert [row.label for row in found] == [row.label for row in data.splits["test"]] == ["-1", "0", "1"] * 3


def test_files_like_those_of_the_training_are_read_alike_and_others_as_they_are(write):
    rows = write("a.csv", '"good" bread,x\n"bad",y\n')
    dialect = Dialect(quoting="none", header=("text", "label"))
    data, model = trained(Classification(), rows, rows, dialect=dialect)
    assert [row.text for row in read_rows_for(model, rows, {})] == [row.text for row in data.splits["test"]]
    assert data.splits["test"][1].text == ('"bad"',)
    for other in (write("b.jsonl", '{"text": "good", "label": "x"}\n'), write("b.tsv", "text\tlabel\ngood\tx\n")):
        assert [row.text for row in read_rows_for(model, other, {})] == [("good",)]


@pytest.mark.parametrize("hidden", ["text,label\na,\nb,\n", '{"text": "a", "label": null}\n{"text": "b", "label": null}\n'])
def test_a_hidden_test_split_of_several_classes_is_not_scored(write, hidden):
    """An empty cell names no class; where all are empty nobody has named any."""
    train = write("train.csv", "text,label\n" + "".join(f"row {i},{('x|y', 'x', '')[i % 3]}\n" for i in range(9)))
    test = write("test.csv" if hidden.startswith("text") else "test.jsonl", hidden)
    data, _ = trained(MultiLabel(), train, test, separator="|")
    assert [row.label for row in data.splits["train"]] == [("x", "y"), ("x",), ()] * 3
    assert (len(data.splits.get("test", ())), len(data.unlabelled)) == (0, 2)
