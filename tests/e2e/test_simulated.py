"""`study coverage` and `study planted`, as a person would run them."""

import json

import pandas
import pytest

from gradts_engine.__main__ import main


def test_coverage_is_a_table_in_three_forms(capsys, tmp_path):
    path = tmp_path / "coverage.csv"
    assert main(["study", "coverage", "--cases", "1", "--out", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    frame = pandas.read_csv(path)
    assert frame["of"].tolist() == [row["of"] for row in found]
    assert frame["coverage"].tolist() == [row["coverage"] for row in found]
    assert {*frame["of"]} == {"tau over instances", "gain over seeds", "verdict"}
    assert len(path.with_suffix(".md").read_text().splitlines()) == len(frame) + 2


@pytest.mark.torture
def test_planted_goes_on_from_its_table(place, tmp_path):
    folder = str(tmp_path / "planted")
    plan = ("--encoder", place.settings["run"]["encoder"], "--steps", "2", "--seeds", "2", "--out", folder, "--limit", "1")
    found = place("study planted", *plan, "--json")
    assert found.code == 0, found.err
    frame = pandas.read_csv(tmp_path / "planted" / "planted.csv")
    assert frame["candidate"].tolist() == ["stars", "better", "topic", "tense", "names"]
    assert {"tau", "probe", "stacked", "random"} <= {*frame.columns}
    again = place("study planted", *plan, "--json")
    assert again.json == found.json
    assert "done in" not in again.err
    refused = place("study planted", *plan, "--steps", "3")
    assert refused.code == 2
    assert "steps 2" in refused.line
