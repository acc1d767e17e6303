"""What each strategy proposes."""

import shutil
from operator import itemgetter


def test_halving_gives_verdicts_on_fresh_seeds_and_rows(ran):
    ran.settings["selection"] = {"confirm": "auto", "predictors": ["tau", "embedding", "tau-centred"]}
    ran.settings["selection.halving"] = {"budget": 4, "shortlist": 2, "seeds": 2, "finalists": 1}
    ran.write()
    assert ran.done()
    found = ran("results --json").json["primaries"]["mood"]
    assert found["predictor"] == "embedding"
    for row in found["ranking"]:
        assert set(row["predictors"]) == {"tau", "embedding", "tau-centred"}
        assert row["predictors"]["tau"] == {"mean": row["tau"], "low": None, "high": None, "repeats": 1}
    ((judged, verdict),) = found["verdicts"].items()
    assert set(verdict) == {"verdict", "gain", "low", "high", "seeds", "rows", "instances", "more"} | {
        "over_rows",
        "over_seeds",
        "seconds",
    }
    assert verdict["verdict"] in ("helps", "neutral", "hurts", "undecided")
    assert verdict["low"] <= verdict["gain"] <= verdict["high"]
    assert (verdict["seeds"], verdict["rows"]) == (2, 8)
    assert verdict["instances"] == 36 * len(judged.split(" + "))
    choosing, judging = ({t["repeat"] for t in found["trials"] if t["auxiliaries"] == a} for a in ([], judged.split(" + ")))
    assert len(judging) >= 3 <= len(choosing)
    shown = judged.split(" + ") if verdict["verdict"] == "helps" else []
    assert [a["task"] for a in found["proposed"]] == shown
    if shown:
        assert found["final"]["gain"] == verdict["gain"]
    else:
        assert found["final"]["verdict"] is None


def test_every_strategy(ran):
    """Each in turn on what the run before has computed: they differ in what they propose, and in nothing else."""
    ranking = ran("results --json").json["primaries"]["mood"]["ranking"]
    order = [row["task"] for row in ranking]
    threshold = (ranking[0]["tau"] + ranking[1]["tau"]) / 2
    by_embedding = sorted(ranking, key=lambda row: -row["embedding"])
    proposals = {}
    ran.settings["selection.halving"] = {"budget": 4, "shortlist": 2, "seeds": 2, "finalists": 1}
    for strategy in ("trial", "threshold", "none", "all", "embedding", "fine-grained", "halving"):
        ran.settings["selection"] = {"confirm": "auto", "strategy": strategy, "keep": 0.25}
        if strategy == "threshold":
            ran.settings["selection"]["threshold"] = threshold
        ran.write()
        assert {stage for stage, _ in ran.done()} <= {"trial", "proposal", "test"}
        found = ran("results --json").json["primaries"]["mood"]
        assert sorted(found["ranking"], key=itemgetter("task")) == sorted(ranking, key=itemgetter("task"))
        proposals[strategy] = {a["task"]: a["instances"] for a in found["proposed"]}
        assert found["confirmed"] == found["proposed"]
        scored = {tuple(t["instances"].items()): t["score"] for t in found["trials"] if not t["repeat"]}
        assert found["final"]["score"] == scored[tuple(proposals[strategy].items())]
        if strategy in ("embedding", "halving"):
            tried = [list(t["auxiliaries"]) for t in found["trials"] if t["auxiliaries"]]
            assert tried[0] == [by_embedding[0]["task"]]
    assert proposals["none"] == {}
    assert proposals["all"] == dict.fromkeys(order, 36)
    assert proposals["threshold"] == {order[0]: 36}
    ((judged, verdict),) = found["verdicts"].items()
    assert [*proposals["halving"]] == (judged.split(" + ") if verdict["verdict"] == "helps" else [])
    assert proposals["trial"]
    assert proposals["fine-grained"] == dict.fromkeys(proposals["trial"], 9)
    assert list(proposals["all"]) == order
    shutil.rmtree(ran.store.root / "artifacts" / "correlate")  # as `cache gc` may
    shown = ran("results")
    assert "correlate mood is missing" in shown.err
    assert "proposed:  " in shown.out
    assert "that a threshold would keep" not in shown.out
