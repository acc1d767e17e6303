"""Metrics, schemes and encoders that do not fit the data, through the command line: one line that says what to do, or the right
thing shown."""

import json
import math
from pathlib import Path

import pytest

from gradts_engine.__main__ import main


def planned(place, task: str) -> dict:
    place.write()
    result = place("plan --json", str(place.config))
    assert result.code == 0, result.err
    assert "Warning" not in result.err
    return next(row for row in result.json["tasks"] if row["task"] == task)


def refused(place) -> str:
    """The one line that both `plan` and `run` refuse with."""
    place.write()
    one, two = place("plan", str(place.config)), place.run()
    assert one.code == two.code == 2, (one, two)
    assert one.line == two.err.splitlines()[-1]  # after a line of progress
    assert "Traceback" not in two.err
    return one.line


def retag(place, change) -> None:
    for rows in place.rows["tags"].values():
        for row in rows:
            row["tags"] = [change(tag) for tag in row["tags"]]


@pytest.mark.parametrize(
    ("change", "metric", "scheme"),
    [
        (lambda tag: tag, "span_f1", "IOB2"),
        (lambda tag: int(tag == "O"), "token_accuracy", None),  # class ids
        ({"O": "NOUN", "B-name": "PROPN"}.get, "token_accuracy", None),  # parts of speech
        ({"O": "O", "B-name": "name-B"}.get, "span_f1", "IOB2"),
        ({"O": "O", "B-name": "U-name"}.get, "token_accuracy", None),  # U alone may be anything
    ],
)
def test_tags_decide_on_the_metric(place, change, metric, scheme):
    retag(place, change)
    found = planned(place, "tags")
    assert (found["metric"], found["scheme"]) == (metric, scheme)


def test_spans_are_not_asked_of_what_has_none(place):
    retag(place, lambda tag: int(tag == "O"))
    place.settings["tasks.tags"]["metric"] = "span_f1"
    assert refused(place) == (
        'task \'tags\': span_f1: these tags mark no spans: 0, 1; use metric = "token_accuracy", or scheme = "IO" where every tag '
        "but O is the type of a span"
    )
    retag(place, {0: "name", 1: "O"}.get)
    place.settings["tasks.tags"]["scheme"] = "BILOU"
    assert "tags are O, name, expected tags such as B-PER, I-PER, L-PER, U-PER, O; correct scheme" in refused(place)
    place.settings["tasks.tags"]["scheme"] = "IO"
    place.settings["tasks.tags"]["strict"] = True
    assert planned(place, "tags")["scheme"] == "IO"
    place.settings["tasks.tags"]["metric"] = "token_accuracy"
    assert "scheme is given, but token_accuracy is not of spans" in refused(place)


def test_f1_is_of_one_class(place):
    place.settings["tasks.mood"]["metric"] = "f1"
    assert planned(place, "mood")["positive"] == "good"  # the last of two
    place.settings["tasks.mood"]["positive"] = "bad"
    assert planned(place, "mood")["positive"] == "bad"
    place.settings["tasks.mood"]["positive"] = "god"
    assert "positive = \"god\" is not a class; did you mean 'good'" in refused(place)
    del place.settings["tasks.mood"]["positive"]
    for split in ("train", "dev"):
        place.rows["mood"][split][0]["label"] = "none"
    assert "f1 is of one class, but there are 3 (bad, good, none): use macro_f1, micro_f1 or weighted_f1, or" in refused(place)
    place.settings["tasks.mood"]["metric"] = "weighted_f1"
    assert planned(place, "mood")["positive"] is None


def test_inputs_longer_than_the_encoder_has_positions(place):
    place.settings["data"]["max_length"] = 1000
    assert refused(place).endswith("has 256 positions, expected at most 256")
    place.settings["data"]["max_length"] = 256
    planned(place, "mood")


def test_words_that_are_nothing_to_the_tokenizer(place):
    for row in place.rows["tags"]["dev"]:
        row["words"] = ["\u200b"] * len(row["words"])
    assert refused(place).startswith("task 'tags': no word of its 16 dev rows has a token of encoder ")
    place.rows["tags"]["dev"][3]["words"] = ["anna"] * len(place.rows["tags"]["dev"][3]["words"])
    planned(place, "tags")


def test_a_primary_that_could_never_have_a_score(place):
    for row in place.rows["stars"]["dev"]:
        row["label"] = 3
    place.settings["run"]["primary"] = ["stars"]
    assert refused(place) == (
        "task 'stars': pearson has no value on the dev split: all true labels are 3; use another metric, or other dev rows"
    )


def test_a_score_that_is_not_defined_is_none_and_said(place):
    """A candidate needs no dev score: its last epoch is taken."""
    for row in place.rows["stars"]["dev"]:
        row["label"] = 3
    for row in place.rows["mood"]["test"]:
        row["label"] = "bad"
    place.settings["tasks.mood"]["metric"] = "mcc"
    place.settings["selection"]["strategy"] = "none"
    place.write()
    place.done()
    results = place("results --json").json
    stars = next(task for task in results["data"] if task["task"] == "stars")
    assert stars["dev_score" if "dev_score" in stars else "dev score"] is None
    assert "pearson has no value on the dev split: all true labels are 3" in stars["warnings"]
    final = results["primaries"]["mood"]["final"]
    assert final["test"] is None
    assert math.isfinite(final["score"])
    assert results["tau"]["mood"]["stars"] is not None
    card = (Path(final["model"]) / "README.md").read_text()
    assert "mcc has no value on the test split: all true labels are 'bad'" in card


def test_predict(ran, tmp_path, capsys):
    def predict(*arguments) -> tuple[int, str, str]:
        code = main(["predict", *map(str, arguments), "--device", "cpu"])
        return code, *capsys.readouterr()

    model = ran.latest.models / "mood"
    csv = tmp_path / "new.csv"
    csv.write_text("review\nlovely tomato\ngrim bread\n")
    code, out, err = predict(model, csv, "--text", "review")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [row["row"] for row in rows] == [0, 1]
    for row in rows:
        assert row["prediction"] == max(row["scores"], key=row["scores"].get)
        assert "label" not in row
    assert "2 rows, 0 with a label: no accuracy: there is nothing to score" in err

    some = tmp_path / "some.jsonl"
    some.write_text(
        '{"text": "lovely tomato", "label": "good"}\n{"text": "grim bread", "label": -1}\n{"text": "sad", "label": null}\n'
    )
    answers = tmp_path / "answers.jsonl"
    code, out, _ = predict(model, some, "--out", answers, "--json")
    found = json.loads(out)
    assert (code, found["rows"], found["labelled"], found["metric"]) == (0, 3, 1, "accuracy")
    assert found["score"] == float(json.loads(answers.read_text().splitlines()[0])["prediction"] == "good")

    for arguments, problem in (
        ((model, tmp_path / "absent.csv"), "absent.csv"),
        ((tmp_path, csv), "is not a model that GradTS exported"),
        ((model, csv), "no column 'text'"),
        ((model, csv, "--text", "review", "--json"), "needs --out FILE"),
        ((model, some, "--out", tmp_path / "no" / "folder.jsonl"), "folder.jsonl cannot be written"),
    ):
        code, out, err = predict(*arguments)
        assert (code, out) == (2, "")
        assert problem in err
        assert "Traceback" not in err
