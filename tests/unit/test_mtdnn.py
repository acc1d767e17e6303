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
        "cola: test: no cola_test.json, .tsv or .txt",
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


@pytest.mark.parametrize(
    ("task", "name", "content", "message"),
    [
        ("cola", "cola_train.tsv", "0\t1\n", "cola_train.tsv:1: 2 fields, expected 3"),
        ("cola", "cola_train.tsv", "0\t1\tbad\tvery bad\n", "cola_train.tsv:1: 4 fields, expected 3"),
        ("cola", "cola_train.tsv", b"0\t1\tcaf\xe9\n", "cola_train.tsv:1: is not UTF-8"),
        ("cola", "cola_train.tsv", "0\t1\t" + "x" * 2**20 + "\n", "cola_train.tsv:1: the line is longer than 1 MiB"),
        ("mnli", "mnli_train.json", "{", "mnli_train.json: broken JSON"),
        ("mnli", "mnli_train.json", "[1]", "mnli_train.json: row 1: expected an object"),
        ("mnli", "mnli_train.json", '{"label": 1}', "mnli_train.json:1: no field 'premise'"),
        ("mnli", "mnli_matched_dev.tsv", "0\tmaybe\tA.\tB.\n", "mnli_matched_dev.tsv:1: label 'maybe' is none of the labels"),
        ("ner", "ner_train.tsv", "0\t[B\t['a']\n", "ner_train.tsv:1: "),
        ("ner", "ner_train.tsv", "0\t['B-LOC']\t['Rome']\n", "ner_train.tsv:1: label 'B-LOC' is none of the labels O, B-PER"),
        ("ner", "ner_train.tsv", "0\t['O', 'O']\t['Rome']\n", "ner_train.tsv:1: 1 words but 2 labels"),
    ],
)
def test_damage_stops_its_task_alone(
    source: Path, task: str, name: str, content: str | bytes, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (source / "data" / name).write_bytes(content.encode() if isinstance(content, str) else content)
    assert run(source, "--json") == 2
    said = capsys.readouterr()
    (line,) = (lost for lost in json.loads(said.out)["not carried over"] if lost.startswith(f"{task}: "))
    assert line.startswith(f"{task}: left out: ")
    assert message in line
    assert "1 task was left out because of rows that cannot be read" in said.err
    assert not (source / "out" / "data" / f"mtdnn-{task}").exists()
    assert f"mtdnn-{task}" not in load_experiment(source / "out" / "tasks.toml", load_catalog()).tasks


def test_shapes_of_today(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As the present version of MT-DNN defines and writes its tasks."""
    (tmp_path / "data").mkdir()
    (tmp_path / "def.yml").write_text("""
squad: {data_format: MRC, metric_meta: [EmF1], task_type: SpanClassification}
squad-v2: {data_format: MRC, metric_meta: [EmF1], task_type: SpanClassificationYN}
wiki: {data_format: MLM, task_type: MaskLM}
topics: {data_format: PremiseOnly, metric_meta: [F1], n_class: 11, task_type: Classification}
kinds: {data_format: PremiseOnly, metric_meta: [F1MIC], labels: [😀, b], n_class: 2, task_type: Classification}
anli:
  data_format: PremiseAndOneHypothesis
  labels: [n, e]
  split_names: [r1_train, r1_dev, r2_train, r2_dev, r3_train, r3_dev, r3_test]
  task_type: Classification
best: {data_format: PremiseAndMultiHypothesis, labels: [bad, good], metric_meta: [ACC], task_type: Ranking}
copa: {data_format: PremiseAndMultiHypothesis, task_type: ClozeChoice}
""")
    article = {"title": "t", "paragraphs": [{"context": "In Rome.", "qas": [{"id": "1", "question": "Where?", "answers": []}]}]}
    answered = {"id": "2", "question": "Where?", "answers": [{"text": "Rome", "answer_start": 3}]}
    other = {"title": "u", "paragraphs": [{"context": "In Rome.", "qas": [answered]}]}
    document = json.dumps({"version": "2", "data": [article, other]})
    texts = {"wiki_train.txt": "One text.\nAnother\ttext.\n", "wiki_dev.txt": "A third one.\n"}
    for split in ("train", "dev"):
        texts |= {f"{name}_{split}.json": document for name in ("squad", "squad-v2")}
        texts[f"topics_{split}.tsv"] = "0\t10\tten\n1\t2\ttwo\n"
        texts[f"kinds_{split}.tsv"] = "0\t😀\tten\n1\t1\ttwo\n"
        texts[f"best_{split}.tsv"] = "0\t1,2\t1\tq\ta\tb\n1\t1,2\t1,0\tq\ta\tb\n2\t1,2\tbad,good\tq\ta\tb\n"
        texts |= {f"anli_r{i}_{split}.tsv": f"0\te\tr{i} {split}\th\n1\tn\tx\ty\n" for i in (1, 2, 3)}
    for name, text in texts.items():
        (tmp_path / "data" / name).write_text(text)
    assert run(tmp_path, "--encoder", "minilm-l6", "--json") == 0, capsys.readouterr()
    lost = json.loads(capsys.readouterr().out)["not carried over"]
    assert [line for line in lost if line.startswith("copa")] == ["copa: left out: task_type ClozeChoice has no counterpart"]
    assert "topics: metric_meta: F1 becomes macro_f1, since there are more than two classes" in lost
    catalog = load_catalog()
    experiment = load_experiment(tmp_path / "out" / "tasks.toml", catalog)
    types = {name: catalog.task_types[spec.type].load() for name, spec in experiment.tasks.items()}
    data = {name.removeprefix("mtdnn-"): task for name, task in read_tasks(experiment, catalog, types).items()}
    assert [i.label for i in data["squad-v2"].splits["train"]] == [(), (("Rome", 3),)]
    assert [i.text for i in data["wiki"].splits["train"]] == [("One text.",), ("Another\ttext.",)]
    assert data["topics"].labels == tuple(map(str, range(11)))
    assert [data[name].metric for name in ("topics", "kinds")] == ["macro_f1", "micro_f1"]
    assert [i.label for i in data["kinds"].splits["train"]] == ["😀", "b"]
    assert [i.text[0] for i in data["anli"].splits["train"]] == ["r1 train", "x", "r2 train", "x", "r3 train", "x"]
    assert len(data["anli"].splits["dev"]) == 6
    assert [i.label for i in data["best"].splits["train"]] == ["1", "0", "1"]
