"""What is said of data before anything is trained, and what runs make of it: leaks, missing labels, classes that train lacks."""

import csv
import json
import os
import stat
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import tomli

from gradts_engine.runtime.prepare import current_run

WORDS = "good bad fine awful great poor nice dull film book play song is was seems".split()


def texts(count, start=0):
    """Different sentences."""
    n = len(WORDS)
    return [f"{WORDS[i % n]} {WORDS[i // n % n]} {WORDS[i // n // n % n]}" for i in range(start, start + count)]


def save(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def labelled(found, labels):
    return [{"text": text, "label": labels[i % len(labels)]} for i, text in enumerate(found)]


@pytest.fixture
def own(place):
    """A place whose tasks are `t` and `u`; their files are for the test to write."""
    for name in ("mood", "pair", "stars", "tags"):
        del place.settings[f"tasks.{name}"]
    place.rows = {}
    place.settings["run"]["primary"] = ["t"]
    place.settings["data"] = {"max_length": 32}
    for name in ("t", "u"):
        place.settings[f"tasks.{name}"] = {"type": "classification", "train": f"{name}.jsonl", "dev_fraction": 0.25}
        save(place.folder / f"{name}.jsonl", labelled(texts(60, 100 if name == "u" else 0), ["x", "y"]))
    place.write()
    return place


def planned(place, task="t"):
    found = place("plan --json", str(place.config))
    assert found.code == 0, found.err
    return next(one for one in found.json["tasks"] if one["task"] == task)


# --- leaks -----------------------------------------------------------------------------------------------------------


def test_two_tasks_of_one_file_leak_nothing(own):
    table = pd.DataFrame({"text": texts(60), "one": ["x", "y"] * 30, "two": ["p", "q", "r"] * 20})
    table.to_csv(own.folder / "d.csv", index=False)
    own.settings["tasks.t"] |= {"train": "d.csv", "label": "one"}
    own.settings["tasks.u"] |= {"train": "d.csv", "label": "two"}
    own.write()
    found = planned(own)
    assert found["overlap"] == {"dev": {"t": 0, "u": 0}, "test": {}}
    assert found["train"] + found["dev"] == 60
    assert found["duplicates"] == 0


@pytest.mark.parametrize("policy", ["drop", "keep"])
def test_texts_that_a_primary_is_judged_by(own, policy, tmp_path):
    """Counted before, left out of every trial with the auxiliary, and told by results and model card."""
    dev, test = labelled(texts(16, 300), ["x", "y"]), labelled(texts(16, 400), ["x", "y"])
    save(own.folder / "dev.jsonl", dev)
    save(own.folder / "test.jsonl", test)
    shared = [{"text": row["text"].upper(), "label": "y"} for row in (*dev[:5], *test[:3])]
    save(own.folder / "u.jsonl", [*shared, *labelled(texts(40, 100), ["x", "y"])])
    own.settings["tasks.t"] = {"type": "classification", "train": "t.jsonl", "dev": "dev.jsonl", "test": "test.jsonl"}
    own.settings["tasks.u"] = {"type": "classification", "train": "u.jsonl", "dev": "dev.jsonl"}
    own.settings["data"]["overlap"] = policy
    own.settings["selection"] |= {"strategy": "all"} if "all" in strategies(own) else {"strategy": "trial"}
    own.write()
    assert planned(own)["overlap"] == {"dev": {"t": 0, "u": 5}, "test": {"t": 0, "u": 3}}
    result = own.run()
    assert result.code == 0, result.err
    assert (
        "warning: task 't': dev rows with the text of a train row of u: 5; test rows with the text of a train row of u: 3"
        in result.err
    )
    found = own("results --json").json
    data = {row["task"]: row for row in found["data"]}
    assert data["t"]["overlap"] == {"dev": {"t": 0, "u": 5}, "test": {"t": 0, "u": 3}}
    trials = {tuple(t["auxiliaries"]): t["instances"] for t in found["primaries"]["t"]["trials"]}
    assert trials[("u",)] == {"u": 40 if policy == "drop" else 48}
    card = (Path(found["primaries"]["t"]["final"]["model"]) / "README.md").read_text()
    assert "dev texts that are train texts of u: 5" in card
    assert ("left out when it is an auxiliary: 8 of its 48 train rows" in result.err) == (policy == "drop")


def test_a_share_is_one_of_the_rows_that_can_be_used(own, folder):
    """Texts of the dev split are no part of it, nor of what is said to have been chosen."""
    dev = labelled(texts(16, 300), ["x", "y"])
    save(own.folder / "dev.jsonl", dev)
    save(own.folder / "u.jsonl", [*dev, *labelled(texts(24, 100), ["x", "y"])])
    for task in ("t", "u"):
        own.settings[f"tasks.{task}"] = {"type": "classification", "train": f"{task}.jsonl", "dev": "dev.jsonl"}
    own.settings["selection"] = {"confirm": "ask", "strategy": "fine-grained"}
    own.write()
    assert own.run().code == 3
    assert own("confirm --primary t --auxiliaries u --keep 0.5 --yes").code == 0
    own.done()
    assert own("results --json").json["primaries"]["t"]["confirmed"] == [{"task": "u", "instances": 12}]
    assert own("export selection t", str(folder / "chosen.jsonl")).code == 0
    chosen = [json.loads(line) for line in (folder / "chosen.jsonl").read_text().splitlines()]
    assert len(chosen) == 12
    assert not {row["text"][0] for row in chosen} & {row["text"] for row in dev}
    kept = own("results --json").json["primaries"]["t"]["kept"]["u"]
    assert max(kept.values()) <= 24


def strategies(place):
    return [row["name"] for row in json.loads(place_free(place, "strategies --json"))]


def place_free(place, command):
    """The output of a command that has no store."""
    from gradts_engine.__main__ import main

    place.capture.readouterr()
    assert main(command.split()) == 0
    return place.capture.readouterr().out


def test_overlap_can_stop_a_run(own):
    own.settings["data"]["overlap"] = "stop"
    save(own.folder / "u.jsonl", labelled(texts(60), ["x", "y"]))
    own.settings["tasks.u"]["dev_fraction"] = 0.5
    own.settings["run"]["primary"] = ["u"]
    own.write()
    result = own.run()
    assert result.code == 2
    first, last = result.err.splitlines()[-2:]
    assert first.startswith("task 'u': dev rows with the text of a train row of t: ")
    assert last == f"{own.config}: data.overlap is stop: correct the data, or drop or keep these rows"


def test_the_seed_of_the_data_cuts_and_nothing_else(own):
    before = planned(own)["dev"], current_run(own.config)
    own.settings["data"]["seed"] = own.settings["run"]["seed"]
    own.write()
    assert (planned(own)["dev"], current_run(own.config)) == before
    own.settings["run"]["seed"] += 1
    own.write()
    changed_run = current_run(own.config)
    assert changed_run != before[1]
    own.settings["data"]["seed"] += 1
    own.write()
    assert current_run(own.config) != changed_run


# --- labels ----------------------------------------------------------------------------------------------------------


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
    assert found["classes"]["-1"] == {"train": 0, "dev": 0, "test": 12}
    assert found["test"] == 12
    assert "test rows without a label (empty, or -1 for none): 12 of 12, predicted, not scored" in found["warnings"]
    assert "t: 3 classes: -1 (test only, 12), x, y" in own("plan", str(own.config)).out


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
    assert found["classes"]["-1"]["train"] == 20
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


# --- all at once -----------------------------------------------------------------------------------------------------


def test_problems_of_all_tasks_are_told_at_once(own):
    save(own.folder / "t.jsonl", labelled(texts(1), ["x"]))
    (own.folder / "u.jsonl").unlink()
    result = own("plan", str(own.config))
    assert result.code == 2
    _, one, two = result.err.splitlines()  # after what is read
    assert "task 't' has 1 row, of which dev_fraction = 0.25 leaves none to train with" in one
    assert two.startswith(f"{own.folder / 'u.jsonl'}: no such file")


# --- data ------------------------------------------------------------------------------------------------------------


def test_a_file_without_a_tasks_toml(own, monkeypatch):
    """Counts as pandas has them, and a table that can be pasted."""
    own.config.unlink()
    monkeypatch.chdir(own.folder)
    table = pd.DataFrame({"id": range(80), "text": texts(79) + texts(1), "label": ["a", "b", "b", "c"] * 20})
    table.to_csv("d.csv", sep=";", index=False, quoting=csv.QUOTE_ALL)
    found = json.loads(place_free(own, "data d.csv --json"))
    assert found["columns"] == ["id", "text", "label"]
    assert found["files"]["train"][0]["delimiter"] == ";"
    assert {name: sum(counts.values()) for name, counts in found["classes"].items()} == Counter(table["label"])
    assert found["train"] + found["dev"] == len(table)
    assert found["duplicates"] == table["text"].duplicated().sum()
    assert (found["text"], found["label"], found["type"]) == (["text"], "label", "classification")
    shown = place_free(own, "data d.csv")
    assert found["table"] in shown
    settings = tomli.loads(found["table"])["tasks"]["d"]
    own.settings["tasks.t"] = settings
    own.write()
    pasted = planned(own)
    assert {name: sum(counts.values()) for name, counts in pasted["classes"].items()} == Counter(table["label"])


def test_a_task_of_a_tasks_toml(own):
    found = json.loads(place_free(own, f"data t --config {own.config} --json"))
    plan = planned(own)
    same = set(plan) - {"found", "seconds"}
    assert {key: found[key] for key in same} == {key: plan[key] for key in same}
    assert len(found["first"]) == 3
    assert "classes" in place_free(own, f"data t --config {own.config}")


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_full_disk_is_one_line(place, options):
    full = "/dev/full"
    if not Path(full).is_char_device():  # where there is none, one is made
        full = str(place.folder / "full")
        os.mknod(full, stat.S_IFCHR | 0o600, os.makedev(1, 7))
    with open(full, "w") as nowhere:
        command = [sys.executable, "-m", "gradts_engine", "strategies", *options]
        result = subprocess.run(command, stdout=nowhere, stderr=subprocess.PIPE, text=True)
    assert (result.returncode, result.stderr) == (1, "the output cannot be written: No space left on device\n")
