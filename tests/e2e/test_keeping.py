"""What stays on the disk once a run is done, and that other runs and later ones do not miss what was freed."""

import pytest

from gradts_engine import events
from gradts_engine.runtime.artifacts import MODEL
from gradts_engine.runtime.shelving import size


def weights(place) -> set[tuple[str, str]]:
    """Stage and subject of the trainings of the latest run whose weights are there."""
    root, stages = place.store.artifacts.root, place.latest.view().stages.values()
    return {(s.name, s.subject) for s in stages if (root / s.name / s.key / MODEL).exists()}


def final(place) -> tuple[str, str]:
    view = place.latest.view()
    return ("trial", view.stages[view.finals["mood"].key].subject)


@pytest.fixture
def default(place):
    """A fresh place that does not say what is to stay."""
    del place.settings["run"]["keep"]
    place.write()
    return place


def test_all_weights_stay_where_it_is_asked_for_and_then_those_of_final_models(ran):
    """Nothing is missed that was freed, until it is needed: then it is computed again, and freed again."""
    trainings = {(s.name, s.subject) for s in ran.latest.view().stages.values() if s.name in ("tune", "trial")}
    assert weights(ran) == trainings > {final(ran)}
    (row,) = ran("status --json").json
    found = ran("results --json").json
    assert found["size"] == size(ran.store, ran.latest, ran.latest.view()) == pytest.approx(row["MB"] * 1e6, abs=5e3)
    assert f"{found['size'] / 1e6:.2f} MB" in ran("results").out
    assert f"{row['MB']}" in ran("status").out
    del ran.settings["run"]["keep"]
    ran.write()
    assert ran.run().code == 0
    news = ran.news()
    assert not [event for event in news if isinstance(event, events.StageStarted)]
    (freed,) = (event for event in news if isinstance(event, events.Freed))
    assert weights(ran) == {final(ran)}
    assert freed.results == len(trainings) - 1
    assert found["size"] - size(ran.store, ran.latest, ran.latest.view()) > 0.9 * freed.size > 0
    assert ran("cache gc --dry-run").out.endswith("would free 0.00 MB\n")
    assert ran("cache verify").code == 0
    # once more there is nothing to free and nothing to compute
    model = ran.latest.models / "mood" / "model.safetensors"
    before = model.read_bytes()
    assert ran.run().code == 0
    assert not [event for event in ran.news() if isinstance(event, events.StageStarted | events.Freed)]
    assert model.read_bytes() == before
    ran.settings["scoring"]["head_axis"] = "input"
    ran.write()
    assert {("tune", "mood"), ("score", "mood")} <= ran.done()
    assert weights(ran) <= {final(ran)}


@pytest.mark.torture
def test_another_run_that_waits_keeps_what_it_needs(default):
    """Two runs in processes share trainings; one is done first, and the other one may choose any of its trials."""
    other = default.folder / "other.toml"
    default.settings["selection"]["confirm"] = "ask"
    default.write()
    default.config.rename(other)
    default.settings["selection"]["confirm"] = "auto"
    default.settings["selection"]["strategy"] = "all"
    default.write()
    store = ("--store", str(default.store.root))
    engines = [default.start("run", str(config), "--plain", *store) for config in (other, default.config)]
    codes = [engine.wait(timeout=240) for engine in engines]
    assert codes == [3, 0], [engine.stderr.read() for engine in engines]
    waits, done = sorted(default.store.runs(), key=lambda run: run.state(), reverse=True)
    assert (waits.state(), done.state()) == ("waiting", "done")
    tried = [(s.name, s.key) for s in waits.view().stages.values() if s.name in ("tune", "trial")]
    assert all((default.store.artifacts.root / stage / key / MODEL).exists() for stage, key in tried)
    freed = [(s.name, s.key) for s in done.view().stages.values() if s.name == "trial"]
    assert {(default.store.artifacts.root / stage / key / MODEL).exists() for stage, key in freed} == {True}
    assert default("confirm", waits.id, "--alone", "--yes").code == 0
    result = default("run", str(other))
    assert result.code == 0, result.err
    kept = {run.view().finals["mood"].key for run in (waits, done)}
    assert {folder.parent.name for folder in default.store.artifacts.root.glob(f"t*/*/{MODEL}")} == kept


def without_seconds(trials):
    return [{key: value for key, value in trial.items() if key != "seconds"} for trial in trials]


def test_a_trial_that_a_person_chooses_after_all_is_trained_again(default):
    """Its weights were freed; they, and its score, are the same as before."""
    default.settings["selection"]["confirm"] = "ask"
    default.write()
    assert default.run().code == 3
    assert default("confirm --alone --yes").code == 0
    default.done()
    before = without_seconds(default("results --json").json["primaries"]["mood"]["trials"])
    tried = before[1]["auxiliaries"]
    assert default("confirm --primary mood --yes --auxiliaries", ",".join(tried)).code == 0
    subject = " + ".join(["mood", *sorted(tried)])
    assert default.done() == {("trial", subject), ("test", subject)}
    found = default("results --json").json["primaries"]["mood"]
    assert sorted(without_seconds(found["trials"]), key=str) == sorted(before, key=str)
    assert found["final"]["score"] == before[1]["score"]
    assert weights(default) == {("trial", subject)}
