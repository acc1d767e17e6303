"""MaChAmp's configurations: what is imported is read as the files have it."""

import json

import pytest

from gradts_engine.config import load_experiment
from gradts_engine.errors import UsageError
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.published.machamp import import_machamp
from gradts_engine.runtime.prepare import read_tasks

REST = "\t_" * 5
CONFIG = {
    "UD": {
        "train_data_path": "ewt.train",
        "validation_data_path": "ewt.dev",
        "word_idx": 1,
        "tasks": {
            "upos": {"task_type": "seq", "column_idx": 3, "loss_weight": 0.5},
            "dependency": {"task_type": "dependency", "column_idx": 6},
        },
    },
    "NLU": {
        "train_data_path": "nlu.train",
        "word_idx": 1,
        "tasks": {
            "slots": {"task_type": "seq_bio", "column_idx": 2},
            "intent": {"task_type": "classification", "column_idx": -1},
        },
    },
    "RTE": {
        "train_data_path": "rte.train",
        "dev_data_path": "rte.train",
        "sent_idxs": [0, 1],
        "tasks": {"rte": {"task_type": "classification", "column_idx": 2, "metric": "f1_macro"}},
    },
    "ACTS": {
        "train_data_path": "acts.tsv",
        "sent_idxs": [0],
        "skip_first_line": True,
        "tasks": {"acts": {"task_type": "multiclas", "column_idx": 1}},
    },
    "GONE": {"train_data_path": "gone", "tasks": {}},
}


@pytest.fixture
def data(tmp_path):
    ud = f"# text = a b\n1\ta\ta\tDET\t_{REST}\n2\tb\tb\tNOUN\t_{REST}\n\n"
    (tmp_path / "ewt.train").write_text(ud * 3)
    (tmp_path / "ewt.dev").write_text(ud)
    words = [f"# intent: x\n1\tto\tO\n2\tbay{i}\tB-place\n\n" for i in range(30)]
    (tmp_path / "nlu.train").write_text("".join(words))
    (tmp_path / "rte.train").write_text("".join(f'It is "{i}\tIt rains\t{"yn"[i % 2]}\n' for i in range(6)))
    (tmp_path / "acts.tsv").write_text("said\tact\n" + "".join(f"See {i}\t{('bye|bad', 'bye')[i % 2]}\n" for i in range(30)))
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    return tmp_path


def imported(data, config="config.json"):
    metrics = {name: spec.metrics for name, spec in load_catalog().task_types.items()}
    return import_machamp(data / config, data, data / "out", metrics, "minilm-l6")


def test_tasks_are_read_from_the_same_files(data):
    found = imported(data)
    assert found.lost == [
        "UD.upos: loss_weight has no counterpart",
        "UD.dependency: left out: task_type dependency has no counterpart",
        "NLU.intent: left out: column_idx -1: the label is in no column",
        f"GONE: left out: no file {data / 'gone'}",
    ]
    catalog = load_catalog()
    experiment = load_experiment(data / "out" / "tasks.toml", catalog)
    types = {name: catalog.task_types[spec.type].load() for name, spec in experiment.tasks.items()}
    read = read_tasks(experiment, catalog, types)
    assert {name: (task.type, task.metric, task.labels) for name, task in read.items()} == {
        "ud-upos": ("token_classification", "token_accuracy", ("DET", "NOUN")),
        "nlu-slots": ("token_classification", "span_f1", ("B-place", "O")),
        "rte-rte": ("classification", "macro_f1", ("n", "y")),
        "acts-acts": ("multi_label", "subset_accuracy", ("bad", "bye")),
    }
    assert [row.text for row in read["ud-upos"].splits["train"]] == [("a", "b")] * 3
    assert read["rte-rte"].splits["train"][1].text == ('It is "1', "It rains")
    assert sum(len(rows) for rows in read["nlu-slots"].splits.values()) == 30
    assert sum(len(rows) for rows in read["acts-acts"].splits.values()) == 30


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "expected data sets as"),
        ('{"A": {"tasks": {}}}', "no task could be imported: A: left out: no tr"),
    ],
)
def test_what_is_no_configuration(data, content, message):
    (data / "bad.json").write_text(content)
    with pytest.raises(UsageError, match=message):
        imported(data, "bad.json")
    assert not (data / "out").exists()


def test_nothing_is_overwritten(data):
    imported(data)
    with pytest.raises(UsageError, match=r"tasks\.toml exists"):
        imported(data)
