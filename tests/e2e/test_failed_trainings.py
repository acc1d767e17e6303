"""Trainings that fail: what is told, and what goes on."""

import math
import time

from gradts_engine import events
from gradts_engine.contracts import StrategySpec
from gradts_engine.errors import RunError
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.runtime.journal import read_events


def test_a_candidate_that_cannot_be_trained_is_left_out(place):
    for row in place.rows["stars"]["train"]:
        row["label"] = 1e30 * (1 + row["label"])
    place.write()
    result = place.run()
    assert result.code == 0
    assert "tune stars: FAILED: the loss is not finite at step 1 of 18 (last batch: stars)" in result.err
    assert "warning: stars is left out: the loss is not finite" in result.err
    found = place("results --json").json
    assert set(found["tau"]["mood"]) == {"pair", "tags"}
    assert [row["task"] for row in found["primaries"]["mood"]["ranking"]] == sorted(
        ["pair", "tags"], key=lambda task: -found["tau"]["mood"][task]
    )
    assert all("stars" not in trial["auxiliaries"] for trial in found["primaries"]["mood"]["trials"])
    assert found["primaries"]["mood"]["final"]["model"]
    rows = {(row["stage"], row["subject"]): row for row in place("status", place.latest.id, "--json").json["stages"]}
    assert rows["tune", "stars"]["state"] == "failed"
    assert "the loss is not finite" in rows["tune", "stars"]["reason"]


def test_a_primary_that_cannot_be_trained_fails_the_run_after_the_others_are_done(place):
    for row in place.rows["stars"]["train"]:
        row["label"] = 1e30 * (1 + row["label"])
    place.settings["run"]["primary"] = ["stars", "mood"]
    place.write()
    result = place.run()
    assert result.code == 1
    assert result.err.splitlines()[-1] == "no result for stars: the fine-tuning failed (see above)"
    assert "Traceback" not in result.err
    found = place("results --json").json
    assert found["state"] == "failed"
    assert found["primaries"]["mood"]["final"]["model"]
    assert found["primaries"]["stars"]["final"] is None
    assert found["reason"].startswith("tune stars: the loss is not finite at step 1 of 18 (last batch: stars)")
    assert found["reason"] in " ".join(place("results").out.split())
    (row,) = place("status --json").json
    assert row["reason"] == "no result for stars: the fine-tuning failed (see above)"


def test_primaries_wait_for_nobody(place, monkeypatch):
    """One fails, which is told at once; one has its model while the strategy of another is still at work."""

    def strategy(ranking, trials, settings):
        if ranking.primary == "stars":
            raise RunError("nothing can be said")
        until, ready = time.monotonic() + 60, ranking.primary == "mood"
        while not ready:
            assert time.monotonic() < until, "it would wait for ever"
            time.sleep(0.05)
            seen = [event for _, _, event in read_events(place.latest.events)]
            told = events.Warned("stars has no result: nothing can be said") in seen
            ready = told and any(isinstance(event, events.FinalModel) for event in seen)
        return ()

    spec = StrategySpec(name="patient", load=lambda: strategy, predictor="embedding")
    monkeypatch.setitem(load_catalog().strategies, "patient", spec)
    place.settings["run"]["primary"] = ["tags", "stars", "mood"]
    place.settings["selection"]["strategy"] = "patient"
    place.write()
    result = place.run()
    assert (result.code, result.err.splitlines()[-1]) == (1, "nothing can be said")
    assert place.latest.view().finals.keys() == {"mood", "tags"}


def test_a_trial_that_fails_is_no_number(place):
    """Auxiliaries whose training is fine alone, and is not with the rate of the trials."""
    place.settings["multitask"] |= {"learning_rate": 1e30}
    place.write()
    result = place.run()
    assert result.code == 1
    assert "the final training of mood failed" in result.err.splitlines()[-1]
    found = place("results --json").json["primaries"]["mood"]
    assert [trial["score"] for trial in found["trials"]] == [None] * len(found["trials"])
    assert all("not finite" in trial["reason"] for trial in found["trials"])
    assert found["proposed"] == []
    assert not any(math.isnan(row["tau"]) for row in found["ranking"])
