"""Labels that are missing, new, written differently or contradict each other."""

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.e2e.texts import labelled, place_free, planned, save, texts


@pytest.mark.parametrize("none", [-1, "-1", None, float("nan"), ""])
@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_a_test_split_without_labels_has_no_score(own, kind, none):
    rows = [{"text": text, "label": none} for text in texts(12, 500)]
    path = own.folder / f"te.{kind}"
    if kind == "jsonl":
        save(path, rows)
    elif kind == "csv":
        pd.DataFrame(rows).to_csv(path, index=False)
    else:
        pd.DataFrame(rows).to_parquet(path)
    own.settings["tasks.t"]["test"] = path.name
    own.write()
    found = planned(own)
    assert found["classes"][""] == {"train": 0, "dev": 0, "test": 12}
    assert found["test"] == 12
    assert "test rows without a label (empty, or -1 for none): 12 of 12, predicted, not scored" in found["warnings"]
    assert "t: 2 classes: x, y; without a label: 12 test" in own("plan", str(own.config)).out


@pytest.mark.parametrize("labels", [[-1], ["x", -1, "y"]])
def test_a_run_answers_test_rows_without_a_label(own, labels, folder):
    """All of them, as `predict` does, and scores those with a label alone."""
    rows = labelled(texts(12, 500), labels)
    save(own.folder / "te.jsonl", rows)
    own.settings["tasks.t"]["test"] = "te.jsonl"
    own.settings["selection"]["strategy"] = "none"
    own.write()
    computed = own.done()
    assert ("test", "t") in computed
    final = own("results --json").json["primaries"]["t"]["final"]
    answers = [json.loads(line) for line in Path(final["predictions"]).read_text().splitlines()]
    assert [a["row"] for a in answers] == list(range(12))
    assert [a.get("label", -1) for a in answers] == [row["label"] for row in rows]
    score = accuracy([a for a in answers if "label" in a])
    assert final["test"] == final["alone_test"] == score
    shown, card = own("results").out, (Path(final["model"]) / "README.md").read_text()
    assert final["predictions"] in shown.replace("\n", "")
    assert ("predictions, no score" in shown, "predictions, no score" in card) == (score is None, score is None)
    place_free(own, f"predict {final['model']} {own.folder / 'te.jsonl'} --out {folder / 'again.jsonl'}")
    assert [json.loads(line) for line in (folder / "again.jsonl").read_text().splitlines()] == answers
    Path(final["predictions"]).unlink()
    given = {row["text"]: answer for row, answer in zip(rows, answers, strict=True)}
    moved = [{"label": "x"}, *sorted(rows, key=lambda row: row["label"] == -1)]  # a bad row above, those without a label below
    save(own.folder / "te.jsonl", moved)
    own.settings["data"]["on_bad_row"] = "skip"
    own.write()
    assert own.done() == set()
    answers = [json.loads(line) for line in Path(final["predictions"]).read_text().splitlines()]
    assert answers == [given[row["text"]] | {"row": i} for i, row in enumerate(moved) if i]


def accuracy(answers):
    return sum(a["prediction"] == a["label"] for a in answers) / len(answers) if answers else None


def test_a_test_split_may_lack_the_column(own):
    save(own.folder / "te.jsonl", [{"text": text} for text in texts(5, 500)])
    own.settings["tasks.t"]["test"] = "te.jsonl"
    own.write()
    assert planned(own)["test"] == 5


