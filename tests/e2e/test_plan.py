"""What `plan` says before, within and after a run."""

import numpy as np
import pytest

from gradts_engine import report
from gradts_engine.learning.encoders import Encoder
from gradts_engine.runtime.paces import GUESS


def found(place) -> dict[str, list[str]]:
    planned = place("plan --json", str(place.config)).json
    return {task["task"]: task["found"] for task in planned["tasks"]}


def test_nothing_is_computed_and_nothing_is_written(place):
    planned = place("plan --json", str(place.config)).json
    assert (planned["state"], planned["trials"]) == ("new", 4)
    assert planned["seconds"] > 0  # a probe tells
    assert {stage: row["jobs"] for stage, row in planned["costs"].items()} == {"embed": 4, "tune": 4, "score": 4, "trial": 4}
    assert {task["task"]: task["train"] for task in planned["tasks"]} == {"mood": 10, "pair": 36, "stars": 36, "tags": 36}
    assert not any(found(place).values())
    assert not place.store.root.exists()
    assert "at most 4" in place("plan", str(place.config)).out


def test_a_batch_that_is_larger_than_all_tasks_is_probed_with_as_many_rows_as_there_are(place, monkeypatch):
    """A batch of so many rows would not fit into any memory."""
    probed, build = [], Encoder.build

    def noting(encoder):
        module = build(encoder)
        module.register_forward_pre_hook(lambda _, inputs, named: probed.append(len(named["input_ids"])), with_kwargs=True)
        return module

    monkeypatch.setattr(Encoder, "build", noting)
    place.settings["training"] = place.settings.get("training", {}) | {"batch_size": 100_000}
    place.write()
    assert place("plan --json", str(place.config)).json["seconds"] > 0
    assert {*probed} == {36}


def test_what_a_run_left_is_found_by_the_same_run_and_its_pace_tells_of_another(ran):
    planned = ran("plan --json", str(ran.config)).json
    assert (planned["run"], planned["state"], planned["seconds"]) == (ran.latest.id, "done", 0.0)
    assert set(map(tuple, found(ran).values())) == {("tune", "score")}
    ran.settings["run"]["seed"] = 4
    ran.rows["pair"]["train"] *= 40
    ran.write()
    planned = ran("plan --json", str(ran.config)).json
    assert planned["state"] == "new"
    assert not any(found(ran).values())
    assert planned["seconds"] > 0
    assert planned["trial seconds"] > 0
    times = {task["task"]: task["seconds"] for task in planned["tasks"]}
    assert times["pair"] > times["mood"]  # by rows and their lengths


def test_a_run_tells_how_many_steps_its_trainings_had(ran):
    stages = [stage for stage in ran.latest.view().stages.values() if stage.state == "done" and stage.operations]
    assert {stage.name for stage in stages} >= {"tune", "score", "trial"}
    for stage in stages:
        assert stage.steps == (stage.total if stage.name in ("tune", "trial") else 0)  # which is told as it goes on


def test_what_was_planned_stands_beside_what_it_took(ran):
    """A first run knows no pace; the next one tells what it expects, and results what came of it."""
    assert not any(row["planned"] for row in ran("results --json").json["spent"])
    ran.settings["run"]["seed"] = 4
    ran.write()
    costs = ran("plan --json", str(ran.config)).json["costs"]
    ran.done()
    spent = {row["stage"]: row for row in ran("results --json").json["spent"]}
    for stage in ("tune", "score", "trial"):
        assert spent[stage]["planned"] == [costs[stage]["low"], costs[stage]["high"]]
        assert 0 < spent[stage]["seconds"] < 20 * costs[stage]["high"] + 5  # how near it is depends on who else computes
    assert "as planned when the run began" in ran("results").out


def test_the_fewest_and_the_most_trials_are_those_of_the_strategy(place):
    place.settings["selection"] = {"confirm": "auto", "strategy": "halving"}
    place.settings["selection.halving"] = {"budget": 4, "shortlist": 2, "seeds": 2, "finalists": 1}
    place.settings["multitask"]["steps"] = 100_000
    place.write()
    planned = place("plan --json", str(place.config)).json
    most = 3 + 1 + 2 * 2  # two and their set, alone in one round, a finalist and alone with two seeds
    fewest = 2 + 1 + 2 * 2  # without a set of the two that were tried
    assert planned["trials"] == most
    times = planned["costs"]["trial"]
    assert times["high"] / times["low"] == pytest.approx(GUESS**2 * most / fewest, rel=0.01)


def test_problems_are_told_as_run_tells_them(place):
    place.rows["pair"]["train"][3] = {"one": "x"}
    place.write()
    planned, ran = place("plan", str(place.config)), place.run()
    assert planned.code == ran.code == 2
    assert "pair.train.jsonl" in planned.err
    assert set(planned.err.splitlines()) <= set(ran.err.splitlines())


def test_summary_of_heads_is_that_of_the_exported_importance(ran):
    view = ran.latest.view()
    for task in ("mood", "tags"):
        whole, summary = report.importance(ran.store, view, task), report.heads(ran.store, view, task)
        np.testing.assert_array_equal(summary.task, whole["task"])
        assert summary.instances == len(whole["ids"])
        for layer, head in np.ndindex(summary.task.shape):
            values = whole["instances"][:, layer, head]
            expected = np.histogram(values[np.isfinite(values)], bins=report.BINS, range=(0, 1))[0]
            np.testing.assert_allclose(summary.counts[layer, head], expected, atol=1)  # a value on an edge may round
    tau = report.task_tau({task: report.heads(ran.store, view, task) for task in ("mood", "pair", "stars")})
    assert tau["pair", "mood"] == report.results(ran.store, ran.latest).tau["mood"]["pair"]
