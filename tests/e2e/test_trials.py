"""Predictors learn from trials: pilots of a run, those of other runs, and imported ones."""

import csv
import shutil
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from gradts_engine import events
from gradts_engine.contracts import Device, ExecutorSpec
from gradts_engine.hooks.specs import hookimpl
from gradts_engine.runtime.executors import ThreadExecutor
from gradts_engine.runtime.prepare import current_run
from gradts_engine.runtime.store import Store
from gradts_engine.runtime.stored_trials import known

pytest_plugins = ["gradts_engine.testing.fixtures"]


@pytest.fixture
def learning(place):
    """A place whose candidates are ordered by what they do for others."""
    place.settings["selection"] = {"confirm": "auto", "strategy": "trial", "pilots": 2}
    place.settings["selection"] |= {"predictor": "main-effect", "predictors": ["main-effect"]}
    place.settings["run"]["primary"] = ["mood"]
    place.write()
    return place


def effects(trials) -> dict[str, float]:
    """The mean of standardised scores, in plain loops; `trials` are (pilot, candidate, score)."""
    found: dict[str, list[float]] = {}
    for pilot in {p for p, _, _ in trials}:
        scores = {c: s for p, c, s in trials if p == pilot and c != "mood"}
        mean, spread = np.mean([*scores.values()]), np.std([*scores.values()])
        for c, s in scores.items():
            if spread > 0:
                found.setdefault(c, []).append((s - mean) / spread)
    return {c: float(np.mean(values)) for c, values in found.items()}


def test_pilots_are_planned_made_shown_and_learnt_from(learning):
    planned = learning("plan --json", str(learning.config)).json
    assert planned["evidence"] == {"pilot": {"jobs": 4, "found": 0}}
    assert planned["costs"]["trial"]["jobs"] == 4 + planned["trials"], "pilots cost what trials do"
    computed = learning.done()
    assert {stage for stage, _ in computed} == {"trial", "proposal", "test"}
    found = learning("results --json").json
    assert len(found["pilots"]) == 2
    made = [(p, t["auxiliaries"][0], t["score"]) for p, trials in found["pilots"].items() for t in trials]
    assert len(made) == 4
    assert all({p, c} <= {"pair", "stars", "tags"} for p, c, _ in made)
    said = {row["task"]: row["predictors"]["main-effect"]["mean"] for row in found["primaries"]["mood"]["ranking"]}
    assert {c: v for c, v in said.items() if v is not None} == pytest.approx(effects(made))
    assert found["primaries"]["mood"]["predictor"] == "main-effect"
    assert "pilots, what candidates do for other tasks" in learning("results").out
    assert learning("report tasks", str(learning.folder / "out.html")).code == 0
    page = (learning.folder / "out.html").read_text()
    assert "<h2>Pilots</h2>" in page
    assert "At most 4 trainings are trials." in page
    assert learning.done() == set()  # and what the run has made itself changes nothing
    planned = learning("plan --json", str(learning.config)).json
    assert planned["evidence"] == {"pilot": {"jobs": 4, "found": 4}}
    assert planned["trials found"] == len(found["primaries"]["mood"]["trials"]) < 4 + planned["trials found"]


def test_without_trials_a_line_says_what_to_do_and_nothing_is_computed(learning):
    del learning.settings["selection"]["pilots"]
    learning.write()
    for command in ("run", "plan"):
        result = learning(command, str(learning.config))
        assert result.code == 2
        assert "main-effect learns from trials of other tasks than mood, and none is stored" in result.err
        assert "set pilots = 3, or give some with `gradts-engine trials import FILE.csv`" in result.err
    learning.settings["selection"] = {"confirm": "auto", "strategy": "none", "predictors": ["main-effect"]}
    learning.write()
    assert "main-effect says nothing of any candidate of mood: no such trial is stored" in learning.run().err


