"""Settings and data that are damaged anywhere."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gradts_engine.config import Experiment, load_experiment
from gradts_engine.contracts import TaskData, TaskSpec
from gradts_engine.errors import GradTSError
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.learning.data import read_task
from gradts_engine.learning.task_types import Classification, TokenClassification
from tests.unit.fuzz.damage import damaged, effort, told

TOML = """[run]
encoder = "gpt2"
primary = ["reviews"]
seed = 3
devices = ["cpu"]

[training]
epochs = 2
learning_rate = 3e-5

[selection]
strategy = "trial"
confirm = "auto"

[tasks.reviews]
type = "classification"
train = "reviews.jsonl"
dev_fraction = 0.1
text = ["first", "second"]

[tasks."other"]
type = "token_classification"
train = "a.conll"
dev = "b.conll"
labels = ["O", "B-x"]
"""


@effort(1000, 6000)
def test_settings(tmp_path, inputs):
    """Every file is an experiment or a list of problems, each in a line that can be shown."""
    rng, catalog, path = random.Random("settings"), load_catalog(), tmp_path / "tasks.toml"
    loaded = 0
    for _ in range(inputs):
        content = damaged(rng, TOML.encode())
        if rng.random() < 0.3:  # a word in the place of another
            words = TOML.split(" ")
            words[rng.randrange(len(words))] = rng.choice(words)
            content = " ".join(words).encode()
        path.write_bytes(content)
        try:
            assert isinstance(load_experiment(path, catalog), Experiment)
            loaded += 1
        except GradTSError as error:
            told(error)
    assert 0 < loaded < inputs * 0.9


ROWS = [{"text": f"text {i} ü", "label": "xy"[i % 2]} for i in range(6)]
FILES: dict[str, Callable[[Path], object]] = {
    "a.jsonl": lambda path: path.write_text("".join(json.dumps(row) + "\n" for row in ROWS)),
    "a.csv": lambda path: path.write_text("text,label\n" + "".join(f'"{r["text"]}",{r["label"]}\n' for r in ROWS)),
    "a.tsv": lambda path: path.write_text("text\tlabel\n" + "".join(f"{r['text']}\t{r['label']}\n" for r in ROWS)),
    "a.parquet": lambda path: pq.write_table(pa.Table.from_pylist(ROWS), path),
    "a.conll": lambda path: path.write_text("Bonn NNP B-x\nis VBZ O\n\n" * 4),
    "a.conllu": lambda path: path.write_text("1\tBonn\t_\tNNP\n2\tis\t_\tO\n\n" * 4),
}


@pytest.mark.parametrize("name", FILES)
@effort(400, 2500)
def test_rows(tmp_path, name, inputs):
    """Every file is a task of sound rows or an error that names it; with bad rows skipped, too."""
    rng, path = random.Random(name), tmp_path / name
    FILES[name](path)
    original = path.read_bytes()
    words = ".conll" in name
    kind = TokenClassification() if words else Classification()
    text, label = ("tokens", "labels") if words else ("text", "label")
    spec = TaskSpec(name="t", type="t", train=str(path), dev=str(path), text=text, label=label)
    for i in range(inputs):
        path.write_bytes(damaged(rng, original))
        try:
            data = read_task(spec, kind, "accuracy", {}, ("stop", "skip")[i % 2], 0)
        except GradTSError as error:
            told(error)
            continue
        assert isinstance(data, TaskData)
        for instance in data.splits["train"]:
            assert all(isinstance(part, str) for part in instance.text)
            assert set(kind.classes(instance.label)) <= set(data.labels)
            json.dumps([instance.text, instance.label]).encode()
