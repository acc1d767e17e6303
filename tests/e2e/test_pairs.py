"""`study pairs`: true gains from the trials of a run, kept row by row, as a person would measure them."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pandas
import pytest
from scipy.stats import spearmanr

from gradts_engine.__main__ import main


@pytest.fixture
def study(place):
    """Two tasks, each a primary and a candidate."""
    place.settings["run"]["primary"] = ["mood", "stars"]
    del place.settings["tasks.tags"], place.settings["tasks.pair"]
    place.write()

    def run(*arguments):
        return place("study pairs", str(place.config), "--predictor", "none", *arguments)

    return place, run


def rows(place):
    with (place.folder / "pairs.csv").open() as file:
        return list(csv.DictReader(file))


def test_gains_are_differences_of_the_runs_own_trials(study):
    place, pairs = study
    found = pairs("--seeds", "2", "--json")
    assert found.code == 0
    assert [(r["target"], r["source"], r["seed"]) for r in rows(place)] == [
        (target, source, seed)
        for seed in "01"
        for target, other in (("mood", "stars"), ("stars", "mood"))
        for source in ("", other)
    ]
    score = {(r["target"], r["source"], r["seed"]): float(r["score"]) for r in rows(place)}
    gain = found.json["primaries"]["mood"]["candidates"]["stars"]["gain"]
    by_hand = [score["mood", "stars", seed] - score["mood", "", seed] for seed in "01"]
    assert gain == pytest.approx(sum(by_hand) / 2, abs=1e-3)
    assert not list((place.store.artifacts.root / "trial").glob("*"))  # no model is kept

    place.settings["run"]["primary"] = ["mood"]
    place.settings["selection"]["strategy"] = "all"
    place.write()
    place.done()
    trials = place("results --json").json["primaries"]["mood"]["trials"]
    assert {tuple(t["auxiliaries"]): round(100 * t["score"], 4) for t in trials} == {
        (): score["mood", "", "0"],
        ("stars",): score["mood", "stars", "0"],
    }


def test_a_study_goes_on_and_mixes_nothing(study):
    place, pairs = study
    assert pairs("--seeds", "1").code == 0
    one = rows(place)
    text = pairs("--seeds", "2")
    assert text.code == 0
    assert "4 of 8 trainings" in text.err.splitlines()[0]
    assert rows(place)[:4] == one
    place.settings["multitask"]["steps"] = 13
    place.write()
    refused = pairs("--seeds", "2")
    assert refused.code == 2
    assert "pairs.csv: mood alone, seed 0, was trained with other settings" in refused.line
    assert len(rows(place)) == 8
    found = place("study pairs", str(place.config), "--seeds", "2", "--from-elsewhere", "--predictor", "main-effect", "--json")
    assert (found.code, found.json["trainings"]) == (0, 8)
    missing = place("study pairs", str(place.config), "--from-elsewhere", "--out", str(place.folder / "none.csv"))
    assert (missing.code, "none.csv: no such table" in missing.line) == (2, True)


def test_ctrl_c_keeps_what_is_finished(study):
    place, pairs = study
    command = [sys.executable, "-m", "gradts_engine", "study", "pairs", str(place.config), "--seeds", "60"]
    engine = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=place.folder)
    while not (place.folder / "pairs.csv").exists() and engine.poll() is None:
        time.sleep(0.05)
    os.kill(engine.pid, signal.SIGINT)
    out, err = engine.communicate(timeout=120)
    assert (engine.returncode, out) == (130, ""), err
    assert "Traceback" not in err
    before = rows(place)
    assert 0 < len(before) < 240
    assert pairs("--seeds", "1").code == 0
    assert rows(place)[: len(before)] == before


@pytest.fixture
def four(place):
    """Four tasks, two of them primaries."""
    place.settings["run"]["primary"] = ["mood", "stars"]
    place.write()
    return place


ASKED = [f"--predictor={name}" for name in ("tau", "embedding", "probe", "probe-reverse", "main-effect", "stacked", "random")]
"""What has different needs; `gradient` is as the others here, and trains the primaries once more."""


def test_each_predictor_has_a_row_and_its_correlation_is_that_of_its_values_with_the_gains(four):
    found = four("study pairs", str(four.config), "--seeds", "1", "--json", *ASKED)
    assert found.code == 0, found.err
    folder = four.folder
    table = pandas.read_csv(folder / "pairs.csv", keep_default_na=False)
    alone = table[table["source"] == ""].set_index("target")["score"]
    table = table[table["source"] != ""]
    gains = (table.set_index(["target", "source"])["score"] - table["target"].map(alone).to_numpy()).sort_index()
    values = pandas.read_csv(folder / "pairs-values.csv")
    predictors = pandas.read_csv(folder / "pairs-predictors.csv").set_index("predictor")
    assert [*predictors.index] == [row["predictor"] for row in found.json["predictors"]]
    assert {*predictors.index} == {option.partition("=")[2] for option in ASKED}
    for name, of in values.groupby("predictor"):
        said = of.set_index(["target", "source"])["value"].sort_index()
        rhos = [spearmanr(said[target], gains[target]).statistic for target in said.index.levels[0]]
        assert predictors["rho"][name] == pytest.approx(pandas.Series(rhos).mean(), abs=6e-4, nan_ok=True), name
    assert (folder / "pairs-predictors.md").read_text().count("\n") == len(predictors) + 2

    assert main(["study", "agreement", str(folder / "pairs.csv"), "--json"]) == 0  # from the files alone
    read = json.loads(four.capture.readouterr().out)
    assert read == {key: value for key, value in found.json.items() if key != "evidence seconds"}

    again = four("study pairs", str(four.config), "--seeds", "1", "--json", "--as-is", *ASKED)
    assert again.json["predictors"] == found.json["predictors"]
    assert again.json["evidence seconds"] == {}

    lines = (folder / "pairs.csv").read_text().splitlines(keepends=True)
    (folder / "pairs.csv").write_text("".join(lines[:-2]))
    part = four("study pairs", str(four.config), "--seeds", "4", "--as-is", "--predictor", "embedding", "--json")
    assert part.code == 0, part.err
    (row,) = part.json["predictors"]
    assert (row["predictor"], row["primaries"], row["ceiling"], row["corrected"]) == ("embedding", 2, None, None)
    assert -1 <= row["rho"] <= 1
    assert (folder / "pairs.csv").read_text().splitlines(keepends=True) == lines[:-2]
    assert part.json["trainings"] == 6


def test_an_unknown_predictor_is_refused_before_anything_is_trained(four):
    refused = four("study pairs", str(four.config), "--predictor", "tua")
    assert refused.code == 2
    assert "tua" in refused.line
    assert "'tau'" in refused.line
    assert not (four.folder / "pairs.csv").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "values.csv: cannot be read as CSV: No such file or directory"),
        ("predictor,target\ntau,a\n", "values.csv:1: no column source and no seed and no value; expected a table with the"),
        ("predictor,target,source,seed,value\n", "values.csv: has no row below its columns"),
        ("predictor,target,source,seed,value\ntau,z,b,0,.5\n", "values.csv: no row is of a target of"),
        (
            "predictor,target,source,seed,value\ntau,a,b,0,.5\ntau,a,b,0,.6\n",
            "values.csv:3: broken row (the same is there before",
        ),
        ("predictor,target,source,seed,value\ntau,a,b,0,.5\ntau,a,c,0,high\n", "values.csv:3: broken row (could not convert"),
    ],
)
def test_values_that_cannot_be_read(tmp_path, capsys, text, said):
    table, values = tmp_path / "pairs.csv", tmp_path / "values.csv"
    table.write_text("target,source,seed,score,metric,seconds,key\na,,0,50,accuracy,1,k\na,b,0,52,accuracy,1,k\n")
    if text:
        values.write_text(text)
    assert main(["study", "agreement", str(table), str(values)]) == 2
    assert said in capsys.readouterr().err
