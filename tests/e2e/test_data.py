"""`data` and `plan` on files as people have them."""

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

from tests.e2e.texts import labelled, place_free, planned, save, texts

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


def test_a_task_whose_files_are_in_a_folder_of_its_name(own, monkeypatch):
    """As `init` finds them: t/train.jsonl, t/dev.jsonl."""
    monkeypatch.chdir(own.folder)
    (own.folder / "t").mkdir()
    assert json.loads(place_free(own, "data t --json"))["task"] == "t"


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
