"""MT-DNN's definitions and data, as its own scripts write them, become a tasks.toml that is valid and reads the same rows."""

import json
from pathlib import Path
from typing import Any

import pytest

from gradts_engine.__main__ import main
from gradts_engine.config import load_experiment
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.runtime.prepare import read_tasks

DEFINITIONS = """
cola: {data_format: PremiseOnly, dropout_p: 0.05, enable_san: false, metric_meta: [MCC, ACC], loss: CeCriterion, n_class: 2,
  task_type: Classification}
mnli:
  data_format: PremiseAndOneHypothesis
  enable_san: true
  labels: [contradiction, neutral, entailment]
  metric_meta: [ACC]
  kd_loss: MseCriterion
  n_class: 3
  split_names: [train, matched_dev, mismatched_dev, matched_test]
  task_type: Classification
stsb: {data_format: PremiseAndOneHypothesis, metric_meta: [Pearson, Spearman], n_class: 1, task_type: Regression}
qnnli:
  data_format: PremiseAndMultiHypothesis
  labels: [not_entailment, entailment]
  metric_meta: [ACC]
  task_type: Ranking
ner:
  data_format: Seqence
  labels: [O, B-PER, I-PER, X, CLS, SEP]
  metric_meta: [SeqEval]
  n_class: 6
  task_type: SeqenceLabeling
squad: {data_format: MRC, metric_meta: [EmF1], loss: SpanCeCriterion, task_type: Span}
mlm: {data_format: MLM, metric_meta: [ACC], n_class: 30522, task_type: MaskLM}
gen: {data_format: PremiseOnly, metric_meta: [ACC], task_type: SeqenceGeneration}
"""
FILES = {
    "cola_train.tsv": '0\t1\tThe "soup" was hot.\n1\t0\tHot was soup the.\n',
    "cola_dev.tsv": "0\t1\tIt was.\n1\t0\tWas was.\n",
    "mnli_train.json": [
        {"uid": "0", "label": 2, "premise": "It rains.", "hypothesis": "It is wet."},
        {"uid": "1", "label": "neutral", "premise": "It rains.", "hypothesis": "It is cold."},
    ],
    "mnli_matched_dev.tsv": "0\tneutral\tA.\tB.\n",
    "mnli_mismatched_dev.tsv": "0\tcontradiction\tA.\tC.\n",
    "mnli_matched_test.tsv": "0\tneutral\tA.\tD.\n",
    "stsb_train.tsv": "0\t2.5\tA cat.\tA dog.\n",
    "stsb_dev.tsv": "0\t5.0\tA cat.\tA cat.\n",
    "qnnli_train.tsv": "0\t1,2\tentailment,not_entailment\tWhere?\tIn Rome.\tSoup.\n"
    "1\t3,4\tnot_entailment,entailment\tWho?\tSoup.\tAda.\n",
    "qnnli_dev.json": [
        {"uid": "0", "ruid": ["1", "2"], "label": 1, "olabel": [0, 1], "premise": "Who?", "hypothesis": ["a", "b"]}
    ],
    "ner_train.tsv": "0\t['B-PER', 'O']\t['Ada', 'lives']\n",
    "ner_dev.json": [{"uid": "0", "label": [1, 0], "premise": ["Ada", "lives"]}],
    "squad_train.json": [
        {"uid": "0", "label": "3:::7:::Rome", "premise": "In Rome.", "hypothesis": "Where?"},
        {"uid": "1", "label": "0:::0::::::1", "premise": "In Rome.", "hypothesis": "Who?"},
    ],
    "squad_dev.json": [{"uid": "0", "label": "3:::7:::Rome", "premise": "In Rome.", "hypothesis": "Where?"}],
    "mlm_train.json": [{"uid": "0", "label": 0, "premise": "The soup was hot."}],
    "mlm_dev.json": [{"uid": "0", "label": 0, "premise": "The soup was cold."}],
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "def.yml").write_text(DEFINITIONS)
    for name, rows in FILES.items():
        text = rows if isinstance(rows, str) else "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / "data" / name).write_text(text)
    return tmp_path


def run(source: Path, *more: str) -> int:
    return main(["import-mtdnn", str(source / "def.yml"), str(source / "data"), str(source / "out"), *more])


