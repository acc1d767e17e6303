"""Texts that are in several splits or tasks."""

import json
from pathlib import Path

import pandas as pd
import pytest

from gradts_engine.runtime.prepare import current_run
from tests.e2e.texts import labelled, place_free, planned, save, texts


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
