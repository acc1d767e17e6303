"""Looking at runs; what goes wrong is told in a line."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rich.text import Text

from gradts_engine import report
from gradts_engine.__main__ import main
from gradts_engine.runtime.store import Store


@pytest.mark.parametrize("columns", ["", "60", "200"])
def test_tables_in_a_pipe(ran, columns):
    """As wide as COLUMNS, where that is set, else as they are; no name is broken."""
    process = subprocess.run(
        [sys.executable, "-m", "gradts_engine", "status", "--store", str(ran.store.root)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"COLUMNS": columns},
    )
    assert ran.latest.id in process.stdout
    assert max(map(len, process.stdout.splitlines())) <= int(columns or 200)


def test_a_run_that_waits_has_its_line_in_80_columns(ran):
    ran.settings["selection"]["confirm"] = "ask"
    ran.write()
    assert ran.run().code == 3
    process = subprocess.run(
        [sys.executable, "-m", "gradts_engine", "status", "--store", str(ran.store.root)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"COLUMNS": "80"},
    )
    (line,) = (line for line in process.stdout.splitlines() if line.startswith(f" {ran.latest.id} "))
    assert "waiting" in line
    assert f"{ran.latest.id}: waiting: waiting for confirmation of mood: look with" in process.stdout


@pytest.mark.parametrize("group", ["", "cache", "export"])
def test_a_bare_group_prints_its_help(group, tmp_path):
    command = [sys.executable, "-m", "gradts_engine", *group.split()]
    bare, asked = (subprocess.run([*command, *more], capture_output=True, text=True, check=False) for more in ([], ["--help"]))
    assert (bare.returncode, bare.stdout, bare.stderr) == (2, "", asked.stdout)


# --- looking ---------------------------------------------------------------------------------------------------------


def test_status(ran):
    (row,) = ran("status --json").json
    assert set(row) == {"run", "state", "finished", "MB", "last event", "engine", "reason"}
    found = ran(f"status {ran.latest.id} --json").json
    stages = found["stages"]
    assert found == row | {"stages": stages}
    assert (row["run"], row["state"], row["engine"], row["reason"]) == (ran.latest.id, "done", "", "")
    assert row["finished"] == len(stages)
    assert {stage["stage"] for stage in stages} == {
        "embed",
        "tune",
        "score",
        "correlate",
        "reliability",
        "trial",
        "proposal",
        "test",
    }
    (tuned,) = (stage for stage in stages if (stage["stage"], stage["subject"]) == ("tune", "stars"))
    assert (tuned["state"], tuned["done"], tuned["of"], tuned["reason"]) == ("done", 18, 18, "")
    assert ran.latest.id in ran("status").out
    listed = ran(f"status {ran.latest.id[:8]}").out
    assert all(word in listed for stage in stages for word in stage["subject"].split())  # a long one takes several lines


def test_results_in_tables(ran):
    found = ran("results --json").json
    shown = ran("results").out
    assert ran("results", ran.latest.id).out == shown
    for row in found["primaries"]["mood"]["ranking"]:
        assert f"{row['tau']:.4f}" in shown
    for trial in found["primaries"]["mood"]["trials"]:
        assert f"{trial['score']:.4f}" in shown
    assert "A ranking is a short-list" in shown
    heat = ran("results --heatmap stars").out
    rows = ran("results --heatmap stars --json").json["importance"]
    *_, last, first = heat.splitlines()  # the last layer is on top
    for line, row in ((first, rows[0]), (last, rows[1])):
        assert [float(number) for number in line.split()[1:]] == pytest.approx(row, abs=0.0051)


@pytest.mark.parametrize("command", ["tasks", "encoders", "predictors", "strategies", "executors", "plugins"])
def test_listings(command, capsys):
    assert main([command, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert main([command]) == 0
    shown = capsys.readouterr().out
    assert all(str(row[key]) in shown for row in rows for key in ("name", "plugin", "state") if key in row)
    if command == "strategies":
        names = {row["name"] for row in rows if row["plugin"] == "builtin"}
        assert names == {"halving", "trial", "threshold", "fine-grained", "embedding", "all", "none"}
    if command == "executors":
        assert rows[0]["name"] == "threads"
    if command == "plugins":
        assert rows[0]["plugin"] == "builtin"
        assert all(row["state"] == "in use" for row in rows)


def test_one_registered_task(capsys):
    assert main(["tasks", "--json"]) == 0
    names = [row["name"] for row in json.loads(capsys.readouterr().out)]
    name = next((name for name in names if name.startswith("planted")), None)
    if name is None:
        pytest.skip("no installed plugin generates a task")
    assert main(["tasks", "show", name, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["task"] == name
    assert facts["sizes"]["train"] >= len(facts["examples"]) == 3
    assert main(["tasks", "show", name]) == 0
    assert name in capsys.readouterr().out
    assert main(["tasks", "show", "nothing-like-it"]) == 2


HOSTILE = "[red]x[/] \x1b[2J\u202e[link=file:///]y"


def test_what_data_say_is_shown_as_it_is(place, folder):
    """Labels, texts, reasons, the names of folders: neither terminal codes nor markup of our own tables."""
    encoder = folder / HOSTILE.replace("/", "")
    shutil.copytree(place.settings["run"]["encoder"], encoder)
    place.settings["run"]["encoder"] = str(encoder)
    for split in place.rows["mood"].values():
        for row in split:
            row["label"] = row["label"] + HOSTILE
            row["text"] += HOSTILE
    place.rows["stars"]["train"][0]["label"] = HOSTILE
    place.write()
    bad = place.run()
    assert bad.code == 2
    assert "label '[red]x[/]" in bad.err
    place.settings["data"]["on_bad_row"] = "skip"
    place.write()
    good = place.run()
    assert good.code == 0
    for text in (bad.err, good.err, good.out, place("results").out):
        assert "[red]x" in text
        assert "\x1b" not in text
        assert "\u202e" not in text
    path = place.folder / "selection.jsonl"
    assert place("export selection mood", str(path)).code == 0


def test_markup_in_names_and_reasons_is_text(ran):
    from gradts_engine import events, tables
    from gradts_engine.runtime.journal import Journal

    name = "[bold]t[/bold]" + HOSTILE
    with Journal(ran.latest.events) as journal:
        journal.emit(events.StageFailed("tune", name, HOSTILE))
        journal.emit(events.TrialScored("mood", {name: 1}, float("nan"), "k", HOSTILE))
    for command in (f"status {ran.latest.id}", "results"):
        shown = " ".join(ran(command).out.split())
        assert "[bold]t[/bold]" in shown
        assert "[red]x[/]" in shown
        assert "\x1b" not in shown
        assert "\\x1b[2J\\u202e" in shown
    assert isinstance(tables.label(name), Text)


# --- errors ----------------------------------------------------------------------------------------------------------


def test_settings_that_are_wrong(place):
    place.settings["training"]["epochs"] = 0
    place.settings["multitask"]["stepz"] = 3
    place.write()
    result = place.run()
    text = place.config.read_text().splitlines()
    assert result.code == 2
    assert result.out == ""
    first, second = result.err.splitlines()
    assert first.startswith(f"{place.config}:{text.index('epochs = 0') + 1}: training.epochs: got 0")
    assert second == f"{place.config}:{text.index('stepz = 3') + 1}: multitask.stepz: unknown key 'stepz'; did you mean 'steps'?"
    assert not place.store.root.exists()


def test_a_row_that_is_wrong(place):
    place.rows["stars"]["dev"][4]["label"] = "many"
    place.write()
    result = place.run()
    assert result.code == 2
    path = place.folder / "data" / "stars.dev.jsonl"
    found = [line for line in result.err.splitlines() if "reading 4 tasks" not in line]
    assert found[0] == f"{path}:5: label 'many' is not a number"
    assert "1 bad row in all" in found[1]
    assert len(found) == 2


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("results nothing", "unknown run 'nothing'"),
        ("status nothing", "unknown run 'nothing'"),
        ("confirm nothing", "unknown run 'nothing'"),
        ("results --heatmap star", "unknown task 'star'; did you mean 'stars'?"),
        ("export importance star FILE", "unknown task 'star'; did you mean 'stars'?"),
        ("export selection stars FILE", "unknown primary 'stars', expected one of: mood"),
        ("export importance stars FOLDER", "No such file or directory"),
        ("export selection mood FOLDER", "No such file or directory"),
    ],
)
def test_what_is_not_there(ran, folder, command, message):
    result = ran(command.replace("FILE", str(folder / "f")).replace("FOLDER", str(folder / "nowhere" / "f")))
    assert result.code == 2
    assert message in result.line
    assert not (folder / "f").exists()


@pytest.mark.parametrize("command", ["results", "status some-run", "confirm", "export importance stars f", "results --heatmap a"])
def test_a_store_without_runs(place, command):
    result = place(command)
    assert result.code == 2
    expected = f"no runs in {place.store.root}: start one with `gradts-engine run tasks.toml`, or name a store with --store"
    assert result.line == expected


def test_an_empty_store_is_no_error_where_a_list_is_asked_for(place):
    for command, empty in (("status", "no runs in"), ("cache list", "nothing stored in")):
        assert place(f"{command} --json").json == []
        assert place(command).out.startswith(empty)
    assert place("cache verify").out == "0 intact, 0 damaged\n"


def test_a_run_that_cannot_be_read_hides_no_other(ran):
    damaged = ran.store.root / "runs" / "damaged-1"
    damaged.mkdir()
    (damaged / "events.db").write_bytes(b"no database " * 500)
    rows = {row["run"]: row for row in ran("status --json").json}
    assert rows["damaged-1"]["state"] == "unreadable"
    assert "file is not a database" in rows["damaged-1"]["reason"]
    assert rows[ran.latest.id if ran.latest.id != "damaged-1" else ran.store.runs()[1].id]["state"] == "done"
    assert "damaged-1: unreadable: " in ran("status").out
    refused = ran("runs rm tasks --yes")
    assert refused.code == 1
    assert "what that run needs is not known: remove it first" in refused.err
    assert ran("runs rm damaged-1 --yes").code == 0


def test_files_of_a_copied_run_are_those_of_the_copy(ran, tmp_path):
    copied = Store(tmp_path / "copied")
    shutil.copytree(ran.store.root, copied.root)
    final = report.results(copied, copied.run(ran.latest.id)).primaries["mood"].final
    assert Path(final.model) == copied.root / "runs" / ran.latest.id / "models" / "mood"


def test_a_file_that_is_not_there(place):
    result = place("run", str(place.folder / "task.toml"))
    assert result.code == 2
    assert result.line == f"{place.folder / 'task.toml'}: no such file; did you mean 'tasks.toml'?"


@pytest.mark.parametrize("damage", ["importance", "journal"])
def test_damaged_results_are_told(ran, damage):
    if damage == "journal":
        ran.latest.events.write_bytes(b"no database" * 100)
    else:
        key = ran.latest.view().stage("score", "stars").key
        path = ran.store.root / "artifacts" / "score" / key / "raw.safetensors"
        path.write_bytes(path.read_bytes()[:-1])
    result = ran("results --heatmap stars")
    assert result.code in (1, 2)
    assert "Traceback" not in result.err
    assert (
        "cannot be read: file is not a database" in result.line
        if damage == "journal"
        else "is damaged or was removed" in result.line
    )


def test_a_command_that_is_not_there(place, capsys):
    assert main(["rum"]) == 2
    assert "No such command 'rum'" in capsys.readouterr().err
