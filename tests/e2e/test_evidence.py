"""A run computes what its predictors and its strategy need, and nothing else."""

import numpy as np
import pytest
from safetensors.numpy import load_file

from gradts_engine import events, page
from gradts_engine.report import arrays
from gradts_engine.runtime.gathering import SHARE
from gradts_engine.runtime.jobs import Align, States, needs
from gradts_engine.scoring import settled
from gradts_engine.scoring.probes import logme, ridge

TASKS = ["mood", "pair", "stars", "tags"]


def stages(computed):
    return {stage for stage, _ in computed}


def test_without_tau_nothing_is_tuned_or_scored_and_everything_that_looks_lives_with_it(place):
    place.settings["selection"] = {"confirm": "ask", "strategy": "embedding", "predictors": ["embedding"]}
    place.write()
    planned = place("plan --json", str(place.config)).json
    assert planned["evidence"] == {"embed": {"jobs": 4, "found": 0}}
    assert planned["seconds"] == 0.0
    assert place.run().code == 3
    assert stages({(s.name, s.subject) for s in place.latest.view().stages.values()}) == {"embed", "trial", "proposal"}
    assert place.latest.view().started.needs == ("state",)
    found = place("results --json").json
    assert found["tau"] == {}
    for primary in found["primaries"].values():
        cosines = [row["embedding"] for row in primary["ranking"]]
        assert len(cosines) == 3
        assert cosines == sorted(cosines, reverse=True)
        assert all(row["tau"] is None for row in primary["ranking"])
    assert place("results").code == place("status").code == 0
    assert "mood" in page.page(place.store, place.latest)
    cut = place("confirm --yes --primary mood --auxiliaries pair --keep 0.5")
    assert cut.code == 2
    assert "add tau to [selection] predictors" in cut.err
    assert place("confirm --yes").code == 0
    place.news()
    assert stages(place.done()) <= {"trial", "test"}


def test_without_the_embedding_no_text_is_embedded(place):
    place.settings["selection"] = {"confirm": "auto", "strategy": "trial", "predictors": ["tau"]}
    place.settings["run"]["primary"] = ["mood"]
    place.write()
    assert stages(place.done()) == {"tune", "score", "correlate", "reliability", "trial", "proposal", "test"}
    rows = place("results --json").json["primaries"]["mood"]["ranking"]
    assert all(row["tau"] is not None and row["embedding"] is None for row in rows)
    assert place("results").code == 0


@pytest.mark.parametrize(("predictor", "backward"), [("probe", False), ("probe-reverse", True)])
def test_states_are_computed_for_a_probe_in_its_direction_and_every_repeat(place, predictor, backward):
    place.settings["selection"] = {"confirm": "auto", "strategy": "none", "predictor": predictor, "predictors": [predictor]}
    place.settings["run"]["primary"] = ["mood"]
    place.settings["training"]["seeds"] = 2
    place.write()
    pairs = [(c, "mood") if backward else ("mood", c) for c in ("pair", "stars", "tags")]
    tuned = 2 if backward else 6
    before = {task for task, _ in pairs}
    expected = {"tune": {"jobs": tuned, "found": 0}, "states": {"jobs": len(before) + 6, "found": 0}}
    assert place("plan --json", str(place.config)).json["evidence"] == expected
    computed = place.done()
    assert [stage for stage, _ in computed].count("tune") == tuned
    jobs = [*(States(task=t) for t in before), *(States(task=t, tuned=by, repeat=r) for t, by in pairs for r in (0, 1))]
    assert {subject for stage, subject in computed if stage == "states"} == {job.words for job in jobs}
    view = place.latest.view()

    def worth(job: States) -> float:
        arrays = place.store.artifacts.find("states", view.stage("states", job.words).key).arrays("states.safetensors")
        return (logme(arrays["states"], arrays["targets"]) - np.log(1 - ridge(arrays["states"], arrays["targets"])) / 2) / 2

    for (task, by), said in zip(pairs, view.predicted["mood"].values[predictor].items(), strict=True):
        assert said[0] == (task if backward else by)
        gains = [worth(States(task=task, tuned=by, repeat=r)) - worth(States(task=task)) for r in (0, 1)]
        np.testing.assert_allclose(said[1], gains, rtol=1e-9)
    assert place.done() == set()
    assert all(n["found"] == n["jobs"] for n in place("plan --json", str(place.config)).json["evidence"].values())
    assert place("results").code == 0


def test_gradients_are_compared_at_parts_of_the_primarys_own_training(place):
    place.settings["selection"] = {"confirm": "auto", "strategy": "none", "predictor": "gradient", "predictors": ["gradient"]}
    place.settings["run"]["primary"] = ["mood"]
    place.write()
    expected = {"part": {"jobs": 1, "found": 0}, "align": {"jobs": 3, "found": 0}}
    assert place("plan --json", str(place.config)).json["evidence"] == expected
    computed = place.done()
    jobs = {c: Align(task=c, primary="mood", share=SHARE) for c in ("pair", "stars", "tags")}
    parts = {job.words for job in needs(jobs["pair"])}
    assert {subject for stage, subject in computed if stage == "part"} == parts
    assert {s for stage, s in computed if stage == "align"} == {job.words for job in jobs.values()}
    assert stages(computed) == {"part", "align", "trial", "proposal", "test"}
    view = place.latest.view()

    def value(job: Align) -> float:
        return place.store.artifacts.find("align", view.stage("align", job.words).key).result["alignment"]

    said = dict(view.predicted["mood"].values["gradient"])
    assert {c: said[c] for c in jobs} == {c: (pytest.approx(value(job)),) for c, job in jobs.items()}
    assert any(found != (0.0,) for found in said.values())
    assert "gradient" in place("results").out
    assert "comparing gradients" in page.page(place.store, place.latest)
    assert place.done() == set()


def test_a_settled_ranking_needs_no_more_rows_but_where_rows_are_selected(ran, monkeypatch):
    whole = arrays.importance(ran.store, ran.latest.view(), "pair")
    monkeypatch.setattr(settled, "BLOCK", 8)
    monkeypatch.setattr(settled, "AGREE", 0.2)
    ran.settings["scoring"]["stop"] = "settled"
    ran.settings["selection"] = {"confirm": "ask", "strategy": "none", "predictors": ["tau"]}
    ran.write()
    assert ran.run().code == 3
    view = ran.latest.view()
    some = arrays.importance(ran.store, view, "pair")
    assert 8 <= len(some["raw"]) < len(whole["raw"]) == 36
    places = [whole["ids"].tolist().index(row) for row in some["ids"]]
    np.testing.assert_allclose(some["raw"], whole["raw"][places], rtol=1e-4)
    assert ran("export importance pair", str(ran.folder / "some")).code == 0
    assert load_file(ran.folder / "some")["ids"].tolist() == some["ids"].tolist()
    tau = arrays.instance_tau(ran.store, view, "mood")["pair"]
    assert np.flatnonzero(np.isfinite(tau)).tolist() == sorted(places)
    ran.news()
    ran.settings["selection"] = {"confirm": "ask", "strategy": "fine-grained", "keep": 0.25}
    ran.write()
    assert ran.run().code == 3
    assert "score" not in {e.stage for e in ran.news() if isinstance(e, events.StageStarted)}  # all rows, as the first run
