"""Classes and numbers in cells, and names of classes in Parquet files."""

import json
import socket
import subprocess
import sys

import datasets
import numpy as np
import pyarrow as pa
import pytest

from gradts_engine.contracts import TaskSpec
from gradts_engine.learning.rows import read_rows
from gradts_engine.learning.rows.cells import needed, unfold
from gradts_engine.learning.task_types import Classification, MultiLabel, Regression, TokenClassification
from tests.unit.learning.reading.sources import fails, values

# --- cells -----------------------------------------------------------------------------------------------------------


def labels_of(spec, kind, rows, tmp_path):
    path = tmp_path / "cells.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    records = read_rows(str(path), None, spec.dialect, needed(spec, labelled=True))
    unfolded = [unfold(spec, record, kind.word_level).values for record in records]
    return [kind.read_label(row[spec.label], kind.read_text([row[spec.text]])) for row in unfolded]


def test_several_classes_in_a_string_or_in_columns(tmp_path):
    spec = TaskSpec(name="t", type="multi_label", train="t", separator="|")
    rows = [{"text": "a", "label": label} for label in ("x| y", "", "z", ["x"])]
    assert labels_of(spec, MultiLabel(), rows, tmp_path) == [("x", "y"), (), ("z",), ("x",)]
    spec = TaskSpec(name="t", type="multi_label", train="t", indicators=("rude", "kind"))
    rows = [{"text": "a", "rude": a, "kind": b} for a, b in ((1, 0), ("1", "1.0"), (False, 0.0))]
    assert labels_of(spec, MultiLabel(), rows, tmp_path) == [("rude",), ("rude", "kind"), ()]
    with pytest.raises(ValueError, match="column 'rude' is 2, expected 0 or 1"):
        labels_of(spec, MultiLabel(), [{"text": "a", "rude": 2, "kind": 0}], tmp_path)
    with pytest.raises(ValueError, match="separator = "):
        MultiLabel().read_label("x|y", ("a",))
    spec = TaskSpec(name="t", type="token_classification", train="t", separator="/")
    assert labels_of(spec, TokenClassification(), [{"text": "New York/is", "label": "B/O"}], tmp_path) == [("B", "O")]


@pytest.mark.parametrize("text", ["1_000", "１", "0x10", "inf", "nan", "", "1,5", "1e", "True"])
def test_what_is_no_number(text):
    with pytest.raises(ValueError, match="is not a"):
        Regression().read_label(text, ("a",))


@pytest.mark.parametrize("text", ["1000", " -1.5 ", "+2", ".5", "5.", "1e3", "-0", "1E-05"])
def test_what_is_a_number(text):
    assert Regression().read_label(text, ("a",)) == float(text)


# --- Parquet and the Hub ---------------------------------------------------------------------------------------------


def test_class_names_in_parquet_files(tmp_path):
    features = datasets.Features(
        text=datasets.Value("string"),
        label=datasets.ClassLabel(names=["no", "yes"]),
        tags=datasets.List(datasets.ClassLabel(names=["O", "B-X"])),
    )
    rows = {"text": ["a", "b"], "label": [1, -1], "tags": [[0, 1], []]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "a.parquet")
    assert values(str(tmp_path / "a.parquet")) == [
        {"text": "a", "label": "yes", "tags": ["O", "B-X"]},
        {"text": "b", "label": None, "tags": []},
    ]
    old = {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}, "tags": [{"names": ["O"], "_type": "ClassLabel"}]}
    for features, expected in ((old, {"label": "yes", "tags": ["O"]}), ({"label": 3}, {"label": 1, "tags": [0]})):
        metadata = {"huggingface": json.dumps({"info": {"features": features}})}
        pa.parquet.write_table(pa.table({"label": [1], "tags": [[0]]}).replace_schema_metadata(metadata), tmp_path / "b.parquet")
        assert values(str(tmp_path / "b.parquet")) == [expected]
    metadata = {"huggingface": json.dumps({"info": {"features": old}})}
    pa.parquet.write_table(pa.table({"label": [7]}).replace_schema_metadata(metadata), tmp_path / "c.parquet")
    assert "class 7 of 2 (no, yes, ...)" in fails(str(tmp_path / "c.parquet"))


def test_the_hub_without_a_network_is_told_at_once():
    """In a process of its own, at a Hub that does not answer."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        code = "import datasets, time; from gradts_engine.learning.rows import read_rows; began = time.monotonic()\n"
        code += "try: list(read_rows('hf:owner/no-such-data-set:train'))\n"
        code += "except Exception as error: print(time.monotonic() - began, type(error).__name__, error)"
        ran = subprocess.run(
            [sys.executable, "-c", code], env={"HF_ENDPOINT": address, "HOME": "/nowhere"}, capture_output=True, text=True
        )
    seconds, kind, *message = ran.stdout.split(maxsplit=2)
    assert kind == "UsageError"
    assert "cannot be loaded" in message[0]
    assert float(seconds) < 8


def test_a_class_name_is_a_string():
    assert Classification().read_label(np.int64(3), ("a",)) == "3"
