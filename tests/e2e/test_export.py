"""Results as files."""

import json
import os
import threading

import numpy as np
import pytest
from safetensors.numpy import load, load_file

from gradts_engine.scoring.normalise import normalise, task_importance


def test_importance_as_a_file(ran, folder):
    path = folder / "stars.safetensors"
    result = ran("export importance stars", str(path))
    assert (result.code, result.out) == (0, f"wrote {path}\n")
    found = load_file(path)
    raw = found["raw"]
    assert {name: (array.shape, str(array.dtype)) for name, array in found.items()} == {
        "raw": ((36, 2, 4), "float32"),
        "instances": ((36, 2, 4), "float32"),
        "task": ((2, 4), "float32"),
        "ids": ((36,), "int64"),
    }
    assert (raw > 0).all()
    np.testing.assert_array_equal(found["instances"], normalise(raw))
    np.testing.assert_array_equal(found["task"], task_importance([raw]))
    for matrix in (found["task"], *found["instances"]):
        assert (matrix.min(), matrix.max()) == (0, 1)
    assert found["ids"].tolist() == list(range(36))
    shown = ran("results --heatmap stars --json").json
    assert shown == {"task": "stars", "importance": found["task"].tolist()}


@pytest.mark.parametrize("command", ["importance stars", "selection mood"])
def test_a_file_that_cannot_be_written_is_named(ran, folder, command):
    path = folder / "nowhere" / "file"
    assert ran(f"export {command}", str(path)).line == f"{path} cannot be written: No such file or directory"


def test_rows_are_counted_as_in_the_source(ran, folder):
    """Where a bad row was skipped, the others keep their numbers, until it is deleted; where they are gone it is said so."""
    ran.rows["stars"]["train"][3]["label"] = "many"
    ran.settings["data"]["on_bad_row"] = "skip"
    ran.settings["data"]["limit_order"] = "first"
    ran.settings["tasks.stars"]["train_limit"] = 20
    ran.write()
    ran.done()
    assert ran("export importance stars", str(folder / "f")).code == 0
    assert load_file(folder / "f")["ids"].tolist() == [*range(3), *range(4, 21)]
    del ran.rows["stars"]["train"][3]
    ran.write()
    assert ran("export importance stars", str(folder / "f")).err == ""
    assert load_file(folder / "f")["ids"].tolist() == [*range(20)]
    del ran.rows["stars"]["train"][3]
    ran.write()
    old = "warning: ids are where instances stood when stars was scored: "
    changed = f"{ran.config}: the train rows of stars are no longer those of run {ran.latest.id}; run it again first\n"
    assert ran("export importance stars", str(folder / "f")).err == old + changed
    (ran.folder / "data" / "stars.train.jsonl").unlink()
    assert ran("export importance stars", str(folder / "f")).err.startswith(old)
    assert load_file(folder / "f")["ids"].tolist() == [*range(3), *range(4, 21)]


def lines(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_selection_as_a_file(ran, folder):
    """Of fine-grained selection: the share that was asked for, those with the highest tau, as they stand in the data."""
    ran.settings["selection"] = {"confirm": "auto", "strategy": "fine-grained", "keep": 0.25}
    ran.write()
    ran.done()
    path = folder / "selection.jsonl"
    result = ran("export selection mood", str(path))
    proposed = ran("results --json").json["primaries"]["mood"]["proposed"]
    count = sum(auxiliary["instances"] for auxiliary in proposed)
    assert (result.code, result.out) == (0, f"wrote {count} instances to {path}\n")
    found = lines(path)
    assert [row["task"] for row in found] == [a["task"] for a in proposed for _ in range(a["instances"])]
    view = ran.latest.view()
    key = view.stage("correlate", "mood").key
    taus = load_file(ran.store.root / "artifacts" / "correlate" / key / "instance_tau.safetensors")
    for task in {row["task"] for row in found}:
        chosen = [row for row in found if row["task"] == task]
        assert [row["tau"] for row in chosen] == sorted(taus[task].tolist(), reverse=True)[: len(chosen)]
        for row in chosen:
            source = ran.rows[task]["train"][row["row"]]
            assert row["tau"] == taus[task][row["row"]]
            texts = {"pair": lambda row: [row["one"], row["two"]], "tags": lambda row: row["words"]}
            assert row["text"] == texts.get(task, lambda row: [row["text"]])(source)
            label = source["tags" if task == "tags" else "label"]
            assert row["label"] == (str(label) if task == "pair" else label)


def test_a_selection_that_was_edited(ran, folder):
    """Whole tasks: every instance, the one that agrees most first."""
    ran.settings["selection"]["confirm"] = "ask"
    ran.write()
    assert ran.run().code == 3
    path = folder / "selection.jsonl"
    assert ran("export selection mood", str(path)).code == 0  # what is proposed, before anybody has decided
    proposed = ran("results --json").json["primaries"]["mood"]["proposed"]
    assert [row["task"] for row in lines(path)] == [auxiliary["task"] for auxiliary in proposed for _ in range(36)]
    assert ran("confirm --primary mood --auxiliaries tags --yes").code == 0
    assert ran.run().code == 0
    assert ran("export selection mood", str(path)).code == 0
    found = lines(path)
    assert [row["task"] for row in found] == ["tags"] * 36
    assert sorted(row["row"] for row in found) == list(range(36))
    taus = [row["tau"] for row in found]
    assert taus == sorted(taus, reverse=True)
    assert all(row["label"] == ran.rows["tags"]["train"][row["row"]]["tags"] for row in found)


def test_a_selection_with_a_task_that_failed(ran, folder):
    """A person may want it all the same, but there is nothing to rank its instances by."""
    for row in ran.rows["stars"]["train"]:
        row["label"] = 1e30 * (1 + row["label"])
    ran.settings["multitask"]["learning_rate"] = 1e-30
    ran.settings["selection"]["confirm"] = "ask"
    ran.write()
    assert ran.run().code == 3
    assert ran("confirm --primary mood --auxiliaries stars,tags --yes").code == 0
    ran.run()
    result = ran("export selection mood", str(folder / "f"))
    assert (result.code, result.line) == (2, "stars has no tau with mood: its fine-tuning failed")
    assert not (folder / "f").exists()


def test_a_selection_of_data_that_have_changed_is_refused(ran, folder):
    ran.done()
    path = folder / "selection.jsonl"
    assert ran("export selection mood", str(path)).code == 0
    before = path.read_bytes()
    task = ran("results --json").json["primaries"]["mood"]["proposed"][0]["task"]
    ran.rows[task]["train"].pop()
    ran.write()
    result = ran("export selection mood", str(path))
    assert result.code == 2
    expected = f"{ran.config}: the train rows of {task} are no longer those of run {ran.latest.id}; run it again first"
    assert result.line == expected
    assert path.read_bytes() == before


def test_an_export_into_a_pipe_goes_through_it(ran, tmp_path):
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    assert ran("export importance mood", str(pipe)).code == 0
    reader.join(30)
    assert pipe.is_fifo()
    assert set(load(got[0])) >= {"raw", "task", "ids"}