def test_everything_that_we_know_is_carried_over(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(source, "--encoder", "minilm-l6", "--json") == 0
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    catalog = load_catalog()
    experiment = load_experiment(source / "out" / "tasks.toml", catalog)
    names = {f"mtdnn-{name}" for name in ("cola", "mnli", "stsb", "qnnli", "ner", "squad", "mlm")}
    assert set(experiment.tasks) == names == set(said["tasks"])
    assert experiment.training.optimizer == "adamax"
    types = {name: catalog.task_types[spec.type].load() for name, spec in experiment.tasks.items()}
    data = {name.removeprefix("mtdnn-"): task for name, task in read_tasks(experiment, catalog, types).items()}
    rows = {name: [(i.text, i.label) for i in task.splits["train"]] for name, task in data.items()}
    assert rows["cola"] == [(('The "soup" was hot.',), "1"), (("Hot was soup the.",), "0")]
    assert rows["mnli"] == [(("It rains.", "It is wet."), "entailment"), (("It rains.", "It is cold."), "neutral")]
    assert data["mnli"].labels == ("contradiction", "neutral", "entailment")
    assert rows["stsb"] == [(("A cat.", "A dog."), 2.5)]
    assert rows["qnnli"] == [(("Where?", "In Rome.", "Soup."), "0"), (("Who?", "Soup.", "Ada."), "1")]
    assert data["qnnli"].splits["dev"][0].label == "1"
    assert rows["ner"] == [(("Ada", "lives"), ("B-PER", "O"))]
    assert data["ner"].splits["dev"][0].label == ("B-PER", "O")
    assert data["ner"].labels == ("O", "B-PER", "I-PER")
    assert rows["squad"] == [(("Where?", "In Rome."), (("Rome", 3),)), (("Who?", "In Rome."), ())]
    assert rows["mlm"] == [(("The soup was hot.",), "")]
    assert {name: task.metric for name, task in data.items()} == {
        "cola": "mcc",
        "mnli": "accuracy",
        "stsb": "pearson",
        "qnnli": "accuracy",
        "ner": "span_f1",
        "squad": "answer_f1",
        "mlm": "masked_accuracy",
    }
    lost = "\n".join(said["not carried over"])
    for words in (
        "cola: test: no cola_test.json or .tsv",
        "cola: metric_meta: mcc is the main metric, accuracy can be chosen",
        "cola: dropout_p: 0.05 has no counterpart",
        "mnli: enable_san: True has no counterpart",
        "mnli: mismatched_dev: written, not in tasks.toml",
        "mnli: matched_test: written, not in tasks.toml, since test labels may be placeholders",
        "mnli: kd_loss: MseCriterion",
        "ner: labels: without X, CLS, SEP",
        "gen: left out: task_type SeqenceGeneration",
    ):
        assert words in lost
    assert "loss: CeCriterion" not in lost


def test_the_report_as_a_table(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(source) == 0
    said = capsys.readouterr()
    assert "not carried over:" in said.out
    assert "wrote" in said.err
    assert "google-bert/bert-base-uncased" in (source / "out" / "tasks.toml").read_text()
    assert run(source) == 2
    assert "is not empty" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("def.yml", "cola: [", "not valid YAML"),
        ("def.yml", "- cola", "has no task definitions"),
        ("def.yml", "gen: {task_type: SeqenceGeneration}", "no task could be imported: gen: left out"),
        ("def.yml", "../up: {task_type: Classification}", "left out: its name"),
        ("data/cola_train.tsv", "0\t1\n", "cola_train.tsv:1: 2 fields, expected 3"),
        ("data/cola_train.tsv", "0\tgood\tText\n", "cola_train.tsv:1: ValueError"),
        ("data/mnli_train.json", "{", "mnli_train.json:1: broken JSON"),
        ("data/mnli_train.json", "[1]", "mnli_train.json:1: expected a JSON object a line"),
        ("data/ner_train.tsv", "0\t[B\t['a']\n", "ner_train.tsv:1: SyntaxError"),
    ],
)
def test_what_cannot_be_read_names_its_place(
    source: Path, name: str, content: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (source / name).write_text(content)
    assert run(source) == 2
    assert message in capsys.readouterr().err


def test_tokenised_files_have_lost_their_text(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for split in ("train", "dev"):
        (source / "data" / f"cola_{split}.json").write_text(
            '{"uid": "0", "label": 1, "token_id": [101, 102], "type_id": [0, 0]}\n'
        )
    assert run(source) == 0
    said = capsys.readouterr().out
    assert "cola: train: is tokenised: its text is gone" in said
    assert "cola: left out: no train rows" in said