def test_trials_of_another_run_and_another_store_are_evidence_where_encoder_settings_and_rows_are_the_same(learning, folder):
    first = learning.copy(folder / "first")
    first.settings["selection"]["predictors"] = ["random"]  # another run than the one that learns from it
    first.write()
    assert first.run().code == 0
    assert first("trials export", str(folder / "trials.csv")).code == 0
    listed = first("trials list --json").json
    assert {t["from"] for t in listed} == {first.latest.id}
    assert "pair" in first("trials list").out
    singles = [(t["primary"], t["auxiliaries"][0], t["score"]) for t in listed if t["primary"] != "mood"]
    del learning.settings["selection"]["pilots"]
    learning.write()
    for new, old in ((len(listed), 0), (0, len(listed))):
        result = learning("trials import", str(folder / "trials.csv"))
        assert f"{new} trials imported" in result.out
        assert f"{old} were known" in result.out
    scores, imported = ([t.score for t in known(place.store)] for place in (first, learning))
    assert imported == pytest.approx(scores, rel=1e-15)
    assert [replace(t, score=0) for t in known(learning.store)] == [replace(t, score=0, run="") for t in known(first.store)]
    assert learning.run().code == 0
    row = learning("results --json").json["primaries"]["mood"]["ranking"]
    said = {r["task"]: r["predictors"]["main-effect"]["mean"] for r in row}
    assert {c: v for c, v in said.items() if v is not None} == pytest.approx(effects(singles))
    for section, key, value in (("multitask", "steps", 13), ("data", "train_limit", 9)):  # another protocol, other rows
        other = learning.copy(folder / key)
        other.settings.setdefault(section, {})[key] = value
        other.write()
        assert other.run().code == 2


def test_a_table_of_pairs_is_taken_over_and_its_keys_are_checked(learning, folder):
    learning.settings["selection"] = {"confirm": "auto", "strategy": "none", "predictors": []}
    learning.write()
    pairs = folder / "pairs.csv"
    assert learning("study pairs", str(learning.config), "--seeds", "1", "--out", str(pairs)).code == 0
    result = learning("trials import", str(pairs))
    assert result.code == 2
    assert f"{pairs}:1: no column protocol: say with --like tasks.toml" in result.err
    shutil.rmtree(learning.store.root)
    assert "4 trials imported" in learning("trials import", str(pairs), "--like", str(learning.config)).out
    rows = list(csv.DictReader(pairs.open()))
    assert [t.score for t in known(Store(learning.store.root))] == pytest.approx(
        [float(r["score"]) / 100 for r in sorted(rows, key=lambda r: r["source"])]
    )
    strange = folder / "strange.csv"
    strange.write_text("target,source,seed,score,key\nelsewhere,other,0,70,0123\n")
    result = learning("trials import", str(strange), "--like", str(learning.config))
    assert result.code == 2
    assert f"{strange}: no row is of tasks that {learning.config} has" in result.err
    learning.settings["multitask"]["steps"] = 13
    learning.write()
    result = learning("trials import", str(pairs), "--like", str(learning.config))
    assert result.code == 2
    assert f"{pairs}:2: key: was made with other settings, data or another encoder than {learning.config} has" in result.err


def test_settings_of_choosing_make_another_run_and_those_that_are_not_set_the_same(place):
    place.settings["selection"] = {"confirm": "auto", "strategy": "halving"}
    place.write()
    found = [current_run(place.config)]
    for section, settings in (
        ("data", {"verdict_fraction": 0.5}),  # the defaults
        ("selection", {"pilots": 0}),
        ("data", {"verdict_fraction": 0.25}),
        ("selection", {"pilots": 1}),
        ("selection.halving", {"budget": 4}),
    ):
        place.settings[section] = place.settings.get(section, {}) | settings
        place.write()
        found.append(current_run(place.config))
    assert found[0] == found[1] == found[2]
    assert len({*found}) == 4


def test_halving_is_led_by_what_candidates_do_for_others_and_its_rounds_run_side_by_side(learning, isolated_catalog):
    """On two devices, both of which are this processor."""
    plugin = ModuleType("twice")
    plugin.gradts_executors = hookimpl(
        lambda: [ExecutorSpec(name="twice", load=lambda s: ThreadExecutor([Device("cpu")] * 2, s))]
    )
    isolated_catalog(plugin)
    learning.settings["run"]["executor"] = "twice"
    learning.settings["selection"] |= {"strategy": "halving", "predictors": []}
    learning.settings["selection.halving"] = {"budget": 2, "shortlist": 2, "largest": 1, "seeds": 2, "finalists": 1}
    learning.write()
    assert learning.run().code == 0
    news = learning.news()
    found = learning("results --json").json["primaries"]["mood"]
    order = [row["task"] for row in found["ranking"] if row["predictors"]["main-effect"]["mean"] is not None]
    assert {a for trial in found["trials"] for a in trial["auxiliaries"]} == {*order[:2]}
    assert len(found["verdicts"]) == 1
    running, most = set(), {}
    for event in news:
        match event:
            case events.StageStarted("trial", subject, about=about):
                running.add(subject)
                most[about.repeat, about.task == "mood"] = max(most.get((about.repeat, about.task == "mood"), 0), len(running))
            case events.StageFinished("trial", subject):
                running.discard(subject)
    assert most[0, False] == most[0, True] == 2, "pilots, the first round"
    assert most[2, True] == 2, "the finalist and the primary alone on the last fresh seed"