@pytest.mark.parametrize(
    ("split", "labels", "message"),
    [
        ("train", [-1], "no train row has a label (all 20 are empty or -1"),
        ("dev", [-1, None], "no dev row has a label (all 20 are empty or -1"),
        ("dev", ["z"], "no dev row has a class that train has: 'z', expected 'x', 'y'"),
        ("test", ["z", "-1"], "no test row has a class that train has: 'z', expected 'x', 'y'"),
        ("train", ["x"], "has one class, 'x', expected at least 2"),
    ],
)
def test_splits_that_nobody_can_learn_or_judge_by(own, split, labels, message):
    for name in ("train", "dev", "test"):
        save(own.folder / f"{name}.jsonl", labelled(texts(20), labels if name == split else ["x", "y"]))
    own.settings["tasks.t"] = {"type": "classification"} | {name: f"{name}.jsonl" for name in ("train", "dev", "test")}
    own.write()
    line = own("plan", str(own.config)).line
    assert line.startswith(f"{own.folder / f'{split}.jsonl'}: task 't'")
    assert message in line


def test_rows_without_a_label_are_left_out_and_minus_one_can_be_a_class(own):
    save(own.folder / "t.jsonl", labelled(texts(60), [-1, 0, 1]))
    own.write()
    found = planned(own)
    assert found["classes"][""]["train"] == 20
    assert found["train"] + found["dev"] == 40
    assert 'if -1 is a class, name all classes: labels = ["-1", ...]' in found["warnings"][0]
    own.settings["tasks.t"]["labels"] = ["-1", "0", "1"]
    own.write()
    found = planned(own)
    assert sum(found["classes"]["-1"].values()) == 20
    assert found["train"] + found["dev"] == 60
    assert found["warnings"] == []


def test_minus_one_is_a_number_to_a_regression(own):
    save(own.folder / "t.jsonl", labelled(texts(60), [-1, 0.5, 3]))
    own.settings["tasks.t"]["type"] = "regression"
    own.write()
    found = planned(own)
    assert (found["classes"], found["train"] + found["dev"]) == ({}, 60)


def test_classes_that_train_never_has_are_named_and_count_as_wrong(own):
    save(own.folder / "te.jsonl", labelled(texts(10, 500), ["x", "x", "x", "y", "new"]))
    own.settings["tasks.t"] |= {"test": "te.jsonl", "metric": "f1"}
    own.write()
    found = planned(own)
    assert found["classes"]["new"] == {"train": 0, "dev": 0, "test": 2}
    assert "test has classes that train never has and no prediction can be: 'new' (2)" in found["warnings"]
    assert "3 classes: new (test only, 2), x, y" in own("plan", str(own.config)).out


@pytest.mark.parametrize(
    ("labels", "same"),
    [
        (["1", "1.0", "2"], "'1', '1.0'"),
        (["true", "True", "false"], "'True', 'true'"),
        (["a b", " a  B", "c"], "' a  B', 'a b'"),
        (["caf\u00e9", "cafe\u0301", "tea"], "'cafe\u0301', 'caf\u00e9'"),
        (["\u200bno", "no", "yes"], "'\\u200bno', 'no'"),
        (["a", "b", "01x", "1x"], ""),
    ],
)
def test_one_class_in_several_spellings(own, labels, same):
    save(own.folder / "t.jsonl", labelled(texts(60), labels))
    own.write()
    said = [w for w in planned(own)["warnings"] if "spellings" in w]
    assert len(said) == bool(same)
    if same:
        result = own("plan", str(own.config))
        assert "look like one class in 2 spellings" in result.out
        assert sorted(said[0].split(" look")[0].split(", ")) == sorted(same.split(", "))


def test_numbers_are_in_their_order(own):
    save(own.folder / "t.jsonl", labelled(texts(120), list(range(12))))
    own.write()
    assert list(planned(own)["classes"]) == [str(i) for i in range(12)]


def test_one_text_with_two_labels(own):
    rows = labelled(texts(40), ["x", "y"])
    save(own.folder / "t.jsonl", [*rows, {"text": rows[0]["text"], "label": "y"}])
    own.settings["tasks.t"] |= {"dev": "u.jsonl"}
    del own.settings["tasks.t"]["dev_fraction"]
    own.write()
    found = planned(own)
    assert "train rows with the text of another one and another label: 2 of 41" in found["warnings"]
    assert found["duplicates"] == 1
